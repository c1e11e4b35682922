"""What PostgreSQL counts, per transfer: commits, write-ahead log, row versions.

Sessions report what they have done with a delay, ten seconds at most when they are idle; so one waits
before reading.  The log and its counters belong to the whole server: a neighbour's work is in them.
"""

import time
from typing import Any, Final

import msgspec
import psycopg2

# PGSTAT_IDLE_INTERVAL of PostgreSQL, and a little.
REPORTING_SECONDS: Final = 11.0

_SELECT: Final = """
SELECT d.xact_commit, w.wal_bytes::bigint, w.wal_fpi,
    (SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables)::bigint,
    (SELECT sum(n_tup_hot_upd) FROM pg_stat_user_tables)::bigint,
    (SELECT sum(n_tup_upd) FROM pg_stat_user_tables)::bigint,
    (SELECT sum(n_tup_del) FROM pg_stat_user_tables)::bigint
FROM pg_stat_database d, pg_stat_wal w WHERE d.datname = current_database()
"""


class Counts(msgspec.Struct, frozen=True):
    """How often something has happened since some beginning."""

    commits: int
    wal_bytes: int
    full_page_images: int
    row_versions: int
    hot_updates: int
    updates: int
    deletes: int

    def per_transfer(self, before: "Counts", transfers: int) -> dict[str, float]:
        """What one transfer has cost since `before`."""
        mine, theirs = msgspec.structs.asdict(self), msgspec.structs.asdict(before)
        return {name: round((mine[name] - theirs[name]) / transfers, 4) for name in mine}


class Meter:
    """Reads the counters of one database."""

    def __init__(self, postgres_url: str) -> None:
        self._connection: Any = psycopg2.connect(postgres_url)
        self._connection.autocommit = True

    def read(self, *, patiently: bool = True) -> Counts:
        """The counters, when all sessions have reported."""
        if patiently:
            time.sleep(REPORTING_SECONDS)
        with self._connection.cursor() as cursor:
            cursor.execute(_SELECT)
            return Counts(*cursor.fetchone())

    def write_checkpoint(self) -> None:
        """Begin anew with full-page images, so that a warm-up can pay for them."""
        with self._connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()
