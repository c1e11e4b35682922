"""Each scenario of the table in docs/reliability.md: it breaks twice under load, and all ends right."""

from collections.abc import Iterator

import pytest

from tests.services.errors import ServiceMissing, give_up

from .table.playing import Scenario, play
from .table.scenarios import SCENARIOS
from .table.site import Site, whole_site

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """All servers, our own."""
    try:
        with whole_site() as site:
            yield site
    except ServiceMissing as error:
        give_up(error)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_a_scenario_ends_with_right_books(site: Site, scenario: Scenario) -> None:
    """One outcome of each payment, ledgers as the journal, chains without gaps, nothing waiting or locked."""
    played = play(site, scenario)
    if played.missing:
        give_up(ServiceMissing(played.missing))
    assert played.wrong == []
