"""The process of the chores: its lanes, each on a connection and a thread of its own, until a signal.

A changed balance has to be announced within two seconds of its time (rules.md#periodic-work), and to
count a large currency, or to sweep a large table, is one statement that may take longer.  So what publishes
nothing, and nobody waits for, goes in a lane aside.
"""

import os
from collections.abc import Sequence
from logging import getLogger
from threading import Event, Thread
from typing import Final

from swpt_accounts.broker import SmpBroker
from swpt_accounts.roles.composition import STOP_TIMEOUT_SECONDS, make_broker, make_outbox
from swpt_accounts.roles.stopping import stop_on_signals
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.fitness import prepare_database
from swpt_accounts.storage.outbox.publishing import Outbox

from .chore import Chore
from .loop import CHORES, Chores, chosen

_logger: Final = getLogger(__name__)

# Where processors are scarce, those who answer messages come first.
_NICENESS: Final = 10

# How long the end waits for a statement aside.
_ASIDE_SECONDS: Final = 2.0

ASIDE: Final = frozenset(
    {
        "make partitions",
        "remove dead letters",
        "remove refusals",
        "clean registry",
        "find foreign currencies",
        "add up credits",
        "tend foreign rows",
        "summarize debtors",
    }
)
"""Chores that publish nothing, and that nobody waits for."""

ASKING: Final = frozenset({"read foreign settings", "look at the node"})
"""Chores that ask other shards, which may be slow."""


def run(settings: Settings, only: Sequence[str] = ()) -> int:
    """Do the chores until SIGTERM or SIGINT; the steps at hand are finished."""
    chores = chosen(only)
    os.nice(_NICENESS)
    stop = stop_on_signals()
    prepare_database(settings)
    broker = make_broker(settings)
    broker.count_messages(settings.protocol_broker_queue)  # A wrong address is reported at once.
    work(settings, broker, stop, chores)
    return 0


def work(settings: Settings, broker: SmpBroker, stop: Event, chores: tuple[Chore, ...] = CHORES) -> None:
    """Turn after turn until `stop` is set; for the process, and for a thread of the demonstration.

    If a lane fails in a way that it should not, all of them end, and its error comes out.
    """
    # Who writes events has an outbox of his own, because that signs the rows of one connection.
    outbox, elsewhere = make_outbox(settings, broker), make_outbox(settings, broker)
    outbox.start()
    elsewhere.start()
    failures: list[Exception] = []
    prompt, *aside = (
        Thread(target=_turn_after_turn, args=(lane, stop, failures), name="chores", daemon=True)
        for lane in _lanes(settings, outbox, elsewhere, chores)
    )
    try:
        prompt.start()
        for lane in aside:
            lane.start()
        stop.wait()
        prompt.join()
        # What it counts or removes can be done again: the end of the process ends it.
        for lane in aside:
            lane.join(_ASIDE_SECONDS)
        if failures:
            raise failures[0]
    finally:
        elsewhere.stop(STOP_TIMEOUT_SECONDS)
        outbox.stop(STOP_TIMEOUT_SECONDS)
        broker.close()


def _lanes(
    settings: Settings, outbox: Outbox, elsewhere: Outbox, chores: tuple[Chore, ...]
) -> tuple[Chores, ...]:
    asking = ASKING if settings.realm().bits else frozenset()
    prompt = tuple(chore for chore in chores if chore.name not in ASIDE | asking)
    aside = tuple(chore for chore in chores if chore.name in ASIDE)
    lanes = [Chores(settings, outbox, prompt), Chores(settings, outbox, aside, publishes=False)]
    if asking:
        asks = tuple(chore for chore in chores if chore.name in asking)
        lanes.append(Chores(settings, elsewhere, asks))
    return tuple(lanes)


def _turn_after_turn(lane: Chores, stop: Event, failures: list[Exception]) -> None:
    try:
        while not stop.is_set():
            stop.wait(lane.turn(stop))
    except Exception as error:
        _logger.exception("ALARM: the chores fail in a way they should not, and end")
        failures.append(error)
    finally:
        stop.set()
        lane.close()
