"""Calls about accounts of ours."""

from typing import Any

from swpt_client.inputs import Configure
from swpt_client.limits import HUGE_AMOUNT, MAX_INT32, SCHEDULED_FOR_DELETION
from swpt_client.office import Office
from swpt_client.records import Account as AccountRecord
from swpt_client.records import AccountKey, Entry
from swpt_client.values import integer_fault
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
        """Want an account.  An account that is known is configured anew, unless it is wanted so already.

        `negligible_amount`: in the smallest unit of the currency, finite, from 0.0 on; smaller
        amounts arrive without an entry of their own in the ledger.  `config_data`: at most 2000
        bytes; of a root account RootConfigData, else empty (protocol.rst, ConfigureAccount).  The
        answer: the news ConfigEffectual or ConfigRejected, or `wait_for_account`.
        Raises BadField; StoreAway.
        """
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
        """Want this configuration of an account, whatever it was before (protocol.rst, ConfigureAccount).

        `config_flags`: bit 0 schedules the account for deletion.  Otherwise as `open_account`.
        Raises BadField; StoreAway.
        """
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

        Also one of which nothing is known here, but which the server may keep for us: if there is none,
        the server makes it and forgets it again.

        It is gone only when the news AccountClosed come, weeks or months later (protocol.rst, Life of
        an account).  Raises BadField; StoreAway.
        """
        return self.configure(
            debtor_id,
            creditor_id,
            negligible_amount=negligible_amount,
            config_flags=SCHEDULED_FOR_DELETION,
            session=session,
        )

    def account(self, debtor_id: int, creditor_id: int, *, session: Any = None) -> Account | None:
        """What is known of an account of ours; None if nobody has ever wanted it.

        The ledger is at once, the balance up to a minute late (protocol.rst, AccountUpdate).
        Raises BadField; StoreAway.
        """
        key = AccountKey(debtor_id, creditor_id)
        self._office.check_question(key, session)
        found = self._office.store.account(key, session)
        return None if found is None else Account(found)

    def entries(
        self, debtor_id: int, creditor_id: int, *, before: Entry | None = None, limit: int = 50
    ) -> list[Entry]:
        """Entries of the ledger, the newest first; the next page comes `before` the last of a page.

        At most `limit` of them.  Dummy entries stand for what the server does not announce, or what
        was never received (protocol.rst, Account ledger records).  Raises BadField; StoreAway.
        """
        key = AccountKey(debtor_id, creditor_id)
        self._office.check_question(key)
        self._office.require(key, integer_fault("limit", limit, 0, MAX_INT32))
        if before is not None and (type(before) is not Entry or before.ledger.account != key):
            self._office.require(key, ("before", "must be an entry of this account"))
        return self._office.store.entries(key, before, limit)
