"""Passes of the chores over a million accounts, while transfers go on at a fixed rate.

`python -m benchmarks.chores_million` measures a pass of heartbeats, and one that carries a new rate to every
account: how long, how many rows a second, how much memory, and what it does to the 99th percentile of
transfers.  That is measured in runs of ten seconds, of which the middle one counts, before the passes and
beside them; worker and chores run all the time.  With `--most-seconds` the rest of each pass is done by
`chores --once`, which does not rest.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, TypeAlias

import msgspec
import pika
import psycopg2

from swpt_accounts.runtime import clock
from swpt_accounts.storage import connections
from tests.services.errors import ServiceMissing

from .books import Outcome
from .generator import QUEUE, Generator, Silence, Wrong
from .load import FIRST_CREDITOR, Load
from .manners import mannered, not_negative, positive, whole
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
_RUN_SECONDS: Final = 10.0

Transfers: TypeAlias = Callable[[Callable[[], bool]], Outcome]

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

# A look at all accounts has just ended; the next one begins when an operator asks for it.
_LOOKED_AT: Final = """
INSERT INTO chore (name, period_seconds, last_started_at, last_finished_at)
SELECT 'tend accounts', 28800, t, t FROM (SELECT (extract(epoch FROM now()) * 1000000)::bigint AS t) AS now
"""
_LOOK_AT: Final = """
UPDATE chore SET requested_at = (extract(epoch FROM now()) * 1000000)::bigint WHERE name = 'tend accounts'
"""
_LOOKS_LEFT: Final = """
SELECT count(*) FROM chore
WHERE name = 'tend accounts' AND (requested_at IS NOT NULL OR pass_started_at IS NOT NULL)
"""
_RATES_LEFT: Final = "SELECT count(*) FROM settings_propagation"
KINDS: Final = {
    "heartbeats": (_LOOK_AT, _LOOKS_LEFT, "tend accounts"),
    "rate": (_NEW_RATE, _RATES_LEFT, "propagate settings"),
}
"""What begins a pass, what counts to 0 when it is over, and the chore that does it."""

_TOLD: Final = "SELECT count(*) FROM account WHERE debtor_id = %(debtor)s AND last_update_ts >= %(begun_at)s"


_UNSENT: Final = "SELECT count(*) FROM outbox WHERE publisher_key IS NULL"


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """How a pass of the chores went, and the transfers meanwhile."""

    name: str
    beside_rows: int
    beside_seconds: float
    """What was done beside transfers, and how long it took."""

    rest_rows: int
    rest_seconds: float
    """What was left, and how long it took to do it without transfers and without rests."""

    megabytes: float
    """The most memory that a process of the chores has held."""

    transfers: Outcome | None


class Bench:
    """A database full of silent accounts, and a server on it."""

    def __init__(self, server: Server, accounts: int, rate: float) -> None:
        self._server = server
        self._accounts = accounts
        self._rate = rate
        _bind(server.amqp_url)

    def populate(self) -> None:
        """Make the accounts, which the chores need not look at yet."""
        values = {"debtor": _DEBTOR, "first": _FIRST, "number": self._accounts}
        self._execute(_ACCOUNTS, values)
        self._execute(_LOOKED_AT, values)
        self._execute("VACUUM ANALYZE account", {})
        self._execute("CHECKPOINT", {})

    def measure(
        self, calm_seconds: float, most_seconds: float, kinds: Sequence[str]
    ) -> tuple[Outcome | None, list[Pass]]:
        """Transfers alone, then beside passes of these kinds, each for some seconds at most."""
        with self._server.running(1) as workers, self._transferring(workers) as transfers:
            with self._server.running(0, "chores"):
                calm = self._beside(transfers, lambda: sleep(calm_seconds))[1]
            return calm, [self._pass(kind, most_seconds, transfers) for kind in kinds]

    def _pass(self, kind: str, most_seconds: float, transfers: Transfers | None) -> Pass:
        order, left, chore = KINDS[kind]
        begun_at = clock.utcnow()

        def work() -> None:
            until = monotonic() + most_seconds
            self._execute(order, {"debtor": _DEBTOR})
            while self._value(left) and monotonic() < until:
                sleep(_LOOK_SECONDS)

        with self._server.running(0, "chores") as chores, watching(chores, 1.0) as watch:
            beside_seconds, outcome = self._beside(transfers, work)
            beside_rows = self._value(_TOLD, {"debtor": _DEBTOR, "begun_at": begun_at})
        memory = [*watch.results().values()]
        started = monotonic()
        with self._server.once(chore) as chores, watching(chores, 1.0) as watch:
            while self._value(left):
                sleep(_LOOK_SECONDS)
            rest_seconds = monotonic() - started
        memory += watch.results().values()
        rows = self._value(_TOLD, {"debtor": _DEBTOR, "begun_at": begun_at})
        return Pass(
            name=kind,
            beside_rows=beside_rows,
            beside_seconds=round(beside_seconds, 1),
            rest_rows=rows - beside_rows,
            rest_seconds=round(rest_seconds, 1),
            megabytes=max(one.most for one in memory),
            transfers=outcome,
        )

    def _beside(self, transfers: Transfers | None, work: Callable[[], None]) -> tuple[float, Outcome | None]:
        """Do something that takes long, with transfers meanwhile; the seconds it took, and how they went."""

        def timed() -> float:
            started = monotonic()
            work()
            return monotonic() - started

        with ThreadPoolExecutor() as pool:
            future = pool.submit(timed)
            outcome = transfers(future.done) if transfers is not None else None
            return future.result(), outcome

    @contextmanager
    def _transferring(self, roles: dict[int, str]) -> Iterator[Transfers | None]:
        """Something that makes transfers at the fixed rate, in runs of some seconds, until it is over."""
        if not self._rate:
            yield None
            return
        generator = Generator(self._server.amqp_url, Load(transfers=0, rate=self._rate, accounts=1000))
        _rebind(self._server.amqp_url)

        def transfers(is_over: Callable[[], bool]) -> Outcome:
            runs = []
            while not is_over():
                runs.append(_measured(generator, _RUN_SECONDS, roles))
            # The last run meets the end of the pass.
            return _middle(runs[:-1] or runs)

        try:
            generator.open_accounts()
            generator.warm_up()
            yield transfers
            if complaints := generator.verify():
                raise Wrong(complaints)
        finally:
            generator.close()
        assert self._value(_UNSENT) == 0, "every message has found a queue"

    def _execute(self, statement: str, values: dict[str, Any]) -> None:
        connection = psycopg2.connect(self._server.postgres_url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)
        connection.close()

    def _value(self, query: str, values: dict[str, Any] | None = None) -> int:
        with (
            connections.session(self._server.postgres_url, "a benchmark") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, values)
            return int(cursor.fetchone()[0])


def _middle(runs: Sequence[Outcome]) -> Outcome:
    """The run in the middle, by its 99th percentile."""
    return sorted(runs, key=lambda run: run.latencies_ms["cycle"]["p99"])[len(runs) // 2]


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
        beside = f"{one.beside_rows:,} accounts in {one.beside_seconds:,.1f} s beside them"
        rest = f"the other {one.rest_rows:,} alone in {one.rest_seconds:,.1f} s"
        line = f"{beside}, {rest}, {one.megabytes:.0f} MB (at most {MOST_MEGABYTES})"
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
    parser.add_argument("--accounts", type=whole, default=1_000_000)
    parser.add_argument("--rate", type=not_negative, default=500.0, help="transfers per second; 0: none")
    parser.add_argument("--calm-seconds", type=positive, default=60.0, help="of transfers alone")
    parser.add_argument(
        "--most-seconds",
        type=positive,
        default=7200.0,
        help="of a pass beside transfers; the rest goes alone",
    )
    parser.add_argument("--only", action="append", choices=KINDS, help="this kind of pass only")
    options = parser.parse_args()
    with mannered(ServiceMissing, NotDurable, Silence, Wrong), site() as place, ExitStack() as stack:
        server = Server(stack.enter_context(place.database()), stack.enter_context(place.vhost()))
        bench = Bench(server, options.accounts, options.rate)
        bench.populate()
        calm, passes = bench.measure(options.calm_seconds, options.most_seconds, options.only or list(KINDS))
    is_good = _show(passes, calm)
    figures = msgspec.to_builtins({"options": vars(options), "calm": calm, "passes": passes})
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"chores-{datetime.now(UTC):%Y%m%d-%H%M%S}.json"
    path.write_text(json.dumps(figures, indent=1))
    print(f"  all figures: {path}")
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
