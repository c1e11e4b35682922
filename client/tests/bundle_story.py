"""The story of a bundle: what happens to its legs, and what becomes of it."""

from typing import Any

from swpt_client.inputs import (
    BeginBundle,
)
from swpt_client.messages import FinalizeTransfer
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import BundleFinished
from swpt_client.records import Bundle, Leg, Request, Terms, Transfer

from .bench import ALICE, BOB, DEBTOR, START, SUBNET, Client
from .server_messages import finalized_transfer, prepared_transfer, rejected_transfer

CAROL = SUBNET + 3
ESCROW = SUBNET + 9
REPAIRABLE = ["TIMEOUT", "NEWER_INTEREST_RATE", "INSUFFICIENT_AVAILABLE_AMOUNT", "RECIPIENT_IS_UNREACHABLE"]
FATAL = ["SENDER_IS_UNREACHABLE", "TRANSFER_NOTE_IS_TOO_LONG", "SOMETHING NEW"]
PINNED = Terms(final_interest_rate_ts=START - DAY)
PAUSES = [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY]


def leg(sender: int, recipient: int, amount: int = 9900, **changes: Any) -> Leg:
    """A leg that locks enough for an hour at the worst rate."""
    request = Request(
        debtor_id=DEBTOR,
        creditor_id=sender,
        recipient=str(recipient),
        min_locked_amount=amount + 2,
        max_locked_amount=amount + 2,
        coordinator_id=sender,
    )
    values: dict[str, Any] = {"request": request, "committed_amount": amount}
    return Leg(**(values | changes))


EXCHANGE = (leg(ALICE, BOB), leg(BOB, CAROL, 500))
INTO_ESCROW = (
    leg(ALICE, ESCROW, payback_creditor_id=ESCROW, payback_recipient=str(ALICE)),
    leg(BOB, ESCROW, 500, payback_creditor_id=ESCROW, payback_recipient=str(BOB)),
)


class Story:
    """A bundle `b`, and a server that does what it is told."""

    def __init__(self, legs: tuple[Leg, ...] = EXCHANGE, **call: Any) -> None:
        self.client = Client()
        values: dict[str, Any] = {"key": "b", "legs": legs, "decide_within": 3600}
        self.call = BeginBundle(**(values | call))
        self.client.feed(self.call)
        self.client.confirm()
        self.next_id = 100

    @property
    def bundle(self) -> Bundle:
        """The record."""
        return self.client.bundles["b"]

    def leg(self, number: int) -> Transfer:
        """The transfer that stands for a leg now."""
        return self.client.transfers[self.bundle.status[number].transfer_key]

    def prepare(self, number: int, **members: Any) -> None:
        """The server prepares a leg."""
        self.next_id += 1
        values: dict[str, Any] = {
            "transfer_id": self.next_id,
            "prepared_at": self.client.now,
            "deadline": self.client.now + 90 * DAY,
        }
        self.client.feed(prepared_transfer(self.leg(number), **(values | members)))
        self.client.confirm()

    def reject(self, number: int, code: str) -> None:
        """The server refuses a leg."""
        self.client.feed(rejected_transfer(self.leg(number), status_code=code))
        self.client.confirm()

    def finalize(self, number: int, code: str = "OK") -> None:
        """The server follows the decision, or can not."""
        members = {} if code == "OK" else {"status_code": code, "committed_amount": 0}
        self.client.feed(finalized_transfer(self.leg(number), **members))
        self.client.confirm()

    def committed(self, legs: tuple[Leg, ...] = EXCHANGE) -> "Story":
        """All is prepared, and decided."""
        for number in range(len(legs)):
            self.prepare(number)
        assert self.bundle.state == "committing"
        self.client.flush()
        return self

    def wait(self, duration: int) -> None:
        """Time passes, and the broker takes what there is."""
        self.client.wait(duration)
        self.client.confirm()

    def amounts(self) -> list[int]:
        """Amounts of the decisions that were sent since the last time."""
        return [one.committed_amount for one in self.client.flush() if isinstance(one, FinalizeTransfer)]

    def states(self) -> list[str]:
        """Of the legs."""
        return [self.leg(number).state.value for number in range(len(self.bundle.legs))]

    def finished(self) -> str:
        """The outcome, told once; other news are not expected."""
        [news] = [one for one in self.client.hear() if isinstance(one, BundleFinished)]
        assert news.bundle.state == self.bundle.state
        assert news.bundle.finished_at == self.client.now
        return news.bundle.state.value
