"""One currency in a story: its accounts, the messages to them, and what has come back."""

import json
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any, Final

from .agent import PATIENCE_SECONDS, Agent, Event, now

ROOT: Final = 0
ALICE: Final = 0x0000010000001234
BOB: Final = 0x000001FFFFFFFFFF
"""In the subnet of ALICE, so that agents can move money between them."""
CAROL: Final = 0x0000020000000001
"""In another subnet."""

MAX_INT64: Final = 2**63 - 1
MIN_INT64: Final = -(2**63)
MAX_DELAY: Final = 2147483647
T0: Final = "1970-01-01T00:00:00+00:00"
T_FAR: Final = "9999-12-31T23:59:59+00:00"
COMMIT_PERIOD_SECONDS: Final = 7776000

_requests = count(1)


def account_id(creditor_id: int) -> str:
    """The public identifier of an account."""
    return str(creditor_id % 2**64)


class Currency:
    """A debtor of its own, whose events nobody else looks at.

    `take` waits for an event and takes it out of the inbox; so `silent` can tell that nothing
    has come but what was expected.
    """

    def __init__(self, agent: Agent, debtor_id: int) -> None:
        self.agent = agent
        self.debtor_id = debtor_id
        self._numbers: dict[int, int] = {}

    @property
    def inbox(self) -> list[Event]:
        """What has come and was not taken."""
        return self.agent.inboxes[self.debtor_id]

    @property
    def copies(self) -> list[Event]:
        """Answers to coordinators that came to creditors and debtors as well."""
        return self.agent.copies[self.debtor_id]

    # -- waiting ----------------------------------------------------------------------------------

    def take(
        self,
        message_type: str,
        where: Callable[[Event], bool] = lambda event: True,
        *,
        within: float = PATIENCE_SECONDS,
        **fields: Any,
    ) -> Event:
        """The first event of this type with these fields, as soon as it is here."""

        def find() -> Event | None:
            for number, event in enumerate(self.inbox):
                if event.type == message_type and event.has(**fields) and where(event):
                    return self.inbox.pop(number)
            return None

        event = self.agent.wait(find, lambda: f"{message_type} {fields}; there is {self.inbox}", within)
        if message_type == "AccountUpdate":
            self._numbers[event.creditor_id] = event.last_change_seqnum
        return event

    def silent(self, *, besides: tuple[str, ...] = ()) -> None:
        """All messages have been answered, and nothing has come that was not taken.

        Not counted are types that the story does not look at, and older states that were on
        their way when a newer one was taken.
        """
        self.agent.fence()
        unexpected = [event for event in self.inbox if event.type not in besides and not self._is_old(event)]
        assert not unexpected

    def _is_old(self, event: Event) -> bool:
        if event.type != "AccountUpdate":
            return False
        number: int = event.last_change_seqnum
        return number < self._numbers.get(event.creditor_id, 0)

    # -- accounts ---------------------------------------------------------------------------------

    def configuration(self, creditor_id: int, **fields: Any) -> dict[str, Any]:
        """A ConfigureAccount without wishes, dated now."""
        message = {
            "type": "ConfigureAccount",
            "debtor_id": self.debtor_id,
            "creditor_id": creditor_id,
            "negligible_amount": 0.0,
            "config_flags": 0,
            "config_data": "",
            "ts": now(),
            "seqnum": 0,
        }
        return message | fields

    def configure(self, creditor_id: int, **fields: Any) -> dict[str, Any]:
        """Send a ConfigureAccount; the message."""
        message = self.configuration(creditor_id, **fields)
        self.agent.send(message)
        return message

    def open(self, creditor_id: int, **fields: Any) -> Event:
        """Configure an account; its AccountUpdate."""
        message = self.configure(creditor_id, **fields)
        seqnum, negligible_amount = message["seqnum"], message["negligible_amount"]

        def shows_it(event: Event) -> bool:
            is_same: bool = event.negligible_amount == negligible_amount
            return is_same and same_instant(event.last_config_ts, message["ts"])

        return self.take("AccountUpdate", shows_it, creditor_id=creditor_id, last_config_seqnum=seqnum)

    def open_root(self, settings: dict[str, Any] | str = "", **fields: Any) -> Event:
        """Configure the root account, by default so that it may issue without limit."""
        config_data = settings if isinstance(settings, str) else json.dumps(settings)
        return self.open(ROOT, **({"negligible_amount": 1e30, "config_data": config_data} | fields))

    def rich(self, creditor_id: int, amount: int, **fields: Any) -> Event:
        """Open an account with money on it; the AccountUpdate that shows it, and nothing is pending."""
        self.open_root()
        self.open(creditor_id, **fields)
        self.issue(creditor_id, amount)
        self.open_root()
        update = self.open(creditor_id, **fields)
        assert update.principal == amount
        self.inbox.clear()
        self.copies.clear()
        return update

    def issue(self, creditor_id: int, amount: int, **fields: Any) -> Event:
        """Make new money; the FinalizedTransfer."""
        return self.commit(self.prepared(ROOT, creditor_id, amount), amount, **fields)

    # -- transfers --------------------------------------------------------------------------------

    def request(self, sender_id: int, recipient: int | str, amount: int = 0, **fields: Any) -> dict[str, Any]:
        """Send a PrepareTransfer by the owner, or the issuer; the message."""
        is_issuing = sender_id == ROOT
        message = {
            "type": "PrepareTransfer",
            "debtor_id": self.debtor_id,
            "creditor_id": sender_id,
            "coordinator_type": "issuing" if is_issuing else "direct",
            "coordinator_id": self.debtor_id if is_issuing else sender_id,
            "coordinator_request_id": next(_requests),
            "min_locked_amount": amount,
            "max_locked_amount": amount,
            "recipient": recipient if isinstance(recipient, str) else account_id(recipient),
            "final_interest_rate_ts": T_FAR,
            "max_commit_delay": MAX_DELAY,
            "ts": now(),
            **fields,
        }
        self.agent.send(message)
        return message

    def answer(self, request: dict[str, Any], message_type: str) -> Event:
        """The answer to a PrepareTransfer, which must be of this type."""
        key = ("coordinator_type", "coordinator_id", "coordinator_request_id")

        def find() -> Event | None:
            for number, event in enumerate(self.inbox):
                if event.has(**{name: request[name] for name in key}) and event.type != "FinalizedTransfer":
                    return self.inbox.pop(number)
            return None

        event = self.agent.wait(find, lambda: f"an answer to {request}; there is {self.inbox}")
        assert event.type == message_type, event
        return event

    def prepared(self, sender_id: int, recipient: int | str, amount: int = 0, **fields: Any) -> Event:
        """Prepare a transfer; the PreparedTransfer."""
        return self.answer(self.request(sender_id, recipient, amount, **fields), "PreparedTransfer")

    def rejected(self, sender_id: int, recipient: int | str, amount: int = 0, **fields: Any) -> Event:
        """Ask for a transfer in vain; the RejectedTransfer."""
        return self.answer(self.request(sender_id, recipient, amount, **fields), "RejectedTransfer")

    def finalization(self, prepared: Event, amount: int, **fields: Any) -> dict[str, Any]:
        """A FinalizeTransfer for a prepared transfer."""
        names = ("debtor_id", "creditor_id", "transfer_id", "coordinator_type", "coordinator_id")
        message = {
            "type": "FinalizeTransfer",
            **{name: prepared.fields[name] for name in (*names, "coordinator_request_id")},
            "committed_amount": amount,
            "transfer_note": "",
            "transfer_note_format": "",
            "ts": now(),
        }
        return message | fields

    def finalize(self, prepared: Event, amount: int, **fields: Any) -> Event:
        """Commit or dismiss a transfer; the FinalizedTransfer."""
        self.agent.send(self.finalization(prepared, amount, **fields))
        return self.finalized(prepared)

    def finalized(self, prepared: Event) -> Event:
        """The FinalizedTransfer of a prepared transfer."""
        return self.take(
            "FinalizedTransfer", creditor_id=prepared.creditor_id, transfer_id=prepared.transfer_id
        )

    def commit(self, prepared: Event, amount: int, **fields: Any) -> Event:
        """Commit an amount, with success; the FinalizedTransfer."""
        finalized = self.finalize(prepared, amount, **fields)
        assert finalized.has(status_code="OK", committed_amount=amount), finalized
        return finalized

    def pay(self, sender_id: int, recipient_id: int, amount: int, **fields: Any) -> Event:
        """Move an amount as wallets do: nothing is locked, all is committed; the FinalizedTransfer."""
        return self.commit(self.prepared(sender_id, recipient_id), amount, **fields)


def instant(text: str) -> datetime:
    """The moment that a timestamp names."""
    return datetime.fromisoformat(text)


def same_instant(one: str, other: str) -> bool:
    """Whether two timestamps mean the same moment."""
    return instant(one) == instant(other)
