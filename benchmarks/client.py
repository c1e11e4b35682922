"""`python -m benchmarks.client`: what the client SDK costs, and how fast an application is through it.

What is compared runs by turns, in one run; targets are those that the SDK was designed for, on a host of
which `yardstick` knows the speed: what takes time of a processor is compared in yardsticks, so that slow and
busy machines say the same.
"""

import argparse
import gc
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from time import perf_counter, sleep
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, create_engine, make_url

from swpt_accounts.demo.folder import private_folder
from swpt_client.agent import Agent
from swpt_client.embedded import EmbeddedServer, embedded_engine, embedded_transport
from swpt_client.news import TransferFinished
from swpt_client.payments import Payment
from swpt_client.store.memory import MemoryStore
from swpt_client.store.sql import SqlStore
from swpt_client.testing.bench import DEBTOR_ID, SUBNET, Bench
from swpt_client.testing.network import BAD, SLOW
from swpt_client.transport.rabbitmq import RabbitmqTransport
from tests.services.errors import ServiceMissing

from . import yardstick
from .alone import BATCH, ISSUED, Alone, Cost, processor_of
from .generator import Silence, Wrong, drive
from .load import Load
from .manners import mannered, whole
from .server import Server
from .site import NotDurable, Site, site
from .table import Row, render

_ACCOUNTS: Final = 1000
_AT_ONCE: Final = 100
_WINDOW: Final = 1000


# --- the rules and the store alone ----------------------------------------------------------------


class Measured(msgspec.Struct, frozen=True):
    """One round, and the yardstick of its minute."""

    rules: float
    store: Cost
    yardstick: float


def alone(place: Site, batches: int, rounds: int) -> list[Row]:
    """The rules alone, and with a store on PostgreSQL."""
    found: list[Measured] = []
    with place.database() as url:
        engine = _engine(url)
        pure, stored = Alone(MemoryStore()), Alone(SqlStore(engine))
        processor = processor_of(engine)
        for _ in range(rounds):
            gc.collect()
            before = yardstick.measure()
            rules, store = pure.measure(batches).fold, stored.measure(batches, processor)
            found.append(Measured(rules, store, (before + yardstick.measure()) / 2))
        engine.dispose()
    unit = median(one.yardstick for one in found)
    return [
        _unit_row(unit),
        _rules_row([one.rules / one.yardstick for one in found], found),
        _store_row([msgspec.structs.asdict(one.store) for one in found], [one.yardstick for one in found]),
    ]


def _unit_row(unit: float) -> Row:
    return Row(
        what="a yardstick: one transfer decided by the server's rules",
        target=f"({yardstick.TARGET_RATE:,}/s were {1e6 / yardstick.TARGET_RATE:.1f} us)",
        measured=f"{unit:.1f} us",
        is_reached=None,
    )


def _rules_row(ratios: Sequence[float], found: Sequence[Measured]) -> Row:
    ratio, target = median(ratios), yardstick.of_target(15.0)
    return Row(
        what="rules, per committed transfer, both ledgers",
        target=f"<= 15 us = {target:.2f} yardsticks",
        measured=f"{median(one.rules for one in found):.1f} us = {ratio:.2f} yardsticks",
        is_reached=ratio <= target,
        details={"runs": [msgspec.to_builtins(one) for one in found]},
    )


def _store_row(costs: Sequence[Mapping[str, float]], units: Sequence[float]) -> Row:
    def middle(name: str) -> tuple[float, float]:
        ratios = [cost[name] / unit for cost, unit in zip(costs, units, strict=True)]
        return median(cost[name] for cost in costs), median(ratios)

    (python, in_python), (others, in_others) = middle("python"), middle("others")
    backend, in_backend = middle("backend")
    targets = yardstick.of_target(100.0), yardstick.of_target(120.0)
    return Row(
        what=f"store, per transfer, batches of {BATCH}: Python + PostgreSQL and its disk",
        target=f"<= 100 + 120 us = {targets[0]:.1f} + {targets[1]:.1f} yardsticks",
        measured=f"{python:.0f} + {others:.0f} us = {in_python:.1f} + {in_others:.1f} yardsticks"
        f" (processor of the backend: {backend:.0f} us = {in_backend:.1f})",
        is_reached=in_python <= targets[0] and in_others <= targets[1],
    )


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
                agent.issue(key, debtor_id=DEBTOR_ID, recipient=str(one), amount=ISSUED, session=session)
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
    unit = yardstick.measure()
    targets = yardstick.of_target(20e3), yardstick.of_target(60e3)
    return Row(
        what=f"idle, from a call to its outcome, {where}",
        target=f"p50 <= 20, p99 <= 60 ms ({targets[0]:,.0f} and {targets[1]:,.0f} yardsticks)",
        measured=f"p50 {middle:.1f}, p99 {late:.1f} ms ({1e3 * middle / unit:,.0f} and"
        f" {1e3 * late / unit:,.0f} yardsticks of {unit:.1f} us)",
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
        before, began = yardstick.measure(), perf_counter()
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
    each, target = 1e6 / rate / ((before + yardstick.measure()) / 2), yardstick.of_target(1e6 / 2000)
    row = Row(
        what="in memory, 10 % lost, 20 % doubled, all shuffled",
        target=f">= 2,000/s: {target:.1f} yardsticks each",
        measured=f"{rate:,.0f}/s: {each:.1f} yardsticks each",
        is_reached=each <= target,
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
    parser.add_argument(
        "--transfers", type=whole, default=5000, help="of one run; twice as many beside the generator"
    )
    parser.add_argument("--rounds", type=whole, default=3, help="repetitions, whose median counts")
    options = parser.parse_args()
    rows: list[Row] = []
    with mannered(ServiceMissing, NotDurable, Silence, Wrong), site() as place:
        runs: dict[str, Callable[[], list[Row]]] = {
            "alone": lambda: alone(place, max(1, options.transfers // BATCH), options.rounds),
            "memory": lambda: in_memory(options.transfers),
            "embedded": lambda: embedded(200),
            # A short run is over before the broker and the processors have found their pace.
            "beside": lambda: beside(place, 2 * options.transfers, options.rounds),
        }
        for name in options.only or runs:
            print(f"{name} ...", flush=True)
            rows += runs[name]()
    print(f"\n{render(rows)}")


if __name__ == "__main__":
    main()
