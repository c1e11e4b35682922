"""Several workers that meet in the same few accounts, with everything repeated: nothing is lost."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Final

from swpt_accounts.events import Event, FinalizedTransfer, PreparedTransfer, decode
from swpt_accounts.wire.messages import FinalizeTransfer, Message, PrepareTransfer
from tests.backstage.audit import find_violations
from tests.backstage.builders import DEBTOR, configure, finalize, prepared, request
from tests.backstage.stand import Stand, standing
from tests.backstage.stories import issue

WORKERS: Final = 4
BATCHES: Final = 60
ACCOUNTS: Final = range(2000, 2006)


class Peers:
    """The coordinators of all accounts, who say everything several times."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._serial = 1_000_000 * (seed + 1)
        self._asked: list[PrepareTransfer] = []
        self._answers: list[PreparedTransfer] = []

    def batch(self) -> list[Message]:
        """Requests, finalizations, configurations and strangers, many of them not for the first time."""
        chance = self._chance
        messages: list[Message] = []
        for _ in range(chance.randint(1, 12)):
            self._serial += 1
            sender, recipient = chance.sample(ACCOUNTS, 2)
            kind = chance.random()
            if kind < 0.35:
                ask = request(sender, recipient, coordinator_request_id=self._serial, max_locked_amount=9)
                self._asked = [*self._asked[-20:], ask]
                messages.append(ask)
            elif kind < 0.5 and self._asked:
                messages.append(chance.choice(self._asked))
            elif kind < 0.9 and self._answers:
                messages.append(self._finalization(chance.choice(self._answers)))
            else:
                messages.append(configure(sender, seqnum=self._serial % 1000))
        return messages

    def hear(self, events: list[Event]) -> None:
        """Remember what is prepared."""
        self._answers = [*self._answers[-30:], *(e for e in events if isinstance(e, PreparedTransfer))]

    def _finalization(self, event: PreparedTransfer) -> FinalizeTransfer:
        """Usually the right one; sometimes somebody else's, which is ignored."""
        is_wrong = self._chance.random() < 0.1
        return finalize(
            prepared(
                event.creditor_id,
                transfer_id=event.transfer_id,
                coordinator_request_id=event.coordinator_request_id + is_wrong,
            ),
            self._chance.choice((0, event.locked_amount)),
        )


def _work(stand: Stand, peers: list[Peers], seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(BATCHES):
        # The messages of one coordinator come to all workers, at the same time.
        one = peers[chance.randrange(len(peers))]
        applied = stand.insist(*one.batch())
        if applied.stored is not None:
            one.hear([decode(envelope.body) for envelope in applied.stored.envelopes])


def test_workers_that_meet_in_the_same_accounts_lose_nothing(stand, database):
    """All locks and principals agree with the transfers, and each transfer is finalized once."""
    for serial, creditor_id in enumerate(ACCOUNTS):
        stand.apply(*issue(creditor_id, 1000, serial + 1))
    peers = [Peers(seed) for seed in range(3)]
    with ExitStack() as stack, ThreadPoolExecutor(WORKERS) as pool:
        workers = [stack.enter_context(standing(database)) for _ in range(WORKERS)]
        for done in [pool.submit(_work, worker, peers, seed) for seed, worker in enumerate(workers)]:
            done.result()
    assert {name for name, _ in find_violations(database)} <= {"nothing waits"}
    ends = Counter(
        (event.creditor_id, event.transfer_id)
        for event in stand.events()
        if isinstance(event, FinalizedTransfer) and event.debtor_id == DEBTOR
    )
    assert len(ends) > WORKERS * BATCHES // 4
    assert set(ends.values()) == {1}
