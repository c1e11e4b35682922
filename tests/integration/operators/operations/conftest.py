"""What the tests of operators' commands share."""

import logging

import pytest

from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.storage import connections
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import DAY, NOW


@pytest.fixture
def order():
    """An order of Olga, given now."""
    return Order("olga", "desk-1", lambda: NOW)


@pytest.fixture
def owner(postgres_url):
    """The connection of a command, as the owner of the tables."""
    with connections.session(postgres_url, "a test's command") as connection:
        yield connection


@pytest.fixture
def audit(stand):
    """Reads what the audit says: (action, target, detail) of each row, all of them Olga's."""

    def read():
        rows = stand.rows(
            "SELECT action, target, detail, operator, origin, happened_at FROM audit ORDER BY audit_id"
        )
        assert all(row[3:] == ("olga", "desk-1", NOW) for row in rows)
        return [row[:3] for row in rows]

    return read


@pytest.fixture
def near_the_bound(stand):
    """Makes an account so rich that its interest comes to its bound with the next change."""

    def enrich(creditor_id):
        stand.execute(
            "UPDATE account SET principal = %s, interest = 9e18, interest_rate = 100, last_change_ts = %s"
            " WHERE creditor_id = %s",
            MAX_INT64 // 2,
            NOW - 30 * DAY,
            creditor_id,
        )

    return enrich


@pytest.fixture
def alarms(caplog):
    """The alarms that were logged."""

    def read():
        messages = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        return [message for message in messages if message.startswith("ALARM: ")]

    return read
