"""Whether the database can do for us what a batch needs.  All of it is tried, and nothing of it stays.

To connect is not to work: a disk may be full, a database read-only, a table locked, a right revoked.
"""

from typing import Final

import psycopg2

from swpt_accounts.runtime.errors import first_line

from .connections import Connection, session

# Nobody waits for long to hear that somebody else waits.
_LIMITS: Final = """
SET LOCAL lock_timeout = 2000;
SET LOCAL statement_timeout = 4000;
SET LOCAL work_mem = 64;
SET LOCAL temp_tablespaces = '';
"""

# More than fits into the memory that is allowed, so that about two megabytes go to the disk of the
# database for a moment: a full one refuses them, and they cost neither log nor table.
_TAKE_ROOM: Final = """
WITH room AS MATERIALIZED (SELECT repeat('0', 8000) AS filler FROM generate_series(1, 250))
SELECT count(*) FROM room
"""
_NOT_ALLOWED_SO_MUCH: Final = "53400"

_LOCK: Final = """
LOCK TABLE ONLY account, ONLY account_update_due, ONLY dead_letter, ONLY journal, ONLY outbox,
    ONLY prepared_transfer IN ROW EXCLUSIVE MODE
"""

_WRITE: Final = """
INSERT INTO outbox (created_at, type_counts, accounts, payload) VALUES (0, '{}', '', '') RETURNING outbox_id
"""

_REMOVE: Final = "DELETE FROM outbox WHERE outbox_id = %s"


def try_to_work(connection: Connection) -> None:
    """Lock, write and commit as a batch does, and leave nothing behind.  Raises psycopg2.Error."""
    _take_room(connection)
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIMITS)
        cursor.execute(_LOCK)
        cursor.execute(_WRITE)
        cursor.execute(_REMOVE, cursor.fetchone())


def why_not(url: str, name: str) -> str:
    """Why the database cannot do what a batch needs, in one line; empty text if it can."""
    try:
        with session(url, name) as connection:
            try_to_work(connection)
    except psycopg2.Error as error:
        return first_line(error)
    return ""


def _take_room(connection: Connection) -> None:
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_LIMITS)
            cursor.execute(_TAKE_ROOM)
    except psycopg2.OperationalError as error:
        if error.pgcode != _NOT_ALLOWED_SO_MUCH:
            raise
