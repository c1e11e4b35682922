"""The procedures alone: decoded messages in; decided, stored and committed; no broker.

This looks into the server: it calls `procedures.apply_batch` as a worker does, and hands the events to
the real outbox, whose publisher answers at once.  In the steady state a batch is half finalizations of
what the batch before has prepared, and half new transfers.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, process_time
from typing import Any, Final

import msgspec

from swpt_accounts.broker.batch import Delivered
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.settlement import OnSettled, Settlement
from swpt_accounts.events import Envelope, PreparedTransfer, decode
from swpt_accounts.procedures import Applied, apply_batch
from swpt_accounts.roles.worker.wiring import look_for_cycles_seldom
from swpt_accounts.rules.facts import RequestKey
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections, eager
from swpt_accounts.storage.fitness import make_ready
from swpt_accounts.storage.outbox.publishing import Outbox, RetryDelays
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.context import TransactionContext, make_context, make_policy
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.wire.messages import ConfigureAccount, FinalizeTransfer, Message, PrepareTransfer
from swpt_accounts.wire.moments import T_FAR

from .counters import Meter
from .load import FIRST_CREDITOR
from .shapes import DIRECT, ISSUING, MAX_DELAY, account_id

DEBTOR: Final = 1 << 32
_ISSUED: Final = 1_000_000_000
_NOTHING: Final[Mapping[RequestKey, bool]] = {}


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the procedures have shown."""

    transfers: int
    batch_messages: int
    rate: float
    """Transfers per second of the time in which a batch was worked on."""

    python_us: float
    """CPU of the whole process per transfer, in microseconds."""

    postgresql_us: float
    """CPU of the session that stores the batches, per transfer; partly at the same time."""

    batch_ms: dict[str, float]
    counters: dict[str, float]


class AnswersAtOnce:
    """A publisher whose broker has an empty queue and no distance (see settlement.Publisher)."""

    is_connected = True

    def start(self) -> None:
        """Nothing to connect to."""

    def publish(self, envelopes: Sequence[Envelope], on_settled: OnSettled) -> None:
        """Everything is taken."""
        on_settled(Settlement([]))

    def pending(self) -> int:
        """Nothing waits."""
        return 0

    def idle(self) -> bool:
        """Always."""
        return True

    def stop(self, timeout: float) -> None:
        """Nothing to wait for."""


class Workbench:
    """One worker's connection, context and outbox."""

    def __init__(self, postgres_url: str, **environ: str) -> None:
        settings = load({"POSTGRES_URL": postgres_url} | environ)
        with connections.session(postgres_url, "benchmark") as connection:
            make_ready(connection, settings, clock.utcnow())
        delays = RetryDelays(settings.outbox_retry_min_delay, settings.outbox_retry_max_delay)
        self._outbox = Outbox(postgres_url, AnswersAtOnce(), delays, clock.utcnow)
        self._outbox.start()
        look_for_cycles_seldom()
        self.connection = eager.connect(postgres_url, "benchmark")
        self._outbox.sign_in(self.connection)
        self._context: TransactionContext = make_context(
            settings,
            make_policy(settings),
            self._outbox.publisher_key,
            infos=DebtorInfos(),
            memory=AccountMemory(),
        )

    def apply(self, items: Sequence[Delivered], answers: Mapping[RequestKey, bool] = _NOTHING) -> Applied:
        """Commit a batch with what other shards have answered, and publish its events."""
        applied = apply_batch(self.connection, items, self._context, answers)
        if applied.stored is not None:
            self._outbox.hand_over(applied.stored)
        return applied

    def close(self) -> None:
        """Forget what is published, and disconnect."""
        self._outbox.stop(10.0)
        self.connection.close()


@contextmanager
def workbench(postgres_url: str, **environ: str) -> Iterator[Workbench]:
    """A workbench with these settings, closed at the end."""
    bench = Workbench(postgres_url, **environ)
    try:
        yield bench
    finally:
        bench.close()


class Rounds:
    """Accounts with money, between which transfers are made, round after round."""

    def __init__(
        self, bench: Workbench, accounts: int, batch_messages: int, refused_percent: int = 0
    ) -> None:
        self._bench = bench
        self._batch_messages = batch_messages
        self._refused_percent = refused_percent
        self._ids = [FIRST_CREDITOR + number for number in range(accounts)]
        _open(bench, self._ids, batch_messages)

    def warm_up(self) -> None:
        """Touch nearly every page, and so pay for their images in the write-ahead log."""
        self.work(len(self._ids))

    def work(self, transfers: int, meter: Meter | None = None) -> Outcome:
        """Measure at least so many transfers, and what the meter counts of them."""
        before = None if meter is None else meter.read()
        stream = _Stream(self._bench, self._ids, self._batch_messages, self._refused_percent)
        watch = Stopwatch(self._bench.connection)
        stream.work(transfers, watch)
        counters = {}
        if meter is not None and before is not None:
            counters = meter.read().per_transfer(before, stream.finalized)
        return watch.outcome(stream.finalized, self._batch_messages, counters)


def run(postgres_url: str, *, transfers: int, accounts: int = 10_000, batch_messages: int = 500) -> Outcome:
    """Measure on a database with no rows."""
    with workbench(postgres_url) as bench, closing(Meter(postgres_url)) as meter:
        rounds = Rounds(bench, accounts, batch_messages)
        meter.write_checkpoint()
        rounds.warm_up()
        return rounds.work(transfers, meter)


class Stopwatch:
    """Measures batches, and nothing in between."""

    def __init__(self, connection: Any) -> None:
        self._session = Path(f"/proc/{connection.info.backend_pid}/schedstat")
        self.reset()

    def reset(self) -> None:
        """Forget what was measured."""
        self._seconds: list[float] = []
        self._python = 0.0
        self._postgresql = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what happens inside."""
        wall, python, postgresql = monotonic(), process_time(), self._session_seconds()
        yield
        self._seconds.append(monotonic() - wall)
        self._python += process_time() - python
        self._postgresql += self._session_seconds() - postgresql

    def _session_seconds(self) -> float:
        return int(self._session.read_text().split()[0]) / 1e9

    def outcome(self, transfers: int, batch_messages: int, counters: dict[str, float]) -> Outcome:
        """The sums per transfer."""
        wall, ordered = sum(self._seconds), sorted(self._seconds)
        per_transfer = 1e6 / transfers
        return Outcome(
            transfers=transfers,
            batch_messages=batch_messages,
            rate=round(transfers / wall, 1),
            python_us=round(self._python * per_transfer, 1),
            postgresql_us=round(self._postgresql * per_transfer, 1),
            batch_ms={
                "p50": round(1000 * ordered[len(ordered) // 2], 2),
                "max": round(1000 * ordered[-1], 2),
            },
            counters=counters,
        )


class _Stream:
    """Transfers between accounts, batch after batch."""

    def __init__(
        self, bench: Workbench, ids: Sequence[int], batch_messages: int, refused_percent: int
    ) -> None:
        self._bench = bench
        self._ids = ids
        self._refused_percent = refused_percent
        self._half = batch_messages // 2
        self._random = random.Random(1)
        self._number = 0
        self.finalized = 0

    def work(self, transfers: int, watch: Stopwatch) -> None:
        """Make at least so many transfers, from the first preparation to the last finalization."""
        finalizations: list[Message] = []
        while self.finalized < transfers:
            begun = self.finalized + len(finalizations)
            prepares = [self._prepare() for _ in range(self._half if begun < transfers else 0)]
            items = [delivered(one) for one in (*finalizations, *prepares)]
            with watch.running():
                applied = self._bench.apply(items)
            self.finalized += len(finalizations)
            assert self._refused_percent or not applied.rejections, applied.rejections
            assert not applied.ignored, applied.ignored
            finalizations = list(finalizations_of(applied))

    def _prepare(self) -> Message:
        self._number += 1
        sender, recipient = self._random.sample(self._ids, 2)
        amount = 1000 * _ISSUED if self._number % 100 < self._refused_percent else 1
        return prepare_transfer(DIRECT, sender, sender, recipient, self._number, amount)


def _open(bench: Workbench, ids: Sequence[int], batch_messages: int) -> None:
    """Open accounts, and give money to each."""
    for batch in batches(configurations((0, *ids)), batch_messages):
        bench.apply(batch)
    for batch in batches(issues(ids), batch_messages):
        bench.apply([delivered(one) for one in finalizations_of(bench.apply(batch))])


def configurations(ids: Sequence[int]) -> list[Message]:
    """What opens these accounts, that of the debtor among them."""
    now = clock.utcnow()
    return [ConfigureAccount(DEBTOR, one, 1e30 if one == 0 else 0.0, 0, "", now, 1) for one in ids]


def issues(ids: Sequence[int]) -> list[Message]:
    """What gives money to each of these accounts, once it is committed."""
    return [prepare_transfer(ISSUING, 0, DEBTOR, one, number, _ISSUED) for number, one in enumerate(ids)]


def prepare_transfer(
    kind: str, sender: int, coordinator: int, recipient: int, number: int, amount: int
) -> Message:
    """A PrepareTransfer between accounts of the one currency, with a coordinator of this kind."""
    return PrepareTransfer(
        DEBTOR,
        sender,
        kind,
        coordinator,
        number,
        amount,
        amount,
        account_id(recipient),
        T_FAR,
        MAX_DELAY,
        clock.utcnow(),
    )


def finalizations_of(applied: Applied) -> Iterator[Message]:
    """The answers of the coordinator to the events of a batch."""
    for envelope in () if applied.stored is None else applied.stored.envelopes:
        if envelope.type == PreparedTransfer.__name__:
            event = decode(envelope.body)
            assert isinstance(event, PreparedTransfer)
            yield FinalizeTransfer(
                event.debtor_id,
                event.creditor_id,
                event.transfer_id,
                event.coordinator_type,
                event.coordinator_id,
                event.coordinator_request_id,
                event.locked_amount,
                str(event.coordinator_request_id),
                "",
                clock.utcnow(),
            )


def batches(messages: Sequence[Message], size: int) -> Iterator[list[Delivered]]:
    """Messages as deliveries, so many at once."""
    for start in range(0, len(messages), size):
        yield [delivered(message) for message in messages[start : start + size]]


def delivered(message: Message) -> Delivered:
    """A message with as much of a delivery as a batch that goes well looks at."""
    return Delivered(Delivery(1, "accounts_in", "", False, b"\0\0", b"", 0), message)
