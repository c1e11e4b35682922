"""A front desk for each test."""

import pytest

from tests.backstage.front_desk import front_desk


@pytest.fixture
def desk(stand):
    """The admin listener on a database without rows."""
    with front_desk(stand) as desk:
        yield desk
