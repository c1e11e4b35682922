"""A client without threads: what its rules and its store take, and nothing else."""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, text

from swpt_client import core
from swpt_client.inputs import Begin, Configure, Input, Sent
from swpt_client.messages import CONTENT_TYPE, Undecodable, decode
from swpt_client.moments import Moment
from swpt_client.policy import Policy
from swpt_client.records import AccountKey, Decision, Request
from swpt_client.store.base import Claim, OutboxRow, Store, Transaction
from swpt_client.store.packing import is_of_transfer
from swpt_client.testing.bench import DEBTOR_ID, SUBNET
from swpt_client.testing.clock import Clock
from swpt_client.testing.server import MemoryServer

ISSUED: Final = 1_000_000
BATCH: Final = 250
_ACCOUNTS: Final = 1000


class Cost(msgspec.Struct, frozen=True):
    """Microseconds per committed transfer."""

    fold: float
    python: float
    """All work of this process but the folding."""
    others: float
    """What the database and the disk need meanwhile."""
    backend: float = 0.0
    """Of that, the processor of PostgreSQL's backend."""


def processor_of(engine: Engine) -> Callable[[], float]:
    """Seconds of the processor that the backend of the one connection has used; 0.0 if it is far away."""
    with engine.connect() as connection:
        number = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    place = Path(f"/proc/{number}")
    try:
        is_here = (place / "comm").read_text().strip() == "postgres"
    except OSError:
        is_here = False
    return lambda: int((place / "schedstat").read_text().split()[0]) / 1e9 if is_here else 0.0


class Alone:
    """A client without threads: it folds batches into a store, and a server in memory answers.

    Only the client's own work is counted.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._policy = Policy(subnet=SUBNET, debtor_ids=frozenset([DEBTOR_ID]))
        self._clock = Clock()
        self._server = MemoryServer(self._clock)
        self._folding = self._python = self._elapsed = 0.0
        store.prepare()
        self.play([Configure(key=AccountKey(DEBTOR_ID, 0), negligible_amount=1e30)])
        self.play([Configure(key=AccountKey(DEBTOR_ID, SUBNET + one)) for one in range(1, _ACCOUNTS + 1)])
        for first in range(0, _ACCOUNTS, BATCH):
            self.play([self._issue(SUBNET + 1 + one) for one in range(first, first + BATCH)])

    def measure(self, batches: int, processor: Callable[[], float] = lambda: 0.0) -> Cost:
        """Transfers around a ring of accounts; `processor` is that of the database's backend."""
        self._folding = self._python = self._elapsed = 0.0
        before = processor()
        for _ in range(batches):
            self.play([self._payment(number) for number in range(BATCH)])
        unit = 1e6 / (batches * BATCH)
        return Cost(
            fold=self._folding * unit,
            python=(self._python - self._folding) * unit,
            others=(self._elapsed - self._python) * unit,
            backend=(processor() - before) * unit,
        )

    def _begin(self, debtor: bool, sender: int, recipient: int, amount: int) -> Begin:
        request = Request(
            debtor_id=DEBTOR_ID,
            creditor_id=sender,
            recipient=str(recipient),
            min_locked_amount=amount if debtor else 0,
            max_locked_amount=amount if debtor else 0,
            coordinator_type="issuing" if debtor else "direct",
            coordinator_id=DEBTOR_ID if debtor else sender,
        )
        return Begin(key=secrets.token_hex(8), request=request, decision=Decision(committed_amount=amount))

    def _issue(self, recipient: int) -> Begin:
        return self._begin(True, 0, recipient, ISSUED)

    def _payment(self, number: int) -> Begin:
        return self._begin(False, SUBNET + 1 + number, SUBNET + 1 + BATCH + number, 1)

    def play(self, calls: Sequence[Begin | Configure]) -> None:
        """Fold calls, and go on with the answers until there are none.

        As an agent does it: rows are claimed as they are written, and forgotten when the answers to all of
        their messages are stored; only of the others it is stored that they have left.
        """
        row = self._step(calls, None)
        while row is not None:
            row = self._step(self._answers(row), row)

    def _answers(self, row: OutboxRow) -> list[Input]:
        """Of the server; that they come, and are decoded, is not counted."""
        self._server.take([(one.envelope.body, one.envelope.type) for one in row.parcels])
        answers: list[Any] = []
        self._server.send(answers.extend)
        return [_decode(one.body, one.type) for one in answers]

    def _step(self, inputs: Sequence[Input], done: OutboxRow | None) -> OutboxRow | None:
        began, thread_began = perf_counter(), thread_time()
        with self._store.begin() as transaction:
            if done is not None:
                transaction.settle([done.id], [])
            row = self._decide(transaction, [*inputs, *_reports(done, self._clock.now)])
        self._elapsed += perf_counter() - began
        self._python += thread_time() - thread_began
        return row

    def _decide(self, transaction: Transaction, inputs: Sequence[Input]) -> OutboxRow | None:
        records = transaction.read(core.needs(inputs))
        began = thread_time()
        result = core.fold(inputs, records, self._clock.now, secrets.randbits(64), self._policy)
        self._folding += thread_time() - began
        return transaction.write(records, result, self._clock.now, Claim("bench", self._clock.now + 1))


def _reports(done: OutboxRow | None, at: Moment) -> list[Input]:
    """Transfers of a row that has left have their answers in this world, and accounts have not."""
    parcels = [] if done is None else done.parcels
    return [Sent(ref=one.ref, at=at) for one in parcels if one.ref and not is_of_transfer(one.ref)]


def _decode(body: bytes, type_: str) -> Input:
    message = decode(body, CONTENT_TYPE, type_)
    assert not isinstance(message, Undecodable), "the server sends what can be read"
    return message
