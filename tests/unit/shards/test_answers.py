"""Who decides what other shards have answered: a batch that takes it along, or the room by itself."""

from threading import Condition

import pytest

from swpt_accounts.rules.facts import RequestKey
from swpt_accounts.shards.answers import MOST_TOGETHER, Answers
from swpt_accounts.wire.codes import CT_DIRECT

SEVERAL = 8


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    """The time of the story."""
    return Clock()


@pytest.fixture
def answers(clock):
    """Nothing is answered yet, and no batch was there."""
    return Answers(Condition(), clock)


def numbered(*numbers: int) -> dict[RequestKey, bool]:
    """A yes to each of these requests."""
    return {(1, 2, CT_DIRECT, 2, number): True for number in numbers}


def test_without_batches_an_answer_is_decided_at_once(answers):
    """A quiet server answers as soon as it can."""
    answers.put(numbered(1, 2).items())
    assert answers.seconds_to_wait() == 0.0
    assert answers.take() == numbered(1, 2)
    assert answers.seconds_to_wait() is None


def test_a_batch_takes_along_what_is_answered(answers):
    """Also one of a single message; nobody else gets it then."""
    answers.put(numbered(1).items())
    assert answers.take_along(1) == numbered(1)
    assert answers.take() == {}


def test_after_a_single_message_nothing_waits(answers):
    """Who pays one transfer after the other must not wait for a next batch."""
    answers.take_along(SEVERAL - 1)
    answers.put(numbered(1).items())
    assert answers.seconds_to_wait() == 0.0
    answers.end_batch()
    assert answers.take() == numbered(1)


def test_an_answer_waits_for_the_batch_after_one_of_several_messages(answers, clock):
    """While that one is at work, and a moment longer; if none comes, it is decided by itself."""
    answers.take_along(SEVERAL)
    answers.put(numbered(1).items())
    assert answers.take() == {}
    clock.now += 0.2
    answers.end_batch()
    assert answers.take() == {}
    wait = answers.seconds_to_wait()
    assert wait is not None and 0.0 < wait < 0.1
    clock.now += wait
    assert answers.take() == numbered(1)


def test_a_batch_that_takes_long_keeps_no_answer(answers, clock):
    """As one that waits for a lock, or for the database."""
    answers.take_along(SEVERAL)
    answers.put(numbered(1).items())
    clock.now += 1.0
    assert answers.take() == numbered(1)


def test_what_a_batch_has_failed_with_is_never_in_a_batch_again(answers):
    """One answer that can not be stored must not keep messages from being taken."""
    taken = numbered(1)
    answers.put_back(taken)
    answers.put(numbered(2).items())
    assert answers.take_along(SEVERAL) == numbered(2)
    assert answers.take() == taken


def test_so_many_go_together_and_the_rest_later(answers):
    """A transaction is no longer than that of a batch."""
    answers.put(numbered(*range(MOST_TOGETHER + 1)).items())
    assert len(answers.take_along(1)) == MOST_TOGETHER
    assert answers.take_all() == numbered(MOST_TOGETHER)
