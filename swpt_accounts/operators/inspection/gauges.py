"""How things stand: numbers that the database is asked for when somebody looks.

See rules.md#numbers-for-monitoring.

Every question is answered in bounded time, whatever the tables hold; where that means an estimate
or a bound, the help text of the number says so.  One question that fails leaves the others alone.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from logging import getLogger
from time import monotonic
from typing import Any, Final, NamedTuple, TypeAlias

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from swpt_accounts.rules.flows import late_before
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.errors import first_line
from swpt_accounts.runtime.lateness import NOTED_SECONDS, TOLERANCE_SECONDS, lag_seconds
from swpt_accounts.storage.shard_record import load_shard_record
from swpt_accounts.wire.moments import MICROSECONDS, Moment

from .horizon import oldest_transaction
from .shards.part import Part

TOP_DEBTORS: Final = 20
"""How many debtors have numbers of their own: those with the most accounts."""

MOST_ROWS: Final = 20_000
"""How many rows of the outbox and of the open dead letters are looked at."""

SAMPLE_PAGES: Final = 2000
"""How many pages of a big table are looked at: 16 MiB."""

AGES_DAYS: Final = (("0-1d", 0.0), ("1-7d", 1.0), ("7-30d", 7.0), ("30d+", 30.0))
"""Ages of prepared transfers, the oldest last, with the least age of each."""

CREDITS_MODULUS: Final = 2**40
"""So that thousands of shards can be summed exactly by programs that know only binary64."""

_OLDEST_ROWS: Final = (
    f"At most {MOST_ROWS} rows of the table are looked at, the oldest first; most hold many messages."
)
_ESTIMATED: Final = (
    f"Counted while the table has up to {SAMPLE_PAGES} pages, and estimated from a sample of so many beyond."
)
_WHICH: Final = f"for the {TOP_DEBTORS} debtors with the most accounts"


class Gauge(NamedTuple):
    """What a number means, and the name of its label."""

    meaning: str
    label: str | None = None


GAUGES: Final = {
    "outbox_rows": Gauge(f"Messages that wait in the outbox. {_OLDEST_ROWS}", "type"),
    "outbox_oldest_seconds": Gauge(f"The age of the oldest message in the outbox. {_OLDEST_ROWS}", "type"),
    "outbox_refused_rows": Gauge(
        f"Messages in the outbox that the broker did not take at least once. {_OLDEST_ROWS}", "type"
    ),
    "outbox_parked_rows": Gauge(f"Rows that are not sent until somebody says so, at most {MOST_ROWS}."),
    "account_updates_pending": Gauge(f"Accounts with an unannounced change. {_ESTIMATED}"),
    "prepared_transfers": Gauge(f"Prepared transfers that wait. {_ESTIMATED}"),
    "prepared_transfers_by_age": Gauge(
        f"Prepared transfers that wait, by the time since they were prepared. {_ESTIMATED}", "age"
    ),
    "waiting_requests": Gauge(f"Requests that wait for another shard. {_ESTIMATED}"),
    "waiting_requests_oldest_seconds": Gauge("For how long the oldest request has waited for another shard."),
    "realm": Gauge("Always 1: which part of all accounts this server has.", "realm"),
    "credits_balance": Gauge(
        "Money that has left for other shards, less what has come from them, of transfers committed over an"
        f" hour ago, modulo {CREDITS_MODULUS}. Summed over all shards of a node, and modulo the same, it is 0"
        " if all has come. Missing for an hour after a split, and on a server that has all accounts.",
        "realm",
    ),
    "dead_letters_open": Gauge(
        f"Dead letters that nobody has settled, at most {MOST_ROWS} in all.", "reason"
    ),
    "chore_lag_seconds": Gauge(
        "How long after its time a chore has not started, or its pass is not finished;"
        f" 0 up to {TOLERANCE_SECONDS:g} seconds."
        f" Chores with a short period write themselves down every {NOTED_SECONDS:g} seconds,"
        " which is allowed for.",
        "chore",
    ),
    "chore_finished_seconds": Gauge("The time since a chore was last finished.", "chore"),
    "chore_duration_seconds": Gauge("How long a chore last worked.", "chore"),
    "settings_propagation_seconds": Gauge(
        "How long ago the oldest settings of a currency came that have not reached all its accounts yet."
        " SETTINGS_PROPAGATION_TIME is the bound."
    ),
    "debtors": Gauge("Debtors with accounts here."),
    "debtors_unbalanced": Gauge(
        "Debtors whose principals do not add up to 0, although none of them has overflown: must be 0."
        " Shown by the only shard of a node."
    ),
    "debtor_summaries_seconds": Gauge("The age of the oldest sum of a debtor."),
    "debtor_accounts": Gauge(f"Accounts, {_WHICH}.", "debtor_id"),
    "debtor_issued": Gauge(f"Minus the principal of the root account, {_WHICH}.", "debtor_id"),
    "debtor_principals": Gauge(
        f"The sum of all principals on this shard, {_WHICH}: 0 if it is the only shard.", "debtor_id"
    ),
    "accounts": Gauge("Accounts that are not deleted, without root accounts."),
    "accounts_deleted": Gauge("Deleted accounts that are not purged yet."),
    "clock_difference_seconds": Gauge(
        "The clock of the web server's host minus that of the database's, as well as a round trip shows."
    ),
    "messages_given_up": Gauge(
        "Messages that the broker itself has given up, in the queue whose name ends in .XQ."
    ),
    "oldest_transaction_seconds": Gauge(
        "For how long the oldest transaction has been open that keeps old versions of rows in the tables."
        " Without pg_read_all_stats only those of our own user are known."
    ),
    "oldest_transaction_age": Gauge(
        "How many transactions were begun since the oldest one that keeps old versions of rows,"
        " replication slots included."
    ),
    "journal_seal": Gauge(
        "The number of the newest seal of the journal, but for the last two digits once it is above 100; its"
        " SHA-256 is the label. Who keeps it can tell whether older rows were changed.",
        "sha256",
    ),
    "processes": Gauge("Living processes that keep their numbers in METRICS_FOLDER, by role.", "role"),
    "database_up": Gauge("Whether the database does what a batch needs, down to the commit: 1 or 0."),
    "broker_up": Gauge("Whether the broker has our queue, and takes and confirms messages: 1 or 0."),
    "gauges_failed": Gauge("Questions to the database that this answer had to leave out."),
}
"""All numbers of this module."""

Values: TypeAlias = dict[str, float | Mapping[Any, Any]]
"""Numbers by the names of their gauges; those of one with a label by its values."""

_BUDGET_SECONDS: Final = 5.0
_STATEMENT_MILLISECONDS: Final = 2000

_logger: Final = getLogger(__name__)

_LIMIT: Final = f"SET LOCAL statement_timeout = {_STATEMENT_MILLISECONDS}"

# A row without a publisher and without a next attempt is parked: nobody will send it.  Very many rows
# hold the same, like a single announcement, so they are counted before they are taken apart.
_OUTBOX: Final = """
WITH waiting AS MATERIALIZED (
    SELECT created_at, type_counts, attempts FROM outbox
    WHERE NOT (publisher_key IS NULL AND next_attempt_at IS NULL) ORDER BY outbox_id LIMIT %s
), alike AS (
    SELECT type_counts, count(*) AS rows, count(*) FILTER (WHERE attempts > 0) AS refused_rows,
        min(created_at) AS oldest
    FROM waiting GROUP BY type_counts)
SELECT type, sum(number::bigint * rows), min(oldest), sum(number::bigint * refused_rows)
FROM alike, jsonb_each_text(type_counts) AS counted (type, number) GROUP BY type
"""

_PARKED: Final = """
SELECT count(*) FROM (
    SELECT FROM outbox WHERE publisher_key IS NULL AND next_attempt_at IS NULL LIMIT %s) AS parked
"""

# A share of the pages is enough to estimate all of them; of a table that is not big it is all.
_PAGES: Final = "SELECT greatest(pg_relation_size(%s::regclass) / current_setting('block_size')::int, 1)"

_COUNT_UPDATES: Final = "SELECT count(*) FROM account_update_due TABLESAMPLE SYSTEM (%s)"

_COUNT_PREPARED: Final = """
SELECT width_bucket(prepared_at, %s::bigint[]), count(*) FROM prepared_transfer TABLESAMPLE SYSTEM (%s)
GROUP BY 1
"""

_COUNT_WAITING: Final = "SELECT count(*) FROM waiting_request TABLESAMPLE SYSTEM (%s)"

_OLDEST_WAITING: Final = "SELECT min(waiting_since) FROM waiting_request"

# The chore that adds up leaves some rows for each currency with accounts on several shards.
_CREDITS_BALANCE: Final = """
SELECT coalesce(sum(emitted - applied) FILTER (WHERE committed_slot < %s), 0)::numeric %% %s FROM credit_flow
"""

_DEAD_LETTERS: Final = """
SELECT reason, count(*)
FROM (SELECT reason FROM dead_letter WHERE state = 'open' ORDER BY dead_letter_id LIMIT %s) AS open
GROUP BY reason
"""

_CHORES: Final = """
SELECT name, period_seconds, coalesce(pass_started_at, last_started_at), last_finished_at, last_seconds
FROM chore
"""

_OLDEST_PROPAGATION: Final = "SELECT min(requested_at) FROM settings_propagation"

_TOP_DEBTORS: Final = """
SELECT debtor_id, accounts, issued, principals FROM debtor_summary ORDER BY accounts DESC, debtor_id LIMIT %s
"""

_ALL_DEBTORS: Final = """
SELECT count(*), coalesce(sum(accounts), 0), coalesce(sum(deleted_accounts), 0),
    count(*) FILTER (WHERE principals <> 0 AND overflown_accounts = 0), min(summarized_at)
FROM debtor_summary
"""

# Not each of them, because every label is a series of its own to those who keep them.
_SEAL: Final = """
SELECT encode(sha256, 'hex'), seal_id FROM seal
WHERE seal_id = (SELECT coalesce(nullif(max(seal_id) / 100 * 100, 0), max(seal_id)) FROM seal)
"""

_CLOCK: Final = "SELECT extract(epoch FROM clock_timestamp())"


def read_gauges(connection: Any, now: Callable[[], Moment], part: Part) -> Iterator[Metric]:
    """The numbers that the database has now; `now` is the clock of this host."""
    readings: list[Callable[[Any], Values]] = [
        lambda cursor: _outbox(cursor, now()),
        _updates_pending,
        lambda cursor: _prepared_transfers(cursor, now()),
        lambda cursor: _waiting_requests(cursor, now()),
        lambda cursor: _credits(cursor, now(), part),
        _dead_letters,
        lambda cursor: _chores(cursor, now()),
        lambda cursor: _debtors(cursor, now(), is_only_shard=part.realm.bits == 0),
        _top_debtors,
        lambda cursor: _clock_difference(cursor, now),
        _oldest_transaction,
        _seal,
    ]
    values: Values = {"realm": {part.realm.binding_key: 1}}
    failed, until = 0, monotonic() + _BUDGET_SECONDS
    for read in readings:
        try:
            if monotonic() > until:
                raise TimeoutError("the database is too slow")
            with connection, connection.cursor() as cursor:
                cursor.execute(_LIMIT)
                values |= read(cursor)
        except Exception as error:
            failed += 1
            _logger.warning("Numbers are missing in /metrics: %s", first_line(error))
    values["gauges_failed"] = failed
    yield from (gauge(name, value) for name, value in values.items())


def gauge(name: str, value: float | Mapping[Any, Any]) -> Metric:
    """A number of `GAUGES`, or several by the values of its label."""
    meaning, label = GAUGES[name]
    if not isinstance(value, Mapping):
        return GaugeMetricFamily(name, meaning, float(value))
    metric = GaugeMetricFamily(name, meaning, labels=[label or ""])
    for content, number in value.items():
        metric.add_metric([str(content)], float(number))
    return metric


# -- readings ----------------------------------------------------------------------------------


def _outbox(cursor: Any, now: Moment) -> Values:
    cursor.execute(_OUTBOX, [MOST_ROWS])
    rows = cursor.fetchall()
    cursor.execute(_PARKED, [MOST_ROWS])
    none = dict.fromkeys(metrics.EVENT_TYPES, 0)
    return {
        "outbox_rows": none | {name: number for name, number, _, _ in rows},
        "outbox_oldest_seconds": none | {name: _age(created_at, now) for name, _, created_at, _ in rows},
        "outbox_refused_rows": none | {name: refused for name, _, _, refused in rows},
        "outbox_parked_rows": cursor.fetchone()[0],
    }


def _updates_pending(cursor: Any) -> Values:
    percent = _sampled_percent(cursor, "account_update_due")
    cursor.execute(_COUNT_UPDATES, [percent])
    return {"account_updates_pending": round(cursor.fetchone()[0] * 100.0 / percent)}


def _prepared_transfers(cursor: Any, now: Moment) -> Values:
    percent = _sampled_percent(cursor, "prepared_transfer")
    # From the oldest to the youngest, as width_bucket wants them: below the first is the oldest age.
    bounds = [now - int(days * 86400) * MICROSECONDS for _, days in reversed(AGES_DAYS[1:])]
    cursor.execute(_COUNT_PREPARED, [bounds, percent])
    counts = Counter(dict(cursor.fetchall()))
    ages = [age for age, _ in reversed(AGES_DAYS)]
    numbers = {age: round(counts[place] * 100.0 / percent) for place, age in enumerate(ages)}
    return {"prepared_transfers": sum(numbers.values()), "prepared_transfers_by_age": numbers}


def _waiting_requests(cursor: Any, now: Moment) -> Values:
    percent = _sampled_percent(cursor, "waiting_request")
    cursor.execute(_COUNT_WAITING, [percent])
    number = round(cursor.fetchone()[0] * 100.0 / percent)
    cursor.execute(_OLDEST_WAITING)
    since = cursor.fetchone()[0]
    return {
        "waiting_requests": number,
        "waiting_requests_oldest_seconds": 0.0 if since is None else _age(since, now),
    }


def _credits(cursor: Any, now: Moment, part: Part) -> Values:
    """See rules.md#the-books-of-a-node: what can be said there can be said here."""
    until = late_before(now)
    record = load_shard_record(cursor)
    if not part.realm.bits or part.is_settling or record is None or record.realm_since > until:
        return {}
    cursor.execute(_CREDITS_BALANCE, [until, CREDITS_MODULUS])
    return {"credits_balance": {part.realm.binding_key: int(cursor.fetchone()[0]) % CREDITS_MODULUS}}


def _dead_letters(cursor: Any) -> Values:
    cursor.execute(_DEAD_LETTERS, [MOST_ROWS])
    return {"dead_letters_open": dict.fromkeys(metrics.DEAD_LETTER_REASONS, 0) | dict(cursor.fetchall())}


def _chores(cursor: Any, now: Moment) -> Values:
    cursor.execute(_CHORES)
    rows = cursor.fetchall()
    cursor.execute(_OLDEST_PROPAGATION)
    requested_at = cursor.fetchone()[0]
    finished = {name: _age(at, now) for name, _, _, at, _ in rows if at is not None}
    return {
        "chore_lag_seconds": {
            name: lag_seconds(started_at, period_seconds, now)
            for name, period_seconds, started_at, _, _ in rows
            if started_at is not None
        },
        "chore_finished_seconds": finished,
        "chore_duration_seconds": {name: seconds for name, *_, seconds in rows if name in finished},
        "settings_propagation_seconds": 0.0 if requested_at is None else _age(requested_at, now),
    }


def _debtors(cursor: Any, now: Moment, *, is_only_shard: bool) -> Values:
    cursor.execute(_ALL_DEBTORS)
    debtors, accounts, deleted, unbalanced, summarized_at = cursor.fetchone()
    values: Values = {"debtors": debtors, "accounts": accounts, "accounts_deleted": deleted}
    if summarized_at is not None:
        values["debtor_summaries_seconds"] = _age(summarized_at, now)
    if is_only_shard:
        values["debtors_unbalanced"] = unbalanced
    return values


def _top_debtors(cursor: Any) -> Values:
    cursor.execute(_TOP_DEBTORS, [TOP_DEBTORS])
    rows = cursor.fetchall()
    return {
        "debtor_accounts": {debtor_id: accounts for debtor_id, accounts, _, _ in rows},
        "debtor_issued": {debtor_id: issued for debtor_id, _, issued, _ in rows},
        "debtor_principals": {debtor_id: principals for debtor_id, _, _, principals in rows},
    }


def _clock_difference(cursor: Any, now: Callable[[], Moment]) -> Values:
    before = now()
    cursor.execute(_CLOCK)
    here = (before + now()) / 2 / MICROSECONDS
    return {"clock_difference_seconds": here - float(cursor.fetchone()[0])}


def _oldest_transaction(cursor: Any) -> Values:
    seconds, transactions = oldest_transaction(cursor)
    return {"oldest_transaction_seconds": seconds, "oldest_transaction_age": transactions}


def _seal(cursor: Any) -> Values:
    cursor.execute(_SEAL)
    return {"journal_seal": dict(cursor.fetchall())}


def _age(moment: Moment, now: Moment) -> float:
    return max(0, now - moment) / MICROSECONDS


def _sampled_percent(cursor: Any, table: str) -> float:
    cursor.execute(_PAGES, [table])
    pages: int = cursor.fetchone()[0]
    return min(100.0, 100.0 * SAMPLE_PAGES / pages)
