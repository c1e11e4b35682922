"""What a transfer costs where the accounts are on several shards: time of processors, by who uses it.

A rate on a few cores says nothing about a node on many machines; the processors' time of a transfer does.
It is the lower the more messages a transaction takes, so transactions are counted as well: where N shards
share the machine, each makes fewer transfers a second than one alone, and its batches may be smaller.
Everything is started for this alone: a PostgreSQL, a RabbitMQ, the shards with all roles, nginx between them.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import time
from typing import Final, NamedTuple

import psycopg2

from swpt_accounts.storage import connections
from swpt_accounts.wire.routing import Realm
from tests.backstage.nginx import Router
from tests.services.ports import free_port
from tests.services.postgres import Postgres
from tests.services.rabbitmq import own_rabbitmq

from . import cpu_groups
from .books import ROOT
from .generator import drive
from .load import Load
from .server import Server
from .shapes import account_key
from .site import own_durable_postgres
from .table import Row

_WINDOW_OF_A_SHARD: Final = 1000
_ACCOUNTS: Final = 1000
_FIRST: Final = "0."
"""How the keys of the accounts of a first shard begin, once for each bit."""

_GROUPS: Final = ("broker", "databases", "servers", "router")


class Case(NamedTuple):
    """So many shards, and the part of the transfers that goes from one to another."""

    shards: int
    crossing: float
    is_alone: bool = False
    """Only the first shard runs, and only its accounts pay each other."""

    @property
    def bits(self) -> int:
        """How many bits of its keys each shard has to itself."""
        return self.shards.bit_length() - 1

    @property
    def name(self) -> str:
        """For people."""
        if self.is_alone:
            return f"1 shard of {self.shards}, the others idle"
        noun = "shard" if self.shards == 1 else "shards"
        return f"{self.shards} {noun}, {100 * self.crossing:.0f} % crossing"

    @property
    def most(self) -> float | None:
        """What it may cost at most, as a multiple of its measure; None where nothing was promised."""
        if self.is_alone:
            return 1 / 0.95
        # Random accounts on two shards cross in one of two transfers, on four in three of four.
        is_usual = self.crossing == 1 - 1 / self.shards
        return 1 / 0.70 / 0.85 ** (self.shards.bit_length() - 2) if self.crossing and is_usual else None

    @property
    def measure(self) -> "Case":
        """What it is compared with: as many servers, each with the same part of the machine.

        Of several on one machine each has less to do at once than one with all of it, and smaller batches;
        that is the price of sharing a machine, and several servers of different nodes would pay it, too.
        """
        return self._replace(crossing=0.0) if self.crossing else CASES[0]


CASES: Final = (
    Case(1, 0.0),
    Case(2, 0.0, is_alone=True),
    Case(2, 0.0),
    Case(2, 0.5),
    Case(4, 0.0),
    Case(4, 0.75),
)


class Cost(NamedTuple):
    """What one run has cost, in microseconds of a processor for a transfer, by group."""

    rate: float
    way: str
    microseconds: dict[str, float]
    transactions: float
    """Commits of all databases for a transfer, with those of the chores."""

    @property
    def total(self) -> float:
        """Of all groups; the generator is none of them."""
        return sum(self.microseconds.values())


def measure(transfers: int, rounds: int, is_enough: bool) -> tuple[list[Row], dict[str, list[Cost]]]:
    """All cases by turns; the generator's verification is on, and a run that it refuses does not count."""
    runs: defaultdict[str, list[Cost]] = defaultdict(list)
    with own_durable_postgres() as postgres, own_rabbitmq() as broker:
        leader = int((broker.folder / "session").read_text())
        for _ in range(rounds):
            for case in CASES:
                vhost = f"shards{len(runs[case.name])}_{case.shards}_{case.crossing}"
                broker.rabbitmqctl("add_vhost", vhost)
                broker.rabbitmqctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
                cost = _run(case, transfers, postgres, f"{broker.url}/{vhost}", leader)
                broker.rabbitmqctl("delete_vhost", vhost)
                runs[case.name].append(cost)
                print(
                    f"  {case.name}: {cost.total:,.0f} us, {cost.transactions:.2f} transactions,"
                    f" {cost.rate:,.0f}/s",
                    flush=True,
                )
    return [_row(case, runs, is_enough) for case in CASES], dict(runs)


def _row(case: Case, runs: dict[str, list[Cost]], is_enough: bool) -> Row:
    own = runs[case.name]
    ratio, of_one = _ratio(runs, case, case.measure), _ratio(runs, case, CASES[0])
    parts = {name: median(cost.microseconds[name] for cost in own) for name in _GROUPS}
    text = ", ".join(f"{name} {part:,.0f}" for name, part in parts.items() if part >= 1)
    return Row(
        what=case.name,
        target="" if case.most is None else f"<= {case.most:.2f} x {case.measure.name}",
        measured=f"{median(cost.total for cost in own):,.0f} us = {ratio:.2f} x, {of_one:.2f} x one shard"
        f" ({text}), {median(cost.transactions for cost in own):.2f} transactions",
        is_reached=ratio <= case.most if is_enough and case.most is not None else None,
        details={"runs": [cost._asdict() for cost in own]},
    )


def _ratio(runs: dict[str, list[Cost]], case: Case, other: Case) -> float:
    """Of each round with the same round: what comes later may meet another machine."""
    pairs = zip(runs[case.name], runs[other.name], strict=True)
    return median(own.total / its.total for own, its in pairs)


def _run(case: Case, transfers: int, postgres: Postgres, amqp_url: str, leader: int) -> Cost:
    at_work = 1 if case.is_alone else case.shards
    load = Load(
        transfers=transfers,
        window=_WINDOW_OF_A_SHARD * at_work,
        # The root account is on the first shard in any case.
        debtor_id=next(one for one in count((1 << 32) + int(time() * 10)) if _is_first(case, one)),
        shards=at_work,
        crossing=case.crossing,
        accounts=_ACCOUNTS * (case.shards if case.is_alone else 1),
        part=_FIRST * case.bits if case.is_alone else "",
    )
    with _node(case.shards, at_work, postgres, amqp_url) as (servers, router):
        groups = {
            "broker": cpu_groups.session(leader),
            "databases": [_postmaster(postgres.url)],
            "servers": servers,
            "router": router,
        }
        with cpu_groups.counting(groups) as counted:
            looks: list[tuple[dict[str, float], int]] = []
            look = lambda: looks.append((counted.read(), _commits(postgres.url)))  # noqa: E731
            outcome = drive(amqp_url, load, {}, look)
        (before, commits), (after, commits_after) = looks
        used = {name: 1e6 * (after[name] - before[name]) / outcome.transfers for name in _GROUPS}
        return Cost(outcome.rate, counted.way, used, (commits_after - commits) / outcome.transfers)


@contextmanager
def _node(
    shards: int, at_work: int, postgres: Postgres, amqp_url: str
) -> Iterator[tuple[list[int], list[int]]]:
    """All roles of the first shards, and the router of all; the processes of both."""
    bits = shards.bit_length() - 1
    keys = [Realm(bits, prefix).binding_key for prefix in range(shards)]
    ports = {key: free_port() for key in keys}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        router = Router(folder, ports) if shards > 1 else None
        if router is not None:
            stack.callback(router.kill)
            router.start()
        pids: list[int] = []
        for number, key in enumerate(keys[:at_work]):
            url = postgres.database_url(stack.enter_context(postgres.database()))
            environ = {"PROTOCOL_BROKER_QUEUE_ROUTING_KEY": key}
            if router is not None:
                environ |= {
                    "PROTOCOL_BROKER_QUEUE": f"shard_{number}",
                    "INTERNAL_USER": "guest",
                    "FETCH_API_URL": router.url,
                }
            server = Server(url, amqp_url, **environ)
            pids += stack.enter_context(server.running(1, "chores", "web", web_port=ports[key]))
        yield pids, [router.pid] if router is not None else []


def _is_first(case: Case, debtor_id: int) -> bool:
    return account_key(debtor_id, ROOT).startswith(_FIRST * case.bits)


def _commits(url: str) -> int:
    """Of all databases there, which are ours alone."""
    with connections.session(url, "a benchmark") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT sum(xact_commit)::bigint FROM pg_stat_database")
        commits: int = cursor.fetchone()[0]
        return commits


def _postmaster(url: str) -> int:
    connection = psycopg2.connect(url)
    try:
        return cpu_groups.parent_of(connection.info.backend_pid)
    finally:
        connection.close()
