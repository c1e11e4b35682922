"""Calls about accounts of ours."""

from typing import Any

from swpt_client.inputs import Configure
from swpt_client.limits import HUGE_AMOUNT, SCHEDULED_FOR_DELETION
from swpt_client.office import Office
from swpt_client.records import Account as AccountRecord
from swpt_client.records import AccountKey, Entry
from swpt_client.views import Account


class AccountCalls:
    """A part of the agent."""

    _office: Office

    def open_account(
        self,
        debtor_id: int,
        creditor_id: int,
        *,
        negligible_amount: float = 0.0,
        config_data: str = "",
        session: Any = None,
    ) -> Account:
        """Want an account.  An account that is known is configured anew, unless it is wanted so already."""
        known = self.account(debtor_id, creditor_id, session=session)
        wanted = (0, negligible_amount, config_data)
        if known is not None:
            now = known.record.configuration
            if (now.config_flags, now.negligible_amount, now.config_data) == wanted:
                return known
        return self.configure(
            debtor_id,
            creditor_id,
            negligible_amount=negligible_amount,
            config_data=config_data,
            session=session,
        )

    def configure(
        self,
        debtor_id: int,
        creditor_id: int,
        *,
        negligible_amount: float = 0.0,
        config_flags: int = 0,
        config_data: str = "",
        session: Any = None,
    ) -> Account:
        """Want this configuration of an account, whatever it was before."""
        call = Configure(
            key=AccountKey(debtor_id, creditor_id),
            negligible_amount=negligible_amount,
            config_flags=config_flags,
            config_data=config_data,
        )
        answer = self._office.call(call, session)
        assert isinstance(answer, AccountRecord)
        return Account(answer)

    def close_account(
        self,
        debtor_id: int,
        creditor_id: int,
        *,
        negligible_amount: float = HUGE_AMOUNT,
        session: Any = None,
    ) -> Account:
        """Want an account no more; what is on it may be lost, up to `negligible_amount`.

        It is gone only when the news AccountClosed come, weeks or months later.
        """
        return self.configure(
            debtor_id,
            creditor_id,
            negligible_amount=negligible_amount,
            config_flags=SCHEDULED_FOR_DELETION,
            session=session,
        )

    def account(self, debtor_id: int, creditor_id: int, *, session: Any = None) -> Account | None:
        """What is known of an account of ours."""
        self._office.check_place(session)
        found = self._office.store.account(AccountKey(debtor_id, creditor_id), session)
        return None if found is None else Account(found)

    def entries(
        self, debtor_id: int, creditor_id: int, *, before: Entry | None = None, limit: int = 50
    ) -> list[Entry]:
        """Entries of the ledger, the newest first; the next page comes `before` the last of a page."""
        self._office.check_place()
        return self._office.store.entries(AccountKey(debtor_id, creditor_id), before, limit)
