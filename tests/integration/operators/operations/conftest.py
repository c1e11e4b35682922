"""What the tests of operators' commands share."""

import pytest

from swpt_accounts.operators.operations.orders import Order
from tests.backstage.builders import NOW


@pytest.fixture
def order():
    """An order of Olga, given now."""
    return Order("olga", "desk-1", lambda: NOW)


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
