"""Databases that the tests of a module share, because to make one costs more than most tests."""

import pytest

from tests.backstage.housekeeper import housekeeping
from tests.backstage.stand import standing, sweep


@pytest.fixture(scope="module")
def database(postgres):
    """A database with the newest schema for all tests of a module; see `stand`."""
    name = postgres.create_database()
    yield postgres.database_url(name)
    postgres.drop_database(name)


@pytest.fixture
def stand(database):
    """A database without rows, with a worker's connection to it."""
    sweep(database)
    with standing(database) as stand:
        yield stand


@pytest.fixture
def keeper(stand):
    """Somebody who does the chores on the database of the stand."""
    with housekeeping(stand.postgres_url) as keeper:
        yield keeper
