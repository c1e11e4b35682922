"""Chore: carries the settings of a currency to its accounts (rules.md#carrying-settings-to-all-accounts).

A configured root account leaves a job, a row of `settings_propagation`.  A pass over the accounts
of the debtor goes in key order, in steps, and the job remembers where it is.

A pass may miss an account: its creator has read the old settings, and commits behind the pass.
But a transaction that creates accounts has an id before it reads the settings (see `gathering`).
So the first visit of the job takes an id of its own as the barrier, which is higher than theirs; when no
transaction below the barrier runs any more, all such creators are committed, and a pass that starts then
is the last.
"""

from collections.abc import Iterator
from functools import partial
from math import inf
from typing import Any, Final, NamedTuple

from swpt_accounts.rules.currency import CurrencySettings
from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.rules.upkeep import apply_settings
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.transactions.books import Outcome, close_book, open_book
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.transactions.gathering import load_currencies, load_foreign_currencies
from swpt_accounts.wire.moments import MICROSECONDS, Moment
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64

from .chore import StepContext
from .isolation import attempt

# Issuers may change their settings all at once: a step must not read all their jobs.
_PAGE: Final = 20

# The next ones, the oldest first.  Those that wait for their last pass are left out as long as they have to.
_FIND_JOBS: Final = """
SELECT debtor_id, requested_at, barrier, is_final_pass, next_creditor_id
FROM settings_propagation
WHERE (requested_at, debtor_id) > (%(requested_at)s, %(debtor_id)s)
  AND (next_creditor_id IS NOT NULL OR barrier IS NULL
       OR barrier <= pg_snapshot_xmin(pg_current_snapshot())::text::int8
       OR barrier > pg_snapshot_xmax(pg_current_snapshot())::text::int8)
ORDER BY requested_at, debtor_id LIMIT %(limit)s
"""

_CLOCKS_DIFFER_SECONDS: Final = 60.0

_FIND_OLDEST: Final = "SELECT min(requested_at) FROM settings_propagation"

_TAKE_JOB: Final = "SELECT pg_try_advisory_xact_lock(hashtext('swpt_accounts propagation'), hashint8(%s))"

_GET_RUNNING: Final = """
SELECT pg_snapshot_xmin(s)::text::int8, pg_snapshot_xmax(s)::text::int8 FROM pg_current_snapshot() AS s
"""

# The end of a snapshot is no barrier: it is the id after the last one that has ended, and not the next one
# to be given.  What runs at or above it is not even looked at by the snapshot, which then seems to be alone.
_GET_OWN_ID: Final = "SELECT pg_current_xact_id()::text::int8"

# To read an account costs a small part of changing it.  But a root account may be configured often and
# without a change for anybody, and a step must not read all accounts of a currency then.
_READ_FOR_ONE: Final = 20

_FIND_ACCOUNTS: Final = """
WITH seen AS MATERIALIZED (
    SELECT creditor_id, deleted, interest_rate, debtor_info_id FROM account
    WHERE debtor_id = %(debtor_id)s AND creditor_id >= %(first)s
    ORDER BY debtor_id, creditor_id LIMIT %(read)s
), behind AS (
    SELECT creditor_id FROM seen LEFT JOIN debtor_info i USING (debtor_info_id)
    WHERE creditor_id <> 0 AND NOT deleted
      AND (interest_rate <> %(rate)s OR coalesce(i.iri, '') <> %(iri)s
           OR coalesce(i.content_type, '') <> %(content_type)s OR coalesce(i.sha256, '') <> %(sha256)s)
    ORDER BY creditor_id LIMIT %(limit)s
)
SELECT (SELECT array_agg(creditor_id ORDER BY creditor_id) FROM behind),
    (SELECT max(creditor_id) FROM seen), (SELECT count(*) FROM seen)
"""

# Not if the job has been requested anew meanwhile: then it has started over already.
_GO_ON: Final = """
UPDATE settings_propagation SET barrier = %(barrier)s, is_final_pass = %(is_final_pass)s,
    next_creditor_id = %(next_creditor_id)s
WHERE debtor_id = %(debtor_id)s AND requested_at = %(requested_at)s
"""

_FINISH: Final = """
DELETE FROM settings_propagation WHERE debtor_id = %(debtor_id)s AND requested_at = %(requested_at)s
"""


class _Job(NamedTuple):
    debtor_id: int
    requested_at: int
    barrier: int | None
    is_final_pass: bool
    next_creditor_id: int | None


class _Found(NamedTuple):
    """Accounts that are behind the settings, and where to go on; None: the pass is over."""

    keys: list[AccountKey]
    next_creditor_id: int | None


def propagate_settings(context: StepContext) -> int:
    """Do the next step of the oldest job that can go on; counts accounts, and steps that find none.

    A job that fails keeps no other from going on; its error comes out when there is nothing else to do.
    """
    failure = None
    for job in _jobs(context):
        try:
            handled = _do_job(job, context)
        except Exception as error:
            if fault_of(error) is not Fault.MESSAGE:
                raise
            failure = failure or error
            continue
        if handled:
            return handled
    if failure is not None:
        raise failure
    return 0


def _jobs(context: StepContext) -> Iterator[_Job]:
    """The jobs that may go on, the oldest first; few are read at once, because the first one mostly does."""
    after = {"requested_at": MIN_INT64, "debtor_id": MIN_INT64}
    jobs = None
    while jobs is None or len(jobs) == _PAGE:
        with context.connection, context.connection.cursor() as cursor:
            cursor.execute(_FIND_JOBS, {**after, "limit": _PAGE})
            jobs = [_Job(*row) for row in cursor.fetchall()]
        yield from jobs
        if jobs:
            after = {"requested_at": jobs[-1].requested_at, "debtor_id": jobs[-1].debtor_id}


def oldest_job_seconds(connection: Any, now: Moment) -> float:
    """How long ago the oldest job was ordered; 0 if there is none."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_FIND_OLDEST)
        requested_at = cursor.fetchone()[0]
    if requested_at is None:
        return 0.0
    age = (now - requested_at) / MICROSECONDS
    # Nobody knows how long ago an order was given while the clock was wrong: it is hurried.
    return age if age > -_CLOCKS_DIFFER_SECONDS else inf


def _do_job(job: _Job, context: StepContext) -> int:
    with context.connection, context.connection.cursor() as cursor:
        cursor.execute(_TAKE_JOB, [job.debtor_id])
        if not cursor.fetchone()[0]:
            return 0
        handled, outcome = _step(cursor, job, context)
    context.finish(outcome)
    return handled


def _step(cursor: Any, job: _Job, context: StepContext) -> tuple[int, Outcome | None]:
    if job.next_creditor_id is None:
        job = _begin_pass(cursor, job)
        if job.next_creditor_id is None:
            return 0, None
    transaction = context.transaction
    found = _find_accounts(cursor, job, transaction, context.rows)
    owned = list(filter(transaction.policy.realm.owns_key, found.keys))
    outcome = _apply(cursor, owned, context) if owned else None
    if found.next_creditor_id is None:
        return len(found.keys) + _end_pass(cursor, job), outcome
    _go_on(cursor, job._replace(next_creditor_id=found.next_creditor_id))
    return max(1, len(found.keys)), outcome


def _begin_pass(cursor: Any, job: _Job) -> _Job:
    """Start a pass: the first one at once, the final one when the barrier allows it."""
    cursor.execute(_GET_RUNNING)
    oldest_running, end = cursor.fetchone()
    # Barriers of ours have ended; others are of another cluster, from which this database was restored.
    if job.barrier is None or job.barrier > end:
        cursor.execute(_GET_OWN_ID)
        barrier = cursor.fetchone()[0]
        assert oldest_running <= end <= barrier, "ids are given in order"
        is_final = oldest_running == barrier
        return job._replace(barrier=barrier, is_final_pass=is_final, next_creditor_id=MIN_INT64)
    if oldest_running < job.barrier:
        return job
    return job._replace(is_final_pass=True, next_creditor_id=MIN_INT64)


def _end_pass(cursor: Any, job: _Job) -> int:
    if job.is_final_pass:
        cursor.execute(_FINISH, job._asdict())
    else:
        _go_on(cursor, job._replace(next_creditor_id=None))
    return 1


def _go_on(cursor: Any, job: _Job) -> None:
    cursor.execute(_GO_ON, job._asdict())


def _settings(cursor: Any, debtor_id: int, transaction: TransactionContext) -> CurrencySettings | None:
    policy = transaction.policy
    currencies = load_currencies(cursor, [debtor_id], policy.realm) or load_foreign_currencies(
        cursor, [debtor_id], policy, transaction.clock()
    )
    currency = currencies.get(debtor_id)
    return None if currency is None else currency.settings


def _find_accounts(cursor: Any, job: _Job, transaction: TransactionContext, limit: int) -> _Found:
    """The next accounts whose rate or info differs; without settings there are none."""
    settings = _settings(cursor, job.debtor_id, transaction)
    if settings is None:
        return _Found([], None)
    info, read = settings.debtor_info, _READ_FOR_ONE * limit
    cursor.execute(
        _FIND_ACCOUNTS,
        {
            "debtor_id": job.debtor_id,
            "first": job.next_creditor_id,
            "rate": settings.interest_rate,
            "iri": info.iri,
            "content_type": info.content_type,
            "sha256": info.sha256,
            "read": read,
            "limit": limit,
        },
    )
    behind, last, count = cursor.fetchone()
    keys = [(job.debtor_id, creditor_id) for creditor_id in behind or ()]
    if len(keys) == limit:
        last = keys[-1][1]
    elif count < read:
        return _Found(keys, None)
    return _Found(keys, None if last == MAX_INT64 else last + 1)


def _apply(cursor: Any, keys: list[AccountKey], context: StepContext) -> Outcome:
    assert len({debtor_id for debtor_id, _ in keys}) == 1, "a job is of one currency"
    book = open_book(cursor, context.transaction, keys)
    for key in keys:
        attempt(
            partial(apply_settings, book, key),
            key,
            "brought to the settings of its currency",
            otherwise=False,
        )
    return close_book(cursor, context.transaction, book)
