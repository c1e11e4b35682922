"""After a restore from a backup: raises all counters, and announces all accounts anew.

See rules.md#after-a-restore.  It goes in steps of a bounded number of accounts, each with its
events in one transaction.  The table `restoration` remembers how far it came, so that it can be
stopped at any moment, and no account is raised twice for the same restoration.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.rules.interventions import restore
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.connections import sessions_at_work
from swpt_accounts.transactions.books import Outcome, close_book, log_outcome, open_book
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.wire.moments import Moment, render_timestamp

from .conflicts import transact
from .orders import Order

_STEP: Final = 500

_FIND_UNFINISHED: Final = "SELECT restored_at FROM restoration WHERE finished_at IS NULL ORDER BY restored_at"

_BEGIN: Final = """
INSERT INTO restoration (restored_at, started_at) VALUES (%(restored_at)s, %(now)s) ON CONFLICT DO NOTHING
"""

_TAKE: Final = """
SELECT finished_at, last_debtor_id, last_creditor_id, accounts FROM restoration
WHERE restored_at = %s FOR UPDATE
"""

_FIND_FIRST: Final = "SELECT debtor_id, creditor_id FROM account ORDER BY debtor_id, creditor_id LIMIT %s"

_FIND_NEXT: Final = """
SELECT debtor_id, creditor_id FROM account WHERE (debtor_id, creditor_id) > (%s, %s)
ORDER BY debtor_id, creditor_id LIMIT %s
"""

_GO_ON: Final = """
UPDATE restoration SET last_debtor_id = %s, last_creditor_id = %s, accounts = accounts + %s
WHERE restored_at = %s
"""

_FINISH: Final = "UPDATE restoration SET finished_at = %s WHERE restored_at = %s"


class Restored(msgspec.Struct, frozen=True):
    """How far a restoration is; `announced` counts what this run has announced."""

    restored_at: Moment
    accounts: int
    announced: int
    is_finished: bool


def raise_counters(
    connection: Any,
    restored_at: Moment | None,
    *,
    is_forced: bool,
    context: TransactionContext,
    order: Order,
    is_stopping: Callable[[], bool] = lambda: False,
    reach: Callable[[int], None] = lambda accounts: None,
) -> Restored:
    """Raise the counters of every account for the restoration at this moment (whole seconds; none: now).

    Once more for the same moment goes on where it stopped, and does nothing when it is finished.
    `reach` is told how many accounts are done, those of earlier runs included.
    Raises OperatorError if another restoration is not finished, or while the server works.
    """
    moment = transact(connection, lambda cursor: _begin(cursor, restored_at, is_forced, order))
    announced = 0
    while True:
        progress, outcome = transact(
            connection, lambda cursor: _step(cursor, moment, is_forced, context, order)
        )
        if outcome is not None:
            log_outcome(outcome)
        announced += progress.announced
        reach(progress.accounts)
        if progress.is_finished or is_stopping():
            return msgspec.structs.replace(progress, announced=announced)


def _begin(cursor: Any, restored_at: Moment | None, is_forced: bool, order: Order) -> Moment:
    if not is_forced:
        _refuse_while_busy(cursor)
    now = order.clock()
    moment = now // 1_000_000 * 1_000_000 if restored_at is None else restored_at
    cursor.execute(_FIND_UNFINISHED)
    for (unfinished,) in cursor.fetchall():
        if unfinished != moment:
            text = render_timestamp(unfinished)
            raise OperatorError(f"the restoration of {text} is not finished: go on with --moment {text}")
    cursor.execute(_BEGIN, {"restored_at": moment, "now": now})
    if cursor.rowcount:
        order.write_down(cursor, "restored begins", render_timestamp(moment))
    return moment


def _step(
    cursor: Any, restored_at: Moment, is_forced: bool, context: TransactionContext, order: Order
) -> tuple[Restored, Outcome | None]:
    if not is_forced:
        _refuse_while_busy(cursor)
    cursor.execute(_TAKE, [restored_at])
    finished_at, *last, done = cursor.fetchone()
    if finished_at is not None:
        return Restored(restored_at, done, 0, True), None
    if last[0] is None:
        cursor.execute(_FIND_FIRST, [_STEP])
    else:
        cursor.execute(_FIND_NEXT, [*last, _STEP])
    keys: list[AccountKey] = cursor.fetchall()
    if not keys:
        cursor.execute(_FINISH, [order.clock(), restored_at])
        order.write_down(cursor, "restored ends", render_timestamp(restored_at), f"{done} accounts")
        return Restored(restored_at, done, 0, True), None
    announced, outcome = _apply(cursor, keys, restored_at, context)
    cursor.execute(_GO_ON, [*keys[-1], len(keys), restored_at])
    return Restored(restored_at, done + len(keys), announced, False), outcome


def _apply(
    cursor: Any, keys: list[AccountKey], restored_at: Moment, context: TransactionContext
) -> tuple[int, Outcome]:
    book = open_book(cursor, context, keys)
    announced = sum(restore(book, key, restored_at) for key in list(book.accounts))
    return announced, close_book(cursor, context, book)


def _refuse_while_busy(cursor: Any) -> None:
    """A process that works now could give numbers again that were announced before the restore."""
    if names := sessions_at_work(cursor):
        raise OperatorError(
            f"the server works on this database ({', '.join(names)}): stop workers, chores and web first,"
            " or use --force"
        )
