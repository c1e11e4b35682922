"""Scenarios in which a process of the server dies, sleeps, or has a wrong clock."""

import math
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from swpt_accounts.runtime import clock
from tests.backstage.builders import HOUR

from .playing import Fault, Scenario
from .scene import Scene
from .stages import on_a_clock_of_their_own, supervised, usual

_HOURS: Final = 24
_WRITTEN_AHEAD: Final = "SELECT count(*) FROM journal WHERE applied_at > %s"
_WRITTEN_BEHIND: Final = "SELECT count(*) FROM journal WHERE applied_at < %s"


def killed(name: str, *, family: bool = False) -> Fault:
    """`kill -9`; at the end it is started again."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        scene.crew.kill(name, family=family)
        yield
        scene.crew.start(name)

    return fault


@contextmanager
def all_killed(scene: Scene) -> Iterator[None]:
    """All roles at once."""
    names = scene.crew.kill_all()
    yield
    for name in names:
        scene.crew.start(name)


@contextmanager
def stopped(scene: Scene) -> Iterator[None]:
    """The worker gets no processor."""
    scene.crew.signal("worker", signal.SIGSTOP)
    yield
    scene.crew.signal("worker", signal.SIGCONT)


def clock_moved(hours: int) -> Fault:
    """The clock of all roles is wrong for a while."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        scene.tools["clock"].move(hours)
        yield
        far = clock.utcnow() + (hours - math.copysign(1, hours)) * HOUR
        found = scene.server.rows(_WRITTEN_AHEAD if hours > 0 else _WRITTEN_BEHIND, far)
        assert found != [(0,)], "by the clocks of the server nothing was paid at a wrong time"
        scene.tools["clock"].move(0)

    return fault


def _is_answering(scene: Scene) -> bool:
    return scene.crew.is_answering()


WORKER_KILLED: Final = Scenario(
    name="worker killed",
    done="`kill -9`; another one is started 2 s later",
    fault=killed("worker"),
    stage=usual,
)

SCENARIOS: Final = (
    WORKER_KILLED,
    Scenario(
        name="chores killed",
        done="`kill -9`; another process is started 2 s later",
        fault=killed("chores"),
        stage=usual,
    ),
    Scenario(
        name="web server killed",
        done="`kill -9`, started again 2 s later; recovered when it answers as well",
        fault=killed("web"),
        stage=usual,
        is_back=_is_answering,
    ),
    Scenario(
        name="supervisor killed",
        done="`kill -9` of `swpt-accounts all` alone, started 2 s later; recovered when web answers, too",
        fault=killed("all"),
        stage=supervised,
        is_back=_is_answering,
    ),
    Scenario(
        name="server without power",
        done="`kill -9` of supervisor, worker, chores and web at once, started again 2 s later",
        fault=killed("all", family=True),
        stage=supervised,
        is_back=_is_answering,
    ),
    Scenario(
        name="all roles killed",
        done="`kill -9` of worker, chores and web at once, each started again by itself 2 s later",
        fault=all_killed,
        stage=usual,
        is_back=_is_answering,
    ),
    Scenario(
        name="worker asleep",
        done="SIGSTOP, and SIGCONT 20 s later, when the database has given its session up",
        fault=stopped,
        stage=usual,
        seconds=20.0,
    ),
    Scenario(
        name="clock ahead",
        done="the clock of all roles jumps 24 hours forward, and back 5 s later",
        fault=clock_moved(_HOURS),
        stage=on_a_clock_of_their_own,
        seconds=5.0,
    ),
    Scenario(
        name="clock behind",
        done="the clock of all roles jumps 24 hours back, and forward 5 s later",
        fault=clock_moved(-_HOURS),
        stage=on_a_clock_of_their_own,
        seconds=5.0,
    ),
)
