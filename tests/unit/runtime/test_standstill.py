"""Standstill: work that does not get done is an alarm after half a minute, and until it is done."""

import pytest

from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.standstill import Standstill


class Story:
    """A standstill on a clock that the test turns."""

    def __init__(self, caplog) -> None:
        self.now = 1000.0
        self.caplog = caplog
        self.standstill = Standstill("batch", lambda: self.now)

    def wait(self, seconds: float) -> list[str]:
        """Look every second; what is said meanwhile."""
        self.caplog.clear()
        for _ in range(int(seconds)):
            self.now += 1
            self.standstill.look()
        return [record.getMessage() for record in self.caplog.records]


@pytest.fixture
def story(caplog):
    """Nothing has happened yet."""
    return Story(caplog)


def standing() -> float:
    """What the number says."""
    return float(metrics.STANDSTILL.labels("batch")._value.get())


def test_no_work_is_no_standstill(story):
    """An idle process may be idle for ever."""
    assert story.wait(1000) == []


def test_work_that_gets_done_is_no_standstill(story):
    """However much there is of it."""
    for _ in range(100):
        story.standstill.begin()
        assert story.wait(29) == []
        story.standstill.end()


def test_what_lasts_is_reported_with_its_reason(story):
    """Once after half a minute, then every five minutes; the number grows meanwhile."""
    story.standstill.begin()
    story.standstill.begin("the disk is full")
    assert story.wait(29) == []
    assert story.wait(1) == ["ALARM: the batch stands still for 30 s: the disk is full"]
    assert story.wait(299) == []
    assert standing() == 329
    story.standstill.begin("it is read-only")
    assert story.wait(1) == ["ALARM: the batch stands still for 330 s: it is read-only"]
    story.standstill.end()
    assert standing() == 0
    assert "goes on, after 330 s" in story.caplog.text


def test_the_next_standstill_is_a_new_one(story):
    """Its time and its reason are its own."""
    story.standstill.begin("the disk is full")
    story.wait(40)
    story.standstill.end()
    assert story.wait(100) == []
    story.standstill.begin()
    assert story.wait(40) == ["ALARM: the batch stands still for 30 s: no answer"]
