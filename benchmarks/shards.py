"""What a transfer costs where the accounts are on several shards: time of processors, by who uses it.

A rate on a few cores says nothing about a node on many machines; the processors' time of a transfer does.
Everything is started for this alone: a PostgreSQL, a RabbitMQ, the shards with all roles, nginx between them.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import time
from typing import Final, NamedTuple

import psycopg2

from swpt_accounts.wire.routing import Realm
from tests.backstage.nginx import Router
from tests.services.ports import free_port
from tests.services.postgres import Postgres
from tests.services.rabbitmq import own_rabbitmq

from . import cpu_groups
from .generator import drive
from .load import Load
from .server import Server
from .site import own_durable_postgres
from .table import Row

_WINDOW_OF_A_SHARD: Final = 1000
_GROUPS: Final = ("broker", "databases", "servers", "router")


class Case(NamedTuple):
    """So many shards, and the part of the transfers that goes from one to another."""

    shards: int
    crossing: float

    @property
    def name(self) -> str:
        """For people."""
        noun = "shard" if self.shards == 1 else "shards"
        return f"{self.shards} {noun}, {100 * self.crossing:.0f} % crossing"

    @property
    def most(self) -> float | None:
        """What it may cost at most, as a multiple of one shard; None where nothing was promised."""
        doublings = self.shards.bit_length() - 1
        if self.crossing == 0.0:
            return 1 / 0.95 if doublings else None
        # Random accounts on two shards cross in one of two transfers, on four in three of four.
        is_usual = self.crossing == 1 - 1 / self.shards
        return 1 / 0.70 / 0.85 ** (doublings - 1) if is_usual else None


CASES: Final = (Case(1, 0.0), Case(2, 0.0), Case(2, 0.5), Case(4, 0.0), Case(4, 0.5), Case(4, 0.75))


class Cost(NamedTuple):
    """What one run has cost, in microseconds of a processor for a transfer, by group."""

    rate: float
    way: str
    microseconds: dict[str, float]

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
                print(f"  {case.name}: {cost.total:,.0f} us, {cost.rate:,.0f}/s", flush=True)
    return [_row(case, runs, is_enough) for case in CASES], dict(runs)


def _row(case: Case, runs: dict[str, list[Cost]], is_enough: bool) -> Row:
    own, one = runs[case.name], runs[CASES[0].name]
    # Each round with the one of that round: what comes later may meet another machine.
    ratio = median(cost.total / other.total for cost, other in zip(own, one, strict=True))
    parts = {name: median(cost.microseconds[name] for cost in own) for name in _GROUPS}
    text = ", ".join(f"{name} {part:,.0f}" for name, part in parts.items() if part >= 1)
    return Row(
        what=case.name,
        target="" if case.most is None else f"<= {case.most:.2f} x one shard",
        measured=f"{median(cost.total for cost in own):,.0f} us = {ratio:.2f} x one ({text})",
        is_reached=ratio <= case.most if is_enough and case.most is not None else None,
        details={"runs": [cost._asdict() for cost in own]},
    )


def _run(case: Case, transfers: int, postgres: Postgres, amqp_url: str, leader: int) -> Cost:
    load = Load(
        transfers=transfers,
        window=_WINDOW_OF_A_SHARD * case.shards,
        debtor_id=(1 << 32) + int(time() * 10),
        shards=case.shards,
        crossing=case.crossing,
    )
    with _node(case.shards, postgres, amqp_url) as (servers, router):
        groups = {
            "broker": cpu_groups.session(leader),
            "databases": [_postmaster(postgres.url)],
            "servers": servers,
            "router": router,
        }
        with cpu_groups.counting(groups) as counted:
            looks: list[dict[str, float]] = []
            outcome = drive(amqp_url, load, {}, lambda: looks.append(counted.read()))
        before, after = looks
        used = {name: 1e6 * (after[name] - before[name]) / outcome.transfers for name in _GROUPS}
        return Cost(outcome.rate, counted.way, used)


@contextmanager
def _node(shards: int, postgres: Postgres, amqp_url: str) -> Iterator[tuple[list[int], list[int]]]:
    """All roles of all shards, and their router; the processes of both."""
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
            pids += stack.enter_context(server.running(1, "chores", "web", web_port=ports[key]))
        yield pids, [router.pid] if router is not None else []


def _postmaster(url: str) -> int:
    connection = psycopg2.connect(url)
    try:
        return cpu_groups.parent_of(connection.info.backend_pid)
    finally:
        connection.close()
