"""Prepared statements and their arrays, on a real database: what comes back, and who may disturb them."""

import math

import pytest
from psycopg2 import errors

from swpt_accounts.storage import connections
from swpt_accounts.storage.arrays import Literal, arrays
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.storage.prepared import StalePlanError, Statement
from tests.backstage.audit import find_violations
from tests.backstage.builders import ALICE, ROOT
from tests.backstage.stories import issue

ECHO = Statement(
    "echo", "SELECT unnest(%s::text[]), unnest(%s::float8[]), unnest(%s::int8[]), unnest(%s::bool[])"
)
COLUMNS = ("transfer_note", "interest", "principal", "overflown")

TEXTS = ["", "NULL", "null", '"', "\\", "a\\nb", "line\nbreak\ttab\x01\x7f", "{a,b}", "ő🙂", "'; --", "%s"]
FLOATS = [0.0, -0.0, 5e-324, 1.7976931348623157e308, 0.1, -1e22, 2.0**63]
INTEGERS = [None, 0, 2**63 - 1, -(2**63)]


def test_every_value_comes_back_as_it_was(stand):
    """Texts keep quotes, backslashes and control characters; floats keep all bits, also the sign of zero."""
    rows = [
        (text, FLOATS[n % len(FLOATS)], INTEGERS[n % len(INTEGERS)], n % 2 == 0)
        for n, text in enumerate(TEXTS)
    ]
    with stand.connection, stand.connection.cursor() as cursor:
        ECHO.run(cursor, arrays(COLUMNS, rows))
        found = cursor.fetchall()
    assert found == rows
    assert [math.copysign(1.0, row[1]) for row in found] == [math.copysign(1.0, row[1]) for row in rows]


def test_what_is_not_a_number_is_refused(stand):
    """An interest that is not a number would be NULL, which no column takes."""
    [array] = arrays(["interest"], [(math.nan,)])
    assert isinstance(array, Literal)
    assert array.getquoted() == b"'{null}'"


def test_a_statement_is_prepared_once(stand):
    """The second batch finds the statements of the first, also if that one was rolled back."""
    with stand.connection.cursor() as cursor:
        ECHO.run(cursor, arrays(COLUMNS, [("", 0.0, 0, True)]))
    stand.connection.rollback()
    with stand.connection, stand.connection.cursor() as cursor:
        ECHO.run(cursor, arrays(COLUMNS, [("", 0.0, 0, True)]))
    assert stand.value("SELECT count(*) FROM pg_prepared_statements WHERE name = 'echo'") == 1


def _migrate(stand, statement):
    with (
        connections.session(stand.postgres_url, "a migration") as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a_migration_while_batches_run_is_a_conflict(stand):
    """A column that changes its type makes a batch try again, and nothing else; a new one not even that."""
    stand.apply(*issue(ALICE, 600))
    for kind, serial in (("varchar(30)", 2), ("text", 3)):
        _migrate(stand, f"ALTER TABLE prepared_transfer ALTER COLUMN coordinator_type TYPE {kind}")
        with pytest.raises(StalePlanError) as caught:
            stand.apply(*issue(ALICE, 10, serial))
        assert fault_of(caught.value) is Fault.CONFLICT
        stand.apply(*issue(ALICE, 10, serial))
    _migrate(stand, "ALTER TABLE account ADD COLUMN of_tomorrow int8 NOT NULL DEFAULT 1")
    stand.apply(*issue(ALICE, 10, 4))
    assert stand.account(ALICE).principal == 630
    assert stand.account(ROOT).principal == -630
    assert {name for name, _ in find_violations(stand.postgres_url)} == {"nothing waits"}


def test_statements_that_somebody_has_discarded_are_prepared_again(stand):
    """It costs a try, not the messages."""
    stand.apply(*issue(ALICE, 600))
    stand.execute("DEALLOCATE ALL")
    stand.insist(*issue(ALICE, 10, 2))
    assert stand.conflicts == 1
    assert stand.account(ALICE).principal == 610


REFUSE = """
CREATE OR REPLACE FUNCTION pg_temp.refuse(seconds float8) RETURNS int8 LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(seconds); RAISE EXCEPTION 'not here' USING ERRCODE = 'feature_not_supported'; END $$
"""
REFUSING = Statement("refusing", "SELECT pg_temp.refuse(%s::float8)")


def _echo(cursor):
    ECHO.run(cursor, arrays(COLUMNS, [("", 0.0, 0, True)]))


def test_an_error_is_blamed_on_the_plan_of_its_own_statement(stand):
    """What fails at its first use fails for another reason, also if others stand before and behind it."""
    stand.execute(REFUSE)
    with stand.connection, stand.connection.cursor() as cursor:
        _echo(cursor)
    with pytest.raises(errors.FeatureNotSupported), stand.connection, stand.connection.cursor() as cursor:
        _echo(cursor)
        REFUSING.run(cursor, [0.05])
        _echo(cursor)


def test_what_is_not_prepared_has_no_stale_plan(stand):
    """Its error is its own, as often as it is tried; else it would be tried for ever."""
    stand.execute(REFUSE)
    for _ in range(3):
        with stand.connection, stand.connection.cursor() as cursor:
            _echo(cursor)
        with pytest.raises(errors.FeatureNotSupported), stand.connection, stand.connection.cursor() as cursor:
            cursor.execute("SELECT pg_temp.refuse(0.05)")
