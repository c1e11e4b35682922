"""Who keeps PostgreSQL from removing old versions of rows: the oldest open transaction, whoever's it is."""

from typing import Any, Final

# VACUUM itself, which has no user when it comes by itself, is not waited for.  A replica's feedback and a
# replication slot hold versions without a transaction that begins somewhere, so the age in transactions
# covers them as well; and everybody may see it.
_OLDEST: Final = """
SELECT
    (SELECT max(extract(epoch FROM clock_timestamp() - begun_at)) FROM (
        SELECT xact_start FROM pg_stat_activity
        WHERE usesysid IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
            AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
        UNION ALL
        SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()) AS open (begun_at)),
    (SELECT max(age(held)) FROM (
        SELECT backend_xmin FROM pg_stat_activity
        WHERE usesysid IS NOT NULL AND pid <> pg_backend_pid()
            AND (datname = current_database() OR datname IS NULL)
        UNION ALL
        SELECT backend_xid FROM pg_stat_activity
        WHERE usesysid IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
        UNION ALL
        SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()
        UNION ALL
        SELECT xmin FROM pg_replication_slots) AS held (held))
"""


def oldest_transaction(cursor: Any) -> tuple[float, int]:
    """For how many seconds, and for how many later transactions, the oldest one has been open; 0 without any.

    The seconds of another user's session are only known to those who may read all statistics.
    """
    cursor.execute(_OLDEST)
    seconds, transactions = cursor.fetchone()
    return float(seconds or 0.0), int(transactions or 0)
