"""When somebody speaks again: the next copy, or the missing answer as news, whichever comes first."""

import pytest

from swpt_client.configuration import due_at
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.pace import earliest, speak_at, worry_at
from swpt_client.policy import Timers
from swpt_client.records import Configuration, ConfigurationState, Pace

from .bench import START

WAITING = Pace(began_at=START, copies=1)
CONFIRMED = Pace(began_at=START, copies=1, is_waiting=False, confirmed_at=START + MINUTE)
PAUSES = (2 * HOUR, 3 * HOUR)


def worried(pace: Pace) -> Pace:
    """The missing answer has been told."""
    return Pace(
        began_at=pace.began_at,
        copies=pace.copies,
        is_waiting=pace.is_waiting,
        confirmed_at=pace.confirmed_at,
        has_worried=True,
    )


@pytest.mark.parametrize(
    ("pace", "patience", "stretch", "expected"),
    [
        (WAITING, DAY, 1.0, START + DAY),  # The outbox has a copy: nothing is to be sent.
        (WAITING, MINUTE, 1.0, START + MINUTE),
        (worried(WAITING), DAY, 1.0, None),
        (CONFIRMED, DAY, 1.0, START + MINUTE + 2 * HOUR),  # The copy comes first.
        (CONFIRMED, DAY, 1.5, START + MINUTE + 3 * HOUR),
        (CONFIRMED, HOUR, 1.0, START + HOUR),  # The worry comes first.
        (worried(CONFIRMED), HOUR, 1.0, START + MINUTE + 2 * HOUR),
    ],
)
def test_who_speaks_again_does_so_at_the_earlier_of_two_moments(pace, patience, stretch, expected):
    """As long as both may come."""
    assert speak_at(pace, PAUSES, patience, stretch) == expected


def test_without_a_stretch_a_pause_is_as_long_as_it_is():
    """Nothing is spread."""
    assert speak_at(CONFIRMED, PAUSES, DAY) == START + MINUTE + 2 * HOUR


def test_one_worries_once():
    """Then it has been told."""
    assert worry_at(CONFIRMED, HOUR) == START + HOUR
    assert worry_at(worried(CONFIRMED), HOUR) is None


@pytest.mark.parametrize(
    ("renew_at", "expected"), [(START + HOUR, START + HOUR), (START + 2 * DAY, START + DAY)]
)
def test_a_configuration_that_is_renewed_later_is_worried_about_all_the_same(renew_at, expected):
    """After a day, however late it will be renewed."""
    configuration = Configuration(
        state=ConfigurationState.SENT,
        last_ts=START,
        last_seqnum=0,
        config_flags=0,
        negligible_amount=0.0,
        config_data="",
        pace=CONFIRMED,
        renew_at=renew_at,
    )
    timers = Timers(worry_after=DAY)
    assert due_at(configuration, timers, 1.0) == expected


def test_the_earliest_of_moments_ignores_those_that_there_are_not():
    """None of them is none."""
    assert earliest(None, 5, 3, None, 4) == 3
    assert earliest(None, None) is None
