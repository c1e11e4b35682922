"""All scenarios of the table, in its order."""

from collections.abc import Sequence
from typing import Final

from . import broker_faults, database_faults, network_faults, process_faults
from .playing import Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    *process_faults.SCENARIOS,
    *broker_faults.SCENARIOS,
    *database_faults.SCENARIOS,
    *network_faults.SCENARIOS,
)


def named(words: Sequence[str]) -> list[Scenario]:
    """Those with one of these words in their names; all if there are no words."""
    return [one for one in SCENARIOS if not words or any(word in one.name for word in words)]
