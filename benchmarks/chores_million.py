"""Passes of the chores over a million accounts, while transfers go on at a fixed rate.

`python -m benchmarks.chores_million` measures a pass of heartbeats, and one that carries a new rate to every
account: how long, how many rows a second, how much memory, and what it does to the 99th percentile of
transfers beside a run without chores to do.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

import msgspec
import pika
import psycopg2

from swpt_accounts import db
from tests.services.errors import ServiceMissing

from .books import Outcome
from .generator import QUEUE, Generator, Silence, Wrong
from .load import FIRST_CREDITOR, Load
from .memory import watching
from .server import Server
from .site import NotDurable, site

_RESULTS: Final = Path(__file__).parent / "results"

MOST_MEGABYTES: Final = 200
MOST_TIMES: Final = 2.0
"""What the p99 of transfers may be, beside the one without chores to do."""

_DEBTOR: Final = 1 << 33
# Other routing keys than those of the accounts that the generator listens to.
_FIRST: Final = 2 * FIRST_CREDITOR
_GENERATORS_KEY: Final = ".".join(f"{byte:02x}" for byte in FIRST_CREDITOR.to_bytes(8)[:3]) + ".#"
_SINK: Final = "sink"
_LOOK_SECONDS: Final = 0.25

# All have been silent for more than a week.  The physical order is not that of the keys.
_ACCOUNTS: Final = """
INSERT INTO account (
    debtor_id, creditor_id, created_at, interest_rate, previous_interest_rate, last_interest_rate_change_ts,
    last_capitalization_ts, last_config_ts, last_config_seqnum, last_config_applied_at, negligible_amount,
    config_flags, debtor_info_id, last_deletion_ts, announced_settings, deleted, overflown,
    last_change_seqnum, last_change_ts, principal, interest, last_transfer_number,
    last_transfer_committed_at, last_transfer_id, total_locked_amount, pending_transfers_count,
    last_update_ts, last_delayed_update_ts, update_pending_since)
SELECT %(debtor)s, CASE n WHEN 0 THEN 0 ELSE %(first)s + n END, t, 0, 0, 0, t, t, 1, t, 0, 0, 0, 0, 1, false,
    false, 1, t, CASE n WHEN 0 THEN 1 - %(number)s ELSE 1 END, 0, 0, 0, (t / 86400000000) << 40, 0, 0, t, 0, 0
FROM (SELECT n, ((extract(epoch FROM now()) - 8 * 86400) * 1000000)::bigint AS t
    FROM generate_series(0, %(number)s) AS n ORDER BY hashint8(n)) AS made
"""

_NEW_RATE: Final = """
INSERT INTO root_configuration VALUES (%(debtor)s, '{"rate":5}');
INSERT INTO settings_propagation (debtor_id, requested_at)
VALUES (%(debtor)s, (extract(epoch FROM now()) * 1000000)::bigint);
"""

_HEARTBEATS_LEFT: Final = """
SELECT count(*) FROM chore WHERE name = 'tend accounts' AND last_finished_at IS NOT NULL
"""
_RATES_LEFT: Final = "SELECT count(*) FROM settings_propagation"
_UNSENT: Final = "SELECT count(*) FROM outbox WHERE publisher_key IS NULL"


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """How a pass of the chores went, and the transfers meanwhile."""

    name: str
    rows: int
    seconds: float
    rows_per_second: float
    megabytes: float
    """The most memory that the process of the chores has held."""

    transfers: Outcome | None


class Bench:
    """A database full of silent accounts, and a server on it."""

    def __init__(self, server: Server, accounts: int, rate: float) -> None:
        self._server = server
        self._accounts = accounts
        self._rate = rate
        _bind(server.amqp_url)

    def populate(self) -> None:
        """Make the accounts."""
        values = {"debtor": _DEBTOR, "first": _FIRST, "number": self._accounts}
        self._execute(_ACCOUNTS, values)
        self._execute("VACUUM ANALYZE account", {})
        self._execute("CHECKPOINT", {})

    def calm(self, seconds: float) -> Outcome | None:
        """Transfers alone, with nothing for the chores to do."""
        with self._server.running(1) as roles:
            return self._transfers(roles, lambda: False, seconds)

    def heartbeats(self) -> Pass:
        """The first pass of the chores over all accounts."""
        return self._pass("heartbeats", lambda: None, lambda: self._value(_HEARTBEATS_LEFT) == 1)

    def propagation(self) -> Pass:
        """A new rate for all accounts."""
        values = {"debtor": _DEBTOR}
        return self._pass(
            "rate", lambda: self._execute(_NEW_RATE, values), lambda: self._value(_RATES_LEFT) == 0
        )

    def _pass(self, name: str, begin: Callable[[], None], is_done: Callable[[], bool]) -> Pass:
        with self._server.running(1) as workers, ThreadPoolExecutor() as pool:
            future = None
            ended: list[float] = []
            if self._rate:
                future = pool.submit(self._transfers, workers, lambda: bool(ended), 0.0)
                sleep(10.0)  # the accounts of the generator are open by then
            begin()
            with self._server.running(0, "chores") as chores, watching(chores, 1.0) as watch:
                started = monotonic()
                try:
                    while not is_done():
                        sleep(_LOOK_SECONDS)
                finally:
                    ended.append(monotonic())
                outcome = future.result() if future is not None else None
        assert self._value(_UNSENT) == 0, "every message has found a queue"
        [memory] = watch.results().values()
        seconds = ended[0] - started
        return Pass(
            name=name,
            rows=self._accounts,
            seconds=round(seconds, 1),
            rows_per_second=round(self._accounts / seconds, 1),
            megabytes=memory.most,
            transfers=outcome,
        )

    def _transfers(
        self, roles: dict[int, str], is_over: Callable[[], bool], seconds: float
    ) -> Outcome | None:
        """Transfers at the fixed rate, in one run of `seconds`, or in short ones until it is over."""
        if not self._rate:
            return None
        load = Load(transfers=0, rate=self._rate, accounts=1000)
        generator = Generator(self._server.amqp_url, load)
        _rebind(self._server.amqp_url)
        try:
            generator.open_accounts()
            generator.warm_up()
            runs = [_measured(generator, seconds or 10.0, roles)]
            while not seconds and not is_over():
                runs.append(_measured(generator, 10.0, roles))
            if complaints := generator.verify():
                raise Wrong(complaints)
        finally:
            generator.close()
        # The first run meets cold caches, and the last one the end of the pass.
        inner = runs[1:-1] or runs
        return sorted(inner, key=lambda run: run.latencies_ms["cycle"]["p99"])[len(inner) // 2]

    def _execute(self, statement: str, values: dict[str, Any]) -> None:
        connection = psycopg2.connect(self._server.postgres_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
        connection.close()

    def _value(self, query: str) -> int:
        with (
            db.session(self._server.postgres_url, "a benchmark") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query)
            return int(cursor.fetchone()[0])


def _measured(generator: Generator, seconds: float, roles: dict[int, str]) -> Outcome:
    transfers = round(generator.load.rate * seconds)
    generator.load = msgspec.structs.replace(generator.load, transfers=transfers)
    return generator.measure(roles)


def _bind(amqp_url: str) -> None:
    """A queue that takes all that nobody else listens to, and forgets it."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare(_SINK, arguments={"x-max-length": 1000})
        for exchange in ("to_creditors", "to_debtors"):
            channel.queue_bind(_SINK, exchange, "#")


def _rebind(amqp_url: str) -> None:
    """Let the generator hear of its own accounts only."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_bind(QUEUE, "to_creditors", _GENERATORS_KEY)
        channel.queue_unbind(QUEUE, "to_creditors", "#")


def _show(passes: list[Pass], calm: Outcome | None) -> bool:
    is_good = True
    base = calm.latencies_ms["cycle"]["p99"] if calm is not None else 0.0
    if calm is not None:
        print(f"  transfers alone: {calm.rate:,.0f}/s, p99 {base} ms")
    for one in passes:
        line = f"{one.rows:,} accounts in {one.seconds:,.1f} s = {one.rows_per_second:,.0f}/s"
        line += f", {one.megabytes:.0f} MB (at most {MOST_MEGABYTES})"
        is_good = is_good and one.megabytes <= MOST_MEGABYTES
        if one.transfers is not None:
            p99 = one.transfers.latencies_ms["cycle"]["p99"]
            line += f"; transfers {one.transfers.rate:,.0f}/s, p99 {p99} ms = {p99 / base:.2f} x"
            line += f" (at most {MOST_TIMES})"
            is_good = is_good and p99 <= MOST_TIMES * base
        print(f"  {one.name}: {line}")
    return is_good


def main() -> None:
    """Run, print the figures, and write them as JSON; exit code 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=500.0, help="transfers per second; 0: none")
    parser.add_argument("--calm-seconds", type=float, default=60.0, help="of transfers alone")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with site() as place, ExitStack() as stack:
            server = Server(stack.enter_context(place.database()), stack.enter_context(place.vhost()))
            bench = Bench(server, options.accounts, options.rate)
            bench.populate()
            calm = bench.calm(options.calm_seconds)
            passes = [bench.heartbeats(), bench.propagation()]
    except (ServiceMissing, NotDurable, Silence, Wrong) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    is_good = _show(passes, calm)
    figures = msgspec.to_builtins({"options": vars(options), "calm": calm, "passes": passes})
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"chores-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(figures, indent=1))
    print(f"  all figures: {path}")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
