"""How long `verify` takes on a large database, and how much memory: `python -m benchmarks.verifying`.

Makes a currency with a million accounts and ten million entries of the journal by SQL, in a database of its
own, checks it, and drops it again.  Each account gets 1000 by its first entry; in each of the rounds after it
everybody pays 1 to his neighbour, so that principals and numbers follow from each other as the rules want it.
"""

import argparse
import resource
import time
from typing import Final

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections
from swpt_accounts.storage.fitness import make_ready
from swpt_accounts.transactions.columns import ACCOUNT_COLUMNS, JOURNAL_COLUMNS
from swpt_accounts.wire.routing import Realm
from tests.services.postgres import postgres

_ISSUED: Final = 1000

# applied_at, debtor, sender, recipient, amount, principals, creations, numbers, and the rest.
_ISSUE: Final = f"""
INSERT INTO journal ({", ".join(JOURNAL_COLUMNS)})
SELECT %(now)s + n, 4711, 0, n, {_ISSUED}, -n * {_ISSUED}, {_ISSUED}, %(now)s, %(now)s, 0, 1, %(now)s,
    (20000::int8 << 40) + n, 4711, n, 'issuing', '', ''
FROM generate_series(1::int8, %(accounts)s) AS n
"""
_PAY: Final = f"""
INSERT INTO journal ({", ".join(JOURNAL_COLUMNS)})
SELECT %(now)s + %(round)s * 10000000 + n, 4711, n, n %% %(accounts)s + 1, 1, {_ISSUED - 1}, {_ISSUED},
    %(now)s, %(now)s, 2 * %(round)s, 2 * %(round)s + 1, %(now)s, (20000::int8 << 40) + %(round)s, n,
    %(round)s, 'direct', '', 'invoice ' || n
FROM generate_series(1::int8, %(accounts)s) AS n
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument(
        "--rounds", type=int, default=9, help="of payments, after that in which all get money"
    )
    options = parser.parse_args()
    now = clock.utcnow()
    values = {"now": now, "accounts": options.accounts, "rounds": options.rounds}
    with postgres() as server, server.database() as name:
        url = server.database_url(name)
        with connections.session(url, "a benchmark") as connection:
            make_ready(connection, load({"POSTGRES_URL": url}), now)
            started = time.monotonic()
            with connection, connection.cursor() as cursor:
                for statement in (_ROOT, _OTHERS, _ISSUE):
                    cursor.execute(statement, values)
                for number in range(1, options.rounds + 1):
                    cursor.execute(_PAY, {**values, "round": number})
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
            print(f"made in {time.monotonic() - started:.0f} s")
        _check(url, options.accounts * (options.rounds + 1))


def _check(url: str, entries: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, worked = time.monotonic(), time.process_time()
    with connections.session(url, "a benchmark") as connection:
        verified = verify(connection, Realm(0, 0))
    seconds = time.monotonic() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert not verified.violations, verified.violations[:3]
    print(
        f"verify: {verified.accounts:,} accounts and {entries:,} entries in {seconds:.1f} s"
        f" ({time.process_time() - worked:.1f} s of it in Python), {entries / seconds:,.0f} entries/s,"
        f" memory grew by {grown / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
