"""The ledger desk of an application: one currency, its root account, and the accounts of its people.

All calls take the session of the caller: what they want is stored with the caller's own rows, or not at all.
"""

import json
import secrets
from typing import Final

from sqlalchemy.orm import Session

from swpt_client.agent import Agent
from swpt_client.records import ConfigurationState, Transfer
from swpt_client.views import Account

ROOT: Final = 0
"""The creditor id of the account that issues the currency."""


class NotReady(Exception):
    """The accounting server has not told yet that the account is there; nothing was stored."""


class NotEmpty(Exception):
    """There is money on the account."""


class Desk:
    """Thread-safe.  Amounts are in whole cents, accounts are named by their creditor id."""

    def __init__(self, agent: Agent, debtor_id: int, subnet: int, issuing_limit: int) -> None:
        self._agent = agent
        self.debtor_id = debtor_id
        self.subnet = subnet
        self._issuing_limit = issuing_limit

    def found(self, session: Session) -> None:
        """Want the root account, with the settings that the currency has already.  Twice is harmless."""
        known = self.account(session, ROOT)
        self._configure(session, "" if known is None else known.record.configuration.config_data)

    def is_founded(self, session: Session) -> bool:
        """Whether the server has ever told of the root account; what is issued before is refused."""
        root = self.account(session, ROOT)
        return root is not None and bool(root.account_id)

    def set_interest_rate(self, session: Session, percent: float) -> None:
        """Want another interest rate of the currency, in percent per year; accounts get it a moment later."""
        self._configure(session, json.dumps({"type": "RootConfigData", "rate": percent}))

    def _configure(self, session: Session, config_data: str) -> None:
        self._agent.open_account(
            self.debtor_id,
            ROOT,
            negligible_amount=float(self._issuing_limit),
            config_data=config_data,
            session=session,
        )

    def new_creditor_id(self) -> int:
        """A number of our subnet that nobody has: by chance, so that a restored backup repeats none."""
        return self.subnet + 1 + secrets.randbelow(2**40 - 2)

    def open(self, session: Session, creditor_id: int) -> None:
        """Want an account; it is there a moment later, if the server is."""
        self._agent.open_account(self.debtor_id, creditor_id, negligible_amount=0.0, session=session)

    def close(self, session: Session, creditor_id: int) -> None:
        """Want the account of a person who leaves no more.  Raises NotEmpty if there is money on it.

        What arrives on it yet keeps it open: nothing is lost.
        """
        account = self.account(session, creditor_id)
        if account is not None and account.principal != 0:
            raise NotEmpty
        self._agent.close_account(self.debtor_id, creditor_id, negligible_amount=0.0, session=session)

    def account(self, session: Session, creditor_id: int) -> Account | None:
        """What is known of an account; its `principal` is the balance in cents."""
        return self._agent.account(self.debtor_id, creditor_id, session=session)

    def balance(self, session: Session, creditor_id: int) -> int:
        """What is on the account, by its ledger."""
        account = self.account(session, creditor_id)
        return 0 if account is None else account.principal

    def is_open(self, session: Session, creditor_id: int) -> bool:
        """Whether the server has shown that the account is there, as we want it."""
        account = self.account(session, creditor_id)
        return account is not None and account.state is ConfigurationState.EFFECTUAL

    def issue(
        self, session: Session, key: str, *, to: int, cents: int, note: str = "", note_format: str = ""
    ) -> Transfer:
        """New money for an account.  Raises NotReady, KeyConflict."""
        return self._agent.issue(
            key,
            debtor_id=self.debtor_id,
            recipient=self._address(session, to),
            amount=cents,
            note=note,
            note_format=note_format,
            session=session,
        )

    def pay(
        self,
        session: Session,
        key: str,
        *,
        sender: int,
        to: int,
        cents: int,
        note: str = "",
        note_format: str = "",
    ) -> Transfer:
        """From one account to another; to ROOT: out of the world.  Raises NotReady, KeyConflict."""
        self._address(session, sender)
        return self._agent.transfer(
            key,
            debtor_id=self.debtor_id,
            sender=sender,
            recipient=self._address(session, to),
            amount=cents,
            note=note,
            note_format=note_format,
            session=session,
        )

    def _address(self, session: Session, creditor_id: int) -> str:
        account = self.account(session, creditor_id)
        if account is None or not account.account_id:
            raise NotReady(f"the account {creditor_id} is not open yet")
        return account.account_id


def refusal_code(outcome: str) -> str:
    """The code of a problem for the outcome of a transfer that is not OK."""
    return {
        "INSUFFICIENT_AVAILABLE_AMOUNT": "INSUFFICIENT_FUNDS",
        "RECIPIENT_IS_UNREACHABLE": "UNKNOWN_RECIPIENT",
        "RECIPIENT_SAME_AS_SENDER": "SAME_ACCOUNT",
    }.get(outcome, "NOT_DONE")
