"""The loop of the chores: each when its period is over, none disturbed by another."""

from collections.abc import Callable, Sequence
from logging import getLogger
from threading import Event
from time import monotonic
from typing import Any, Final

import msgspec

from swpt_accounts.runtime import clock, metrics
from swpt_accounts.runtime.errors import WrongUsage, first_line
from swpt_accounts.runtime.lateness import NOTED_SECONDS
from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.runtime.standstill import Standstill
from swpt_accounts.storage import connections
from swpt_accounts.storage.faults import Fault, fault_of, is_refusal
from swpt_accounts.storage.outbox.publishing import Outbox
from swpt_accounts.storage.watch import Watch, session_number
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.context import load_policy, make_context, make_periods, make_policy
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.wire.moments import Moment

from . import sealing
from .accounts import tend_accounts
from .chore import Chore, Deadline, Errand, Pass, StepContext
from .cleaning import clean_registry, make_journal_partitions, remove_dead_letters, remove_refusals
from .diary import enroll, find_requested, note_errand, take_step
from .foreign_rows import add_up_credits, foreign_rows_period, tend_foreign_rows
from .foreign_settings import find_foreign_currencies, read_foreign_settings
from .held_rows import HeldRows
from .node import look_at_node
from .pace import Pace
from .propagation import oldest_job_seconds, propagate_settings
from .relay import relay_outbox
from .reminders import send_reminders
from .summaries import summarize_debtors
from .updates import announce_updates

# A chore that has much to do lets the others have their turn after this time.
_TURN_SECONDS: Final = 0.5

# A chore goes slowly for this part of the time that it may take, and then as fast as it can.
_UNHURRIED_SHARE: Final = 0.5

# What a step looks at if somebody waits for its end, as with `chores --once`.
_ROWS: Final = 200

# How often a pass asks whether its period is over; it may be a fraction of a second in tests.
_LONGEST_LOOK_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 3.0

# A broker that is slow or away must not fill our memory with heartbeats: what can wait does.
_MOST_PENDING: Final = 10_000
_PUBLISHING_SECONDS: Final = 0.5

# How long to wait for another process that works on the same pass.
_SHARING_SECONDS: Final = 0.02

_logger: Final = getLogger(__name__)


def _every(period_seconds: float) -> Callable[[Settings], float]:
    return lambda settings: period_seconds


CHORES: Final[tuple[Chore, ...]] = (
    Errand("announce updates", _every(0.5), announce_updates),
    Errand("relay outbox", _every(1.0), relay_outbox),
    Errand(
        "propagate settings",
        _every(1.0),
        propagate_settings,
        Deadline(lambda settings: settings.settings_propagation_time, oldest_job_seconds),
    ),
    Errand("read foreign settings", _every(1.0), read_foreign_settings),
    Errand("find foreign currencies", _every(60.0), find_foreign_currencies),
    Errand("add up credits", _every(60.0), add_up_credits),
    Errand("look at the node", _every(300.0), look_at_node),
    Errand("make partitions", _every(3600.0), make_journal_partitions),
    Errand("seal journal", _every(sealing.PERIOD_SECONDS), sealing.seal_journal),
    Errand("remove dead letters", _every(3600.0), remove_dead_letters),
    Errand("remove refusals", _every(600.0), remove_refusals),
    Pass("tend accounts", lambda settings: settings.accounts_scan_interval, tend_accounts),
    Pass("send reminders", lambda settings: settings.reminders_scan_interval, send_reminders),
    Pass("clean registry", lambda settings: settings.registry_scan_interval, clean_registry),
    Pass("tend foreign rows", foreign_rows_period, tend_foreign_rows),
    Pass("summarize debtors", lambda settings: settings.summaries_scan_interval, summarize_debtors),
)
"""All periodic work.  Each is one function: which rows, and which rule of `upkeep` for them."""


class Chores:
    """Does chores on one connection; `turn` may be called by a loop, or by a test.

    Only one of those that share an outbox may do chores that publish (`publishes`).
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        chores: tuple[Chore, ...] = CHORES,
        now: Callable[[], Moment] = clock.utcnow,
        *,
        publishes: bool = True,
    ) -> None:
        self._settings = settings
        self._publishes = publishes
        self._outbox = outbox
        self._chores = chores
        self._clock = now
        self._look_at = dict.fromkeys((chore.name for chore in chores), 0.0)
        self._note_at = dict.fromkeys((chore.name for chore in chores), 0.0)
        self._rows = dict.fromkeys((chore.name for chore in chores), 0)
        self._paces = {chore.name: Pace() for chore in chores}
        self._infos, self._memory = DebtorInfos(), AccountMemory()
        self._policy = make_policy(settings)
        self._hear_at = 0.0
        self._connection: Any = None
        self._is_enrolled = False
        self._pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        self._standstill = Standstill("chores")
        self._is_held_up = False
        self._held_rows = HeldRows()
        self._watch = Watch(
            settings.postgres_url,
            "The chores have",
            "Other chores have their turn meanwhile.",
        )

    def turn(self, stop: Event) -> float:
        """Do what is due; returns how many seconds may pass before the next turn."""
        self._watch.begin()
        self._is_held_up = False
        rest = self._turn(stop)
        if not self._is_held_up:
            self._watch.end()
            self._standstill.end()
        return rest

    def _turn(self, stop: Event) -> float:
        try:
            self._hear_requests()
        except Exception as error:
            if fault_of(error) is Fault.MESSAGE:
                raise
            return self._back_off(error)
        for chore in self._chores:
            if self._look_at[chore.name] > monotonic() or stop.is_set():
                continue
            if _can_wait(chore) and self._outbox.pending > _MOST_PENDING:
                self._look_at[chore.name] = monotonic() + _PUBLISHING_SECONDS
                continue
            try:
                self.enroll()
                rest = self._do(chore, stop)
            except Exception as error:
                is_ours = fault_of(error) is Fault.MESSAGE or self._is_refused(error)
                if fault_of(error) is Fault.OUTAGE and not is_ours:
                    # Perhaps only this chore suffers: when we are back, the others have their turn.
                    pause = self._back_off(error)
                    self._look_at[chore.name] = monotonic() + 2 * pause
                    return pause
                rest = min(chore.period_seconds(self._settings), _LONGEST_LOOK_SECONDS)
                if fault_of(error) is Fault.CONFLICT:
                    metrics.RETRIES.labels("conflict").inc()
                if fault_of(error) is Fault.LOCK:
                    metrics.RETRIES.labels("lock").inc()
                    self._hold_up(first_line(error))
                    _logger.warning("The chore %r is tried again: %s", chore.name, first_line(error))
                if is_ours:
                    metrics.CHORE_FAILURES.labels(chore.name).inc()
                    rest = _LONGEST_LOOK_SECONDS
                    _logger.exception("ALARM: the chore %r fails; the others go on", chore.name)
            self._look_at[chore.name] = monotonic() + rest
        self._pauses.reset()
        return max(0.0, min([self._hear_at, *self._look_at.values()]) - monotonic())

    def do_all(self, chore: Chore, stop: Event) -> int:
        """Do a chore to its end, whether its period is over or not; returns the rows handled."""
        self.enroll()
        rows, is_over, started_at = 0, False, self._clock()
        while not (is_over or stop.is_set()):
            try:
                handled, is_over = self._do_more(chore, stop, started_at)
            except Exception as error:
                if fault_of(error) not in (Fault.CONFLICT, Fault.LOCK):
                    raise
            else:
                rows += handled
        if isinstance(chore, Errand):
            note_errand(self._connect(), chore, started_at, self._clock(), rows)
        return rows

    def _do_more(self, chore: Chore, stop: Event, started_at: Moment) -> tuple[int, bool]:
        """Do a step of a chore now; how many rows it handled, and whether it was the last one."""
        if isinstance(chore, Errand):
            handled = chore.step(msgspec.structs.replace(self._begin_step(), until=started_at))
            return handled, not handled
        progress = take_step(chore, self._begin_step(), chore.period_seconds(self._settings), is_forced=True)
        if progress is None:  # Another process has the pass in hand, and may be about to end it.
            stop.wait(_SHARING_SECONDS)
            return 0, False
        return progress.rows, progress.position is None

    def enroll(self) -> None:
        """Give every chore its row in the diary, once."""
        if self._is_enrolled:
            return
        connection = self._connect()
        for chore in self._chores:
            enroll(connection, chore, chore.period_seconds(self._settings))
            metrics.CHORE_FAILURES.labels(chore.name)
        self._is_enrolled = True

    def _hear_requests(self) -> None:
        """Let what operators want be looked at in this turn, whether its time has come or not."""
        if self._hear_at > monotonic():
            return
        for name in find_requested(self._connect()) & self._look_at.keys():
            self._look_at[name] = self._note_at[name] = 0.0
        self._hear_at = monotonic() + _LONGEST_LOOK_SECONDS

    def close(self) -> None:
        """Close the connection to the database."""
        self._watch.stop()
        self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = self._watch.session = None

    def _do(self, chore: Chore, stop: Event) -> float:
        """Do a part of a chore; returns how many seconds may pass before it is looked at again."""
        if isinstance(chore, Errand):
            return self._do_errand(chore, stop)
        period_seconds = chore.period_seconds(self._settings)
        context, started = self._begin_step(chore), monotonic()
        progress = take_step(chore, context, period_seconds, is_forced=False)
        if progress is None or progress.position is None:
            return min(period_seconds, _LONGEST_LOOK_SECONDS)
        is_late = progress.age_seconds > _UNHURRIED_SHARE * period_seconds
        return self._paces[chore.name].rest_after(monotonic() - started, is_late=is_late)

    def _do_errand(self, errand: Errand, stop: Event) -> float:
        started_at, started = self._clock(), monotonic()
        is_done = False
        while not stop.is_set() and not is_done:
            context = msgspec.structs.replace(self._begin_step(errand), until=started_at)
            handled = errand.step(context)
            self._rows[errand.name] += handled
            is_done = not handled
            if errand.deadline is not None or monotonic() >= started + _TURN_SECONDS:
                break
        seconds = monotonic() - started
        if (is_done or errand.deadline is not None) and monotonic() >= self._note_at[errand.name]:
            note_errand(self._connect(), errand, started_at, self._clock(), self._rows[errand.name])
            # Errands come too often to write down each of them.
            self._note_at[errand.name] = monotonic() + NOTED_SECONDS
            self._rows[errand.name] = 0
        if is_done:
            return errand.period_seconds(self._settings)
        if errand.deadline is None:
            return 0.0
        age = errand.deadline.age_seconds(self._connect(), self._clock())
        is_late = age > _UNHURRIED_SHARE * errand.deadline.seconds(self._settings)
        return self._paces[errand.name].rest_after(seconds, is_late=is_late)

    def _connect(self) -> Any:
        """The connection to the database, made if there is none."""
        if self._connection is None:
            self._connection = connections.connect(
                self._settings.postgres_url, "swpt_accounts chores", key_lookups_only=True
            )
            self._watch.session = session_number(self._connection)
            if self._publishes:
                self._outbox.sign_in(self._connection)
        return self._connection

    def _begin_step(self, chore: Chore | None = None) -> StepContext:
        """Read what the database has promised, in a transaction, and say what a step works with."""
        connection = self._connect()
        policy = load_policy(connection, self._policy)
        return StepContext(
            connection=connection,
            transaction=make_context(
                self._settings,
                policy,
                self._outbox.publisher_key,
                infos=self._infos,
                memory=self._memory,
                now=self._clock,
            ),
            periods=make_periods(self._settings, policy),
            outbox=self._outbox,
            settings=self._settings,
            held_rows=self._held_rows,
            rows=_ROWS if chore is None else self._paces[chore.name].rows,
            until=self._clock(),
        )

    def _is_refused(self, error: Exception) -> bool:
        """Whether the database refuses only this chore, for lack of a right or the like, and no other one."""
        return is_refusal(error) and self._connection is not None and not self._connection.closed

    def _hold_up(self, why: str) -> None:
        self._is_held_up = True
        self._standstill.begin(why)
        self._standstill.look()

    def _back_off(self, error: Exception) -> float:
        self._disconnect()
        self._hold_up(first_line(error))
        pause = self._pauses.draw()
        _logger.warning("The database is away (%s): trying again in %.1f s.", first_line(error), pause)
        return pause


def _can_wait(chore: Chore) -> bool:
    return isinstance(chore, Pass) or chore.deadline is not None


def chosen(only: Sequence[str]) -> tuple[Chore, ...]:
    """The chores of these names, or all.  Raises WrongUsage for a name that does not exist."""
    names = [chore.name for chore in CHORES]
    for name in only:
        if name not in names:
            raise WrongUsage(f"there is no chore {name!r}; there are: {', '.join(names)}")
    return tuple(chore for chore in CHORES if not only or chore.name in only)
