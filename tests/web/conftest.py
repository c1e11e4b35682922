"""The admin API on a database with a bit of everything in it."""

import pytest

from tests.backstage.busy_desk import busy_desk


@pytest.fixture(scope="module")
def desk(postgres):
    """A front desk for all examples of a module."""
    with busy_desk(postgres) as desk:
        yield desk
