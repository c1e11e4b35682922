"""`python -m benchmarks.client`: what the client SDK costs, and how fast an application is through it.

What is compared runs by turns, in one run; targets are those that the SDK was designed for.
"""

import argparse
import gc
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from time import perf_counter, sleep, thread_time
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, create_engine, make_url

from swpt_accounts.demo.folder import private_folder
from swpt_client import core
from swpt_client.agent import Agent
from swpt_client.embedded import EmbeddedServer, embedded_engine, embedded_transport
from swpt_client.inputs import Begin, Configure, Input, Sent
from swpt_client.messages import CONTENT_TYPE, Undecodable, decode
from swpt_client.moments import Moment
from swpt_client.news import TransferFinished
from swpt_client.payments import Payment
from swpt_client.policy import Policy
from swpt_client.records import AccountKey, Decision, Request
from swpt_client.store.base import Claim, OutboxRow, Store, Transaction
from swpt_client.store.memory import MemoryStore
from swpt_client.store.packing import is_of_transfer
from swpt_client.store.sql import SqlStore
from swpt_client.testing.bench import DEBTOR_ID, SUBNET, Bench
from swpt_client.testing.clock import Clock
from swpt_client.testing.network import BAD, SLOW
from swpt_client.testing.server import MemoryServer
from swpt_client.transport.rabbitmq import RabbitmqTransport
from tests.services.errors import ServiceMissing

from .generator import Silence, Wrong, drive
from .load import Load
from .manners import mannered, whole
from .measurements import cores
from .server import Server
from .site import NotDurable, Site, site
from .table import Row, render

_ACCOUNTS: Final = 1000
_ISSUED: Final = 1_000_000
_BATCH: Final = 250
_AT_ONCE: Final = 100
_WINDOW: Final = 1000


class Cost(msgspec.Struct, frozen=True):
    """Microseconds per committed transfer."""

    fold: float
    python: float
    """All work of this process but the folding."""
    others: float
    """What the database and the disk need meanwhile."""


# --- the rules and the store alone ----------------------------------------------------------------


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
        for first in range(0, _ACCOUNTS, _BATCH):
            self.play([self._issue(SUBNET + 1 + one) for one in range(first, first + _BATCH)])

    def measure(self, batches: int) -> Cost:
        """Transfers around a ring of accounts."""
        self._folding = self._python = self._elapsed = 0.0
        for _ in range(batches):
            self.play([self._payment(number) for number in range(_BATCH)])
        unit = 1e6 / (batches * _BATCH)
        return Cost(
            fold=self._folding * unit,
            python=(self._python - self._folding) * unit,
            others=(self._elapsed - self._python) * unit,
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
        return self._begin(True, 0, recipient, _ISSUED)

    def _payment(self, number: int) -> Begin:
        return self._begin(False, SUBNET + 1 + number, SUBNET + 1 + _BATCH + number, 1)

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


def alone(place: Site, batches: int, rounds: int) -> list[Row]:
    """The rules alone, and with a store on PostgreSQL."""
    with place.database() as url:
        engine = _engine(url)
        pure, stored = Alone(MemoryStore()), Alone(SqlStore(engine))
        costs: list[Cost] = []
        folds: list[float] = []
        for _ in range(rounds):
            gc.collect()
            folds.append(pure.measure(batches).fold)
            costs.append(stored.measure(batches))
        engine.dispose()
    fold = median(folds)
    python, others = median(one.python for one in costs), median(one.others for one in costs)
    return [
        *_yardstick(),
        Row(
            what="rules, per committed transfer, both ledgers",
            target="<= 15 us",
            measured=f"{fold:.1f} us",
            is_reached=fold <= 15.0,
            details={"runs": folds},
        ),
        Row(
            what=f"store, per transfer, batches of {_BATCH}: Python + PostgreSQL",
            target="<= 100 + 120 us",
            measured=f"{python:.0f} + {others:.0f} us",
            is_reached=python <= 100.0 and others <= 120.0,
            details={"runs": [msgspec.to_builtins(one) for one in costs]},
        ),
    ]


def _yardstick() -> list[Row]:
    """What this machine does in this minute, in a figure that other tables have too."""
    return [row for row in cores(1.0) if row.what.startswith("transfers decided per")]


# --- through the agent ----------------------------------------------------------------------------


def _engine(url: str) -> Engine:
    return create_engine(make_url(url).set(drivername="postgresql+psycopg2"))


class Application:
    """A bank with an agent: it pays around, with a bounded number of payments under way."""

    def __init__(self, agent: Agent, accounts: int) -> None:
        self.agent = agent
        self._accounts = accounts
        self._changed = threading.Condition()
        self._ended = 0
        self._number = 0
        agent.on(TransferFinished)(self._finished)

    def _finished(self, _session: Any, news: TransferFinished) -> None:
        assert news.transfer.outcome == "OK", news
        with self._changed:
            self._ended += 1
            self._changed.notify()

    def open(self) -> None:
        """A currency, and accounts with money on them."""
        agent, ids = self.agent, range(SUBNET + 1, SUBNET + 1 + self._accounts)
        with agent.begin() as session:
            agent.open_account(DEBTOR_ID, 0, negligible_amount=1e30, session=session)
            for one in ids:
                agent.open_account(DEBTOR_ID, one, session=session)
        for one in (0, *ids):
            assert agent.wait_for_account(DEBTOR_ID, one, 60).is_effectual
        with agent.begin() as session:
            for one in ids:
                key = secrets.token_hex(8)
                agent.issue(key, debtor_id=DEBTOR_ID, recipient=str(one), amount=_ISSUED, session=session)
        self._wait_until(self._accounts)

    def pay(self, transfers: int) -> float:
        """So many transfers; gives their rate."""
        began, ended = perf_counter(), self._ended
        for first in range(0, transfers, _AT_ONCE):
            self._wait_until(ended + first + _AT_ONCE - _WINDOW)
            self.agent.transfer_many([self._next_payment() for _ in range(_AT_ONCE)])
        self._wait_until(ended + transfers)
        return transfers / (perf_counter() - began)

    def _next_payment(self) -> Payment:
        self._number += 1
        place = self._number % self._accounts
        return Payment(
            key=secrets.token_hex(8),
            debtor_id=DEBTOR_ID,
            sender=SUBNET + 1 + place,
            recipient=str(SUBNET + 1 + (place + 7) % self._accounts),
            amount=1,
        )

    def pay_and_wait(self) -> float:
        """One transfer, from the call to its outcome: milliseconds."""
        payment = self._next_payment()
        began = perf_counter()
        self.agent.transfer(**{name: getattr(payment, name) for name in payment.__struct_fields__})
        self.agent.wait(payment.key, 60)
        return 1000 * (perf_counter() - began)

    def _wait_until(self, ended: int) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._ended >= ended, 120):
                raise Silence("transfers of the client do not end")


def beside(place: Site, transfers: int, rounds: int) -> list[Row]:
    """An application through the SDK, and the bare generator, by turns, on one server."""
    with place.database() as server_url, place.database() as url, place.vhost() as amqp_url:
        server = Server(server_url, amqp_url)
        engine = _engine(url)
        transport = RabbitmqTransport(amqp_url, "client")
        agent = Agent(engine, transport, subnet=SUBNET, debtor_ids=[DEBTOR_ID])
        application = Application(agent, _ACCOUNTS)
        through: list[float] = []
        bare: list[float] = []
        with server.running() as roles, agent:
            application.open()
            for _ in range(rounds):
                bare.append(drive(amqp_url, Load(transfers=transfers), roles).rate)
                through.append(application.pay(transfers))
            waits = sorted(_idle(application, 200))
        engine.dispose()
    ratio = median(one / another for one, another in zip(through, bare, strict=True))
    return [
        Row(
            what="through the SDK, beside the bare generator",
            target=">= 0.55 x the generator",
            measured=f"{median(through):,.0f}/s = {ratio:.2f} x {median(bare):,.0f}/s",
            is_reached=ratio >= 0.55,
            details={"through": through, "bare": bare},
        ),
        _latency("over RabbitMQ", waits),
    ]


def _idle(application: Application, count: int) -> Iterator[float]:
    for _ in range(count):
        # Nothing else is under way, and nothing lingers.
        sleep(0.1)
        yield application.pay_and_wait()


def _latency(where: str, waits: Sequence[float]) -> Row:
    middle, late = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    return Row(
        what=f"idle, from a call to its outcome, {where}",
        target="p50 <= 20, p99 <= 60 ms",
        measured=f"p50 {middle:.1f}, p99 {late:.1f} ms",
        is_reached=middle <= 20.0 and late <= 60.0,
        details={"ms": list(waits)},
    )


def embedded(count: int) -> list[Row]:
    """The same with the server in this process."""
    with private_folder() as folder, EmbeddedServer(folder) as server:
        engine = embedded_engine(server, "client")
        transport = embedded_transport(server, "client")
        agent = Agent(engine, transport, subnet=SUBNET, debtor_ids=[DEBTOR_ID])
        application = Application(agent, 20)
        with agent:
            application.open()
            waits = sorted(_idle(application, count))
        engine.dispose()
    return [_latency("server in the process", waits)]


def in_memory(transfers: int) -> list[Row]:
    """Agent and server in memory, on a network that loses, doubles and shuffles."""
    with Bench(to_server=BAD, to_client=SLOW) as bench:
        agent = bench.agent
        agent.open_account(DEBTOR_ID, 0, negligible_amount=1e30)
        for one in (1, 2):
            agent.open_account(DEBTOR_ID, SUBNET + one)
        bench.settle(lambda: all(_is_open(bench, one) for one in (0, SUBNET + 1, SUBNET + 2)))
        keys = ["issue", *map(str, range(transfers))]
        agent.issue("issue", debtor_id=DEBTOR_ID, recipient=str(SUBNET + 1), amount=transfers)
        bench.settle(lambda: _has_ended(bench, "issue"))
        began = perf_counter()
        agent.transfer_many(
            [
                Payment(key=key, debtor_id=DEBTOR_ID, sender=SUBNET + 1, recipient=str(SUBNET + 2), amount=1)
                for key in keys[1:]
            ]
        )
        while keys:
            last = keys[-1]
            bench.settle(lambda: _has_ended(bench, last))  # noqa: B023 - called at once
            keys = [one for one in keys if not _has_ended(bench, one)]
        rate = transfers / (perf_counter() - began)
    row = Row(
        what="in memory, 10 % lost, 20 % doubled, all shuffled",
        target=">= 2,000/s",
        measured=f"{rate:,.0f}/s",
        is_reached=rate >= 2000.0,
    )
    return [row]


def _is_open(bench: Bench, creditor_id: int) -> bool:
    account = bench.agent.account(DEBTOR_ID, creditor_id)
    return account is not None and account.is_effectual


def _has_ended(bench: Bench, key: str) -> bool:
    transfer = bench.agent.find_transfer(key)
    return transfer is not None and transfer.outcome != ""


# --- the run --------------------------------------------------------------------------------------


def main() -> None:
    """Run, and print the table; a target that is missed is no error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("only", nargs="*", help="alone, memory, embedded, beside; by default all")
    parser.add_argument("--transfers", type=whole, default=5000, help="of one run")
    parser.add_argument("--rounds", type=whole, default=3, help="repetitions, whose median counts")
    options = parser.parse_args()
    rows: list[Row] = []
    with mannered(ServiceMissing, NotDurable, Silence, Wrong), site() as place:
        runs: dict[str, Callable[[], list[Row]]] = {
            "alone": lambda: alone(place, max(1, options.transfers // _BATCH), options.rounds),
            "memory": lambda: in_memory(options.transfers),
            "embedded": lambda: embedded(200),
            "beside": lambda: beside(place, options.transfers, options.rounds),
        }
        for name in options.only or runs:
            print(f"{name} ...", flush=True)
            rows += runs[name]()
    print(f"\n{render(rows)}")


if __name__ == "__main__":
    main()
