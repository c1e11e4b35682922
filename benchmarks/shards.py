"""What a transfer costs where the accounts are on several shards: time of processors, by who uses it.

A rate on a few cores says nothing about a node on many machines; the processors' time of a transfer does.
It is the lower the more messages a transaction takes.  Where N shards share the machine at once, each makes
a part of the transfers of one alone, and its batches are a part as large; on a node each shard has a machine.
So all is measured twice: at once, and in slices, in which each shard has the machine to itself by turns.
Everything is started for this alone: a PostgreSQL, a RabbitMQ, the shards with all roles, nginx between them.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
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
from .slices import turns
from .table import Row

_WINDOW_OF_A_SHARD: Final = 1000
_ACCOUNTS_OF_A_SHARD: Final = 1000
_WARM_UP_OF_A_SHARD: Final = 1000

_GROUPS: Final = ("broker", "databases", "servers", "router")
# Whose turn it is has the workers and the chores; who answers questions does so at any time.
_TAKING_TURNS: Final = ("worker", "chores")


class Case(NamedTuple):
    """So many shards, and the part of the transfers that goes from one to another."""

    shards: int
    crossing: float
    is_sliced: bool = False
    """Each shard has the machine to itself by turns."""

    @property
    def bits(self) -> int:
        """How many bits of its keys each shard has to itself."""
        return self.shards.bit_length() - 1

    @property
    def name(self) -> str:
        """For people."""
        noun = "shard" if self.shards == 1 else "shards"
        way = "in slices" if self.is_sliced else "at once"
        return f"{self.shards} {noun}, {100 * self.crossing:.0f} % crossing, {way}"

    @property
    def most(self) -> float | None:
        """What it may cost at most, as a multiple of one shard; None where nothing was promised."""
        if self.shards == 1:
            return None
        # Random accounts on two shards cross in one of two transfers, on four in three of four.
        return 1 / 0.70 / 0.85 ** (self.bits - 1) if self.crossing else 1 / 0.95


CASES: Final = tuple(
    Case(shards, crossing, is_sliced)
    for shards, crossing in ((1, 0.0), (2, 0.0), (2, 0.5), (4, 0.0), (4, 0.75))
    for is_sliced in (False, True)
)


_MOST_SHARDS: Final = max(case.shards for case in CASES)


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
    """All cases by turns; so many transfers with the most shards, and fewer with fewer: as many for each.

    The generator's verification is on, and a run that it refuses does not count.
    """
    runs: defaultdict[str, list[Cost]] = defaultdict(list)
    with own_durable_postgres() as postgres, own_rabbitmq() as broker:
        leader = int((broker.folder / "session").read_text())
        for _ in range(rounds):
            for case in CASES:
                vhost = f"shards{len(runs[case.name])}_{CASES.index(case)}"
                broker.rabbitmqctl("add_vhost", vhost)
                broker.rabbitmqctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")
                cost = _run(
                    case, max(1, transfers // _MOST_SHARDS), postgres, f"{broker.url}/{vhost}", leader
                )
                broker.rabbitmqctl("delete_vhost", vhost)
                runs[case.name].append(cost)
                print(
                    f"  {case.name}: {cost.total:,.0f} us, {cost.transactions:.2f} transactions,"
                    f" {cost.rate:,.0f}/s",
                    flush=True,
                )
    return [*(_row(case, runs, is_enough) for case in CASES), _slicing(runs)], dict(runs)


def _row(case: Case, runs: dict[str, list[Cost]], is_enough: bool) -> Row:
    own = runs[case.name]
    # One shard at once has no pauses either; in slices of its own the machine would have nothing to do
    # for half of the time, in which messages pile up.
    ratio = _ratio(runs, case, CASES[0])
    parts = {name: median(cost.microseconds[name] for cost in own) for name in _GROUPS}
    text = ", ".join(f"{name} {part:,.0f}" for name, part in parts.items() if part >= 1)
    return Row(
        what=case.name,
        target="" if case.most is None else f"<= {case.most:.2f} of one",
        measured=f"{median(cost.total for cost in own):,.0f} us = {ratio:.2f} ({text}),"
        f" {median(cost.transactions for cost in own):.2f} transactions",
        is_reached=ratio <= case.most if is_enough and case.most is not None else None,
        details={"runs": [cost._asdict() for cost in own]},
    )


def _slicing(runs: dict[str, list[Cost]]) -> Row:
    """What slices alone change: one shard that stands still for half of the time."""
    at_once, in_slices = (Case(1, 0.0, is_sliced) for is_sliced in (False, True))
    return Row(
        what="one shard in slices, beside itself",
        target="about 1",
        measured=f"{_ratio(runs, in_slices, at_once):.2f}",
        is_reached=None,
    )


def _ratio(runs: dict[str, list[Cost]], case: Case, other: Case) -> float:
    """Of each round with the same round: what comes later may meet another machine."""
    pairs = zip(runs[case.name], runs[other.name], strict=True)
    return median(own.total / its.total for own, its in pairs)


def _run(case: Case, transfers: int, postgres: Postgres, amqp_url: str, leader: int) -> Cost:
    load = Load(
        transfers=transfers * case.shards,
        window=_WINDOW_OF_A_SHARD * case.shards,
        warm_up=_WARM_UP_OF_A_SHARD * case.shards,
        # The root account is on the first shard in any case.
        debtor_id=next(one for one in count((1 << 32) + int(time() * 10)) if _is_first(case, one)),
        shards=case.shards,
        crossing=case.crossing,
        accounts=_ACCOUNTS_OF_A_SHARD * case.shards,
    )
    with _node(case.shards, postgres, amqp_url) as (shards, router):
        groups = {
            "broker": cpu_groups.session(leader),
            "databases": [_postmaster(postgres.url)],
            "servers": [pid for roles in shards for pid in roles],
            "router": router,
        }
        # One shard has its turn as often as one of two.
        by_turns = [[pid for pid in roles if roles[pid] in _TAKING_TURNS] for roles in shards]
        by_turns += [[]] if case.shards == 1 else []
        slices = turns(by_turns) if case.is_sliced else nullcontext()
        with cpu_groups.counting(groups) as counted, slices:
            looks: list[tuple[dict[str, float], int]] = []
            look = lambda: looks.append((counted.read(), _commits(postgres.url)))  # noqa: E731
            outcome = drive(amqp_url, load, {}, look)
        (before, commits), (after, commits_after) = looks
        used = {name: 1e6 * (after[name] - before[name]) / outcome.transfers for name in _GROUPS}
        return Cost(outcome.rate, counted.way, used, (commits_after - commits) / outcome.transfers)


@contextmanager
def _node(shards: int, postgres: Postgres, amqp_url: str) -> Iterator[tuple[list[dict[int, str]], list[int]]]:
    """All roles of all shards by process, and the processes of the router."""
    bits = shards.bit_length() - 1
    keys = [Realm(bits, prefix).binding_key for prefix in range(shards)]
    ports = {key: free_port() for key in keys}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        router = Router(folder, ports) if shards > 1 else None
        if router is not None:
            stack.callback(router.kill)
            router.start()
        roles: list[dict[int, str]] = []
        for number, key in enumerate(keys):
            url = postgres.database_url(stack.enter_context(postgres.database()))
            environ = {"PROTOCOL_BROKER_QUEUE_ROUTING_KEY": key}
            if router is not None:
                environ |= {
                    "PROTOCOL_BROKER_QUEUE": f"shard_{number}",
                    "INTERNAL_USER": "guest",
                    "FETCH_API_URL": router.url,
                }
            server = Server(url, amqp_url, **environ)
            roles.append(stack.enter_context(server.running(1, "chores", "web", web_port=ports[key])))
        yield roles, [router.pid] if router is not None else []


def _is_first(case: Case, debtor_id: int) -> bool:
    return account_key(debtor_id, ROOT).startswith("0." * case.bits)


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
