"""How long `verify` and seals take on a large database, and how much memory they need.

`python -m benchmarks.verifying` makes a currency with a million accounts and ten million entries of the
journal by SQL, in a database of its own, seals it, checks it, and drops it again.  Each account gets 1000 by
its first entry; in each of the rounds after it everybody pays 1 to his neighbour, so that principals and
numbers follow from each other as the rules want it.  A transaction writes 250 entries, as one of the worker
does at most; the seals are made by the chore, and checked by `scripts/check_seals.py` as well.  At last the
month is closed.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from swpt_accounts.operators.inspection.books.seals import check_seals, list_seals, write_segment
from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.operators.operations.closing import close_month, drop_month
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections
from swpt_accounts.storage.fitness import make_ready
from swpt_accounts.storage.partitions import Month, journal_start
from swpt_accounts.transactions.columns import ACCOUNT_COLUMNS, JOURNAL_COLUMNS
from swpt_accounts.wire.moments import LAST_MOMENT, to_datetime
from swpt_accounts.wire.routing import Realm
from tests.backstage.housekeeper import housekeeping, only_chore
from tests.services.errors import ServiceMissing
from tests.services.postgres import postgres

from .manners import mannered, whole
from .session_memory import watched_memory

_CHECK_SEALS: Final = Path(__file__).parents[1] / "scripts" / "check_seals.py"
_WRITTEN_AT_ONCE: Final = 250
_ISSUED: Final = 1000

# applied_at, debtor, sender, recipient, amount, principals, creations, numbers, and the rest.
_ISSUE: Final = f"""
INSERT INTO journal ({", ".join(JOURNAL_COLUMNS)})
SELECT %(now)s + n, 4711, 0, n, {_ISSUED}, -n * {_ISSUED}, {_ISSUED}, %(now)s, %(now)s, 0, 1, %(now)s,
    (20000::int8 << 40) + n, 4711, n, 'issuing', '', ''
FROM generate_series(%(first)s::int8, %(last)s) AS n
"""
_PAY: Final = f"""
INSERT INTO journal ({", ".join(JOURNAL_COLUMNS)})
SELECT %(now)s + %(round)s * 10000000 + n, 4711, n, n %% %(accounts)s + 1, 1, {_ISSUED - 1}, {_ISSUED},
    %(now)s, %(now)s, 2 * %(round)s, 2 * %(round)s + 1, %(now)s, (20000::int8 << 40) + %(round)s, n,
    %(round)s, 'direct', '', 'invoice ' || n
FROM generate_series(%(first)s::int8, %(last)s) AS n
"""

_EMPTY: Final = dict.fromkeys(ACCOUNT_COLUMNS, "0") | {"deleted": "false", "overflown": "false"}


def _accounts(first: str, **columns: str) -> str:
    values = _EMPTY | {"debtor_id": "4711", "created_at": "%(now)s"} | columns
    return f"INSERT INTO account ({', '.join(values)}) SELECT {', '.join(values.values())} FROM {first}"


_ROOT: Final = _accounts(
    "(VALUES (0)) AS r (n)", creditor_id="n", principal=f"-%(accounts)s::int8 * {_ISSUED}"
)
_OTHERS: Final = _accounts(
    "generate_series(1::int8, %(accounts)s) AS n",
    creditor_id="n",
    principal=str(_ISSUED),
    last_transfer_number="%(rounds)s * 2 + 1",
    last_transfer_id="(20000::int8 << 40) + 100",
)


def main() -> None:
    """Make the database, check it, print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verifying", description=__doc__)
    parser.add_argument("--accounts", type=whole, default=1_000_000)
    parser.add_argument(
        "--rounds", type=whole, default=9, help="of payments, after that in which all get money"
    )
    options = parser.parse_args()
    with mannered(ServiceMissing), postgres() as server, server.database() as name:
        url = server.database_url(name)
        _make(url, options.accounts, options.rounds)
        entries = options.accounts * (options.rounds + 1)
        _seal(url)
        _check(url, entries)
        _check_elsewhere(url)
        _close(url, entries)


def _make(url: str, accounts: int, rounds: int) -> None:
    """Fill the database."""
    print(f"making {accounts:,} accounts ...", flush=True)
    now, started = clock.utcnow(), time.monotonic()
    values = {"now": now, "accounts": accounts, "rounds": rounds}
    with connections.session(url, "a benchmark") as connection:
        make_ready(connection, load({"POSTGRES_URL": url}), now)
        connection.commit()
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in (_ROOT, _OTHERS):
                cursor.execute(statement, values)
            for number in range(rounds + 1):
                for first in range(1, accounts + 1, _WRITTEN_AT_ONCE):
                    last = min(first + _WRITTEN_AT_ONCE - 1, accounts)
                    part = {**values, "round": number, "first": first, "last": last}
                    cursor.execute(_PAY if number else _ISSUE, part)
            cursor.execute("VACUUM ANALYZE")
    print(f"made in {time.monotonic() - started:.0f} s", flush=True)


def _seal(url: str) -> None:
    """Let the chore seal all that is there."""
    started, worked = time.monotonic(), time.process_time()
    with housekeeping(url, chores=only_chore("seal journal")) as keeper:
        keeper.now = clock.utcnow()
        rows = keeper.do("seal journal")
    _tell("seals made", rows, started, worked)


def _check_elsewhere(url: str) -> None:
    """Export the seals and the rows of one of them, and check both by the small program."""
    with TemporaryDirectory() as folder, connections.session(url, "a benchmark") as connection:
        with (Path(folder) / "seals").open("w") as file:
            file.writelines(json.dumps(seal.document()) + "\n" for seal in list_seals(connection))
        with (Path(folder) / "rows").open("wb") as rows:
            write_segment(connection, 1, rows)
        started = time.monotonic()
        words = [sys.executable, "-I", "-S", str(_CHECK_SEALS), "seals", "kept", "1=rows"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
        seconds = time.monotonic() - started
    print(f"scripts/check_seals.py: {done.stdout.strip()}; all seals, and the rows of one: {seconds:.2f} s")


def _close(url: str, entries: int) -> None:
    """Take the month out of the journal, check what is left, and drop the rows."""
    order = Order("benchmark", "here", clock.utcnow)
    with TemporaryDirectory() as folder, connections.session(url, "a benchmark") as connection:
        archive = Path(folder) / "archive"
        with connection, connection.cursor() as cursor:
            start = journal_start(cursor)
        assert start is not None, "there are entries"
        month = Month(to_datetime(start))
        sizes = [_size(connection)]
        started, worked = time.monotonic(), time.process_time()
        with watched_memory(connection.info.backend_pid) as memory:
            closed = close_month(connection, month, archive, closed_before=LAST_MOMENT, order=order)
        assert closed is not None and closed.row_count == entries, "all entries are of one month"
        _tell(f"month closed: {closed.openings:,} opening balances", entries, started, worked)
        sizes.append(_size(connection))
        _check_left(url)
        drop_month(connection, month, archive, order=order)
        sizes.append(_size(connection))
        shown = ", ".join(f"{size / 1e6:,.0f}" for size in sizes)
        print(
            f"its session of the database took {memory.peak_megabytes:.0f} MB at the most; the archive"
            f" has {archive.stat().st_size / 1e6:,.0f} MB; the database before, after,"
            f" and without the rows: {shown} MB"
        )


def _size(connection: Any) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _check_left(url: str) -> None:
    with connections.session(url, "a benchmark") as connection:
        verified = verify(connection, Realm(0, 0))
    assert not verified.violations, verified.violations[:3]
    assert verified.numbers_checked == verified.accounts, "all accounts are known by their opening balances"


def _tell(what: str, rows: int, started: float, worked: float) -> None:
    seconds = time.monotonic() - started
    print(
        f"{what}: {rows:,} entries in {seconds:.1f} s ({time.process_time() - worked:.1f} s of it in Python),"
        f" {rows / seconds:,.0f} entries/s, {_peak_megabytes():.0f} MB at the most",
        flush=True,
    )


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _check(url: str, entries: int) -> None:
    """All that `verify` does; the part of it that is the seals alone as well."""
    with connections.session(url, "a benchmark") as connection:
        started, worked = time.monotonic(), time.process_time()
        broken = [one for segment in check_seals(connection) for one in segment.violations]
    assert not broken, broken[:3]
    _tell("seals checked", entries, started, worked)
    started, worked = time.monotonic(), time.process_time()
    with connections.session(url, "a benchmark") as connection:
        verified = verify(connection, Realm(0, 0))
    assert not verified.violations, verified.violations[:3]
    assert verified.sealed_rows == entries, "all of it was sealed"
    _tell(f"verify, seals included: {verified.accounts:,} accounts", entries, started, worked)


if __name__ == "__main__":
    main()
