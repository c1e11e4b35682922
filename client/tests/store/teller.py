"""Feeds a store with inputs, as an agent does, on a clock that stands still."""

from collections.abc import Callable, Sequence
from typing import Any

from swpt_client.core import Result
from swpt_client.inputs import Begin, Configure, Input, Sent
from swpt_client.messages import ClientMessage, ConfigureAccount, FinalizeTransfer, PrepareTransfer
from swpt_client.moments import SECOND, Moment
from swpt_client.policy import Policy
from swpt_client.records import AccountKey, Decision, Request, Transfer
from swpt_client.store.base import OutboxRow, Store, Transaction
from swpt_client.store.drive import step_claimed
from tests.bench import ALICE, DEBTOR, POLICY, START

ACCOUNT = AccountKey(DEBTOR, ALICE)
REQUEST = Request(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    recipient="2",
    min_locked_amount=0,
    max_locked_amount=0,
    coordinator_id=ALICE,
)
PAYMENT = Decision(committed_amount=100)
KINDS: dict[str, type[ClientMessage]] = {
    kind.__name__: kind for kind in (ConfigureAccount, PrepareTransfer, FinalizeTransfer)
}


def step(
    transaction: Transaction, inputs: Sequence[Input], policy: Policy, clock: Callable[[], Moment]
) -> Result:
    """Fold inputs, and store what was decided; nothing is claimed."""
    return step_claimed(transaction, inputs, policy, clock, None)[0]


class Teller:
    """Feeds a store."""

    def __init__(self, store: Store, policy: Policy = POLICY) -> None:
        self.store = store
        self.policy = policy
        self.now: Moment = START

    def feed(self, *inputs: Input) -> Result:
        """One transaction for all inputs."""
        with self.store.begin() as transaction:
            return step(transaction, inputs, self.policy, lambda: self.now)

    def open_account(self) -> None:
        """Alice wants an account."""
        self.feed(Configure(key=ACCOUNT))

    def begin(self, key: str, decision: Decision | None = PAYMENT) -> Transfer:
        """Alice pays."""
        return self.feed(Begin(key=key, request=REQUEST, decision=decision)).answers[0]  # type: ignore[return-value]

    def claim(self, most: int = 1000) -> list[OutboxRow]:
        """What is there to be sent."""
        return self.store.claim("teller", self.now, self.now + 30 * SECOND, most)

    def send(self) -> list[str]:
        """Send all, and report it; gives the types of what was sent."""
        types = []
        for row in self.claim():
            types += [one.envelope.type for one in row.parcels]
            inputs = [Sent(ref=one.ref, at=self.now) for one in row.parcels if one.ref is not None]
            with self.store.begin() as transaction:
                transaction.settle([row.id], [])
                step(transaction, inputs, self.policy, lambda: self.now)
        return types

    def record(self, key: str) -> Any:
        """The record of a transfer."""
        return self.store.transfer(key)
