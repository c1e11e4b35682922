"""`kill -9` at random moments, while people are busy who ask again until they are answered."""

import os
import time
from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from threading import Event, Thread
from typing import Any, Final

import requests

from .running import Program
from .waiting import wait_until

PATIENCE_SECONDS: Final = 300.0
_PAUSE_SECONDS: Final = 0.05


def seed() -> int:
    """SEED, or another one in each run; it is printed."""
    chosen = int(os.environ.get("SEED", "0")) or SystemRandom().randrange(1, 2**31)
    print(f"seed {chosen}")
    return chosen


def insist(ask: Callable[[], requests.Response]) -> requests.Response:
    """Ask until there is an answer that says what holds; nobody is there, or it is in doubt: once more."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert time.monotonic() < limit, "there is no answer"
        try:
            answer = ask()
        except requests.RequestException:
            time.sleep(_PAUSE_SECONDS)
            continue
        if answer.status_code not in (503, 504):
            assert answer.status_code < 500, answer.text
            return answer
        time.sleep(_PAUSE_SECONDS)


def disturb(
    program: Program,
    busy: Sequence[Callable[[Event], Any]],
    *,
    kills: int,
    chance: Random,
    count: Callable[[], int],
) -> None:
    """Kill a program so many times at random while all are busy, each until its event is set.

    `count` is how much was answered so far: between two deaths something is, and after the last one as
    well.  Raises what was raised by who was busy.
    """
    stop, raised = Event(), list[BaseException]()

    def run(one: Callable[[Event], Any]) -> None:
        try:
            one(stop)
        except BaseException as error:
            raised.append(error)
            stop.set()

    threads = [Thread(target=run, args=(one,), daemon=True) for one in busy]
    for one in threads:
        one.start()
    try:
        for _ in range(kills):
            _wait_for_more(count, stop)
            stop.wait(chance.uniform(0.0, 1.5))
            program.kill()
            program.start()
        _wait_for_more(count, stop)
    finally:
        stop.set()
        for one in threads:
            one.join(PATIENCE_SECONDS)
    if raised:
        raise raised[0]


def _wait_for_more(count: Callable[[], int], stop: Event) -> None:
    before = count()
    wait_until(lambda: stop.is_set() or count() > before, "answers", PATIENCE_SECONDS)
