"""All chores once, now, with a table at the end: for operators and for tests."""

import time
from collections.abc import Sequence
from logging import getLogger
from threading import Event
from typing import Final

from rich.console import Console
from rich.table import Table

from swpt_accounts.operators.inspection.chores import ChoreState, list_chores
from swpt_accounts.roles.composition import STOP_TIMEOUT_SECONDS, make_broker, make_outbox
from swpt_accounts.roles.stopping import stop_on_signals
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage import connections
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.storage.fitness import prepare_database
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.wire.moments import MICROSECONDS, render_timestamp

from .chore import Chore
from .loop import Chores, chosen

_CONNECT_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.01

_logger: Final = getLogger(__name__)


def run_once(settings: Settings, only: Sequence[str]) -> int:
    """Do the chores to their end, whether their periods are over or not, and print how they went."""
    chores = chosen(only)
    stop = stop_on_signals()
    prepare_database(settings)
    broker = make_broker(settings)
    broker.count_messages(settings.protocol_broker_queue)
    outbox = make_outbox(settings, broker)
    outbox.start()
    worker = Chores(settings, outbox, chores)
    try:
        worker.enroll()
        _connect(outbox, stop)
        lags = _read_lags(settings)
        outcomes = {chore.name: _timed(worker, chore, stop) for chore in chores if not stop.is_set()}
    finally:
        worker.close()
        outbox.stop(STOP_TIMEOUT_SECONDS)
        broker.close()
    Console().print(_table(settings, outcomes, lags))
    if stop.is_set():
        return 130
    return 1 if any(rows is None for rows, _ in outcomes.values()) else 0


def _connect(outbox: Outbox, stop: Event) -> None:
    """Wait for the connection to the broker, without which nothing that was left unsent is taken up."""
    outbox.connect()
    until = time.monotonic() + _CONNECT_SECONDS
    while not (outbox.is_connected or stop.is_set()) and time.monotonic() < until:
        stop.wait(_LOOK_SECONDS)


def _timed(worker: Chores, chore: Chore, stop: Event) -> tuple[int | None, float]:
    """The rows, none if the chore has failed, and the seconds that it took."""
    started = time.monotonic()
    rows = None
    try:
        rows = worker.do_all(chore, stop)
    except Exception as error:
        if fault_of(error) is Fault.OUTAGE:
            raise
        _logger.exception("ALARM: the chore %r fails; the others go on", chore.name)
    return rows, time.monotonic() - started


def _read_diary(settings: Settings) -> list[ChoreState]:
    with connections.session(settings.postgres_url, "swpt_accounts chores") as connection:
        return list_chores(connection)


def _read_lags(settings: Settings) -> dict[str, float]:
    """How many seconds late each chore is by now."""
    now = clock.utcnow()
    return {chore.name: chore.lag_seconds(now) for chore in _read_diary(settings)}


def _table(settings: Settings, done: dict[str, tuple[int | None, float]], lags: dict[str, float]) -> Table:
    """What was done, and how late it was."""
    table = Table("chore", "period s", "last start", "was late s", "rows", "seconds", title="Chores")
    for chore in _read_diary(settings):
        if chore.name in done:
            rows, seconds = done[chore.name]
            at = chore.last_started_at
            started = render_timestamp(at - at % MICROSECONDS) if at else "-"
            shown = "failed" if rows is None else str(rows)
            late = f"{lags.get(chore.name, 0.0):.0f}"
            table.add_row(chore.name, f"{chore.period_seconds:g}", started, late, shown, f"{seconds:.3f}")
    return table
