"""Plays a scenario: the same fault strikes twice while customers pay, and all must be right afterwards."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import monotonic, sleep
from typing import Final, TypeAlias

import msgspec
import psycopg2

from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing
from tests.services.rabbitmq_node import CommandFailed

from .scene import Scene
from .site import Site
from .verdict import PATIENCE_SECONDS, await_end, what_is_wrong

STRIKES: Final = 2
BEFORE: Final = 20
"""So many outcomes come before each fault."""

AFTER: Final = 10

Fault: TypeAlias = Callable[[Scene], AbstractContextManager[None]]
"""The context breaks something, and mends it at its end."""

Stage: TypeAlias = Callable[[Site], AbstractContextManager[Scene]]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """What breaks, where, and for how long."""

    name: str
    done: str
    """What is done, for readers."""

    fault: Fault
    stage: Stage
    seconds: float = 2.0
    """Between the beginning of the fault and its end."""

    is_back: Callable[[Scene], object] = lambda scene: True
    """What has to be there again, besides an outcome."""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """How a scenario has ended."""

    scenario: Scenario
    recovered: Sequence[float] = ()
    """Seconds from the end of each fault to the first new outcome."""

    pauses: Sequence[float] = ()
    """The longest time without an outcome, of each fault."""

    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: Sequence[str] = ()
    missing: str = ""
    """Why it could not be played here."""


def play(site: Site, scenario: Scenario) -> Played:
    """Play a scenario on the servers of a site."""
    try:
        with scenario.stage(site) as scene:
            return play_on(scene, scenario)
    except ServiceMissing as error:
        return Played(scenario=scenario, missing=str(error))
    except (AssertionError, CommandFailed, psycopg2.Error) as error:
        # It did not even begin, or could not be mended; the others are played all the same.
        return Played(scenario=scenario, wrong=[str(error)])


def play_on(scene: Scene, scenario: Scenario) -> Played:
    """Play a scenario where it is set up already; stops the server."""
    recovered: list[float] = []
    pauses: list[float] = []
    wrong: list[str] = []
    try:
        for _ in range(STRIKES):
            seconds, pause = _strike(scene, scenario)
            recovered.append(seconds)
            pauses.append(pause)
        await_end(scene)
    except AssertionError as error:
        wrong.append(str(error))
    outcomes = Counter(scene.customers.outcomes().values())
    wrong += what_is_wrong(scene)
    return Played(scenario=scenario, recovered=recovered, pauses=pauses, outcomes=outcomes, wrong=wrong)


def _strike(scene: Scene, scenario: Scenario) -> tuple[float, float]:
    """Break and mend it; after how many seconds it works again, and the longest pause."""
    customers = scene.customers
    customers.await_outcomes(BEFORE)
    begun_at = monotonic()
    with scenario.fault(scene):
        sleep(scenario.seconds)
    ended_at = monotonic()
    first = customers.first_outcome_after(ended_at)
    if not scenario.is_back(scene):
        wait_until(lambda: scenario.is_back(scene), "all that was there", PATIENCE_SECONDS)
        first = max(first, monotonic())
    customers.await_outcomes(AFTER)
    return first - ended_at, customers.longest_pause(begun_at, monotonic())
