"""The database of the simulation, on a server of its own."""

from collections.abc import Iterator

import pytest

from simulation.database import Database, own_database
from tests.services.errors import ServiceMissing, give_up


@pytest.fixture(scope="session")
def world_database() -> Iterator[Database]:
    """A database for one world after the other."""
    try:
        with own_database() as database:
            yield database
    except ServiceMissing as error:
        give_up(error)
