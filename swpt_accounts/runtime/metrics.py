"""What the processes count and time: first the fixed names of rules.md#numbers-for-monitoring, then our own.

Nothing here is done for a single message: a batch is counted once, when it is over.  The values
of labels come from the program, never from a message.  `metering` decides where the numbers are kept.
"""

from typing import Final, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from swpt_accounts import events
from swpt_accounts.wire import codes, messages
from swpt_accounts.wire.messages.malformed import Reason

REGISTRY: Final = CollectorRegistry()
"""Our numbers without those of the Python process, which say little about several processes."""

MESSAGES_CONSUMED: Final = Counter(
    "messages_consumed",
    "Messages processed, duplicates and ignored ones included.",
    ["type"],
    registry=REGISTRY,
)
MESSAGES_IGNORED: Final = Counter(
    "messages_ignored",
    "Messages ignored silently, by the rule that says so.",
    ["type", "rule"],
    registry=REGISTRY,
)
REJECTIONS: Final = Counter(
    "rejections",
    "RejectedTransfer, failed FinalizedTransfer and RejectedConfig.",
    ["code"],
    registry=REGISTRY,
)
DEAD_LETTERS: Final = Counter(
    "dead_letters", "Messages put aside as dead letters.", ["reason"], registry=REGISTRY
)
MESSAGES_PUBLISHED: Final = Counter(
    "messages_published", "Messages that the broker has confirmed.", ["type"], registry=REGISTRY
)
OUTBOX_RETURNED: Final = Counter(
    "outbox_returned", "Messages that no queue wanted.", ["type"], registry=REGISTRY
)
OUTBOX_NACKED: Final = Counter(
    "outbox_nacked", "Messages refused or not confirmed in time.", ["type"], registry=REGISTRY
)
PRINCIPAL_OVERFLOW: Final = Counter(
    "principal_overflow", "Principals that had to be contained.", registry=REGISTRY
)
DEBT_FORGIVEN: Final = Counter(
    "debt_forgiven", "Accounts deleted with a negative balance.", registry=REGISTRY
)
FUTURE_CONFIG: Final = Counter(
    "future_config", "ConfigureAccount dated more than 7200 s ahead.", registry=REGISTRY
)
FETCH_FAILURES: Final = Counter(
    "fetch_failures", "HTTP calls to other shards without an answer.", ["resource"], registry=REGISTRY
)

# -- our own -----------------------------------------------------------------------------------

BATCH_MESSAGES: Final = Histogram(
    "batch_messages",
    "Messages in a committed batch.",
    buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000),
    registry=REGISTRY,
)
BATCH_SECONDS: Final = Histogram(
    "batch_seconds",
    "From the begin of a batch to its commit, with all that had to be tried again.",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    registry=REGISTRY,
)
COMMIT_SECONDS: Final = Histogram(
    "commit_seconds",
    "The COMMIT of a batch alone: how long the disk of the database takes.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
    registry=REGISTRY,
)
CONFIRM_SECONDS: Final = Histogram(
    "confirm_seconds",
    "From handing the events of a transaction to the publisher to the last confirm of the broker.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
    registry=REGISTRY,
)
ANSWER_SECONDS: Final = Histogram(
    "answer_seconds",
    "From the arrival of the oldest message of a batch to the broker's confirm of all answers.",
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
    registry=REGISTRY,
)
RETRIES: Final = Counter(
    "retries",
    "Transactions tried again: conflict (another one was in the way), lock (another one kept a lock for"
    " seconds), outage (the database was away),"
    " isolation (a message failed alone), our_fault (so many failed that the batch was given back).",
    ["reason"],
    registry=REGISTRY,
)
STANDSTILL: Final = Gauge(
    "standstill_seconds",
    "How long work that is at hand does not get done in a process, if that is longer than 30 s: a batch,"
    " confirmed rows of the outbox, the chores, the ways from and to the broker. The longest one counts.",
    ["work"],
    registry=REGISTRY,
    multiprocess_mode="max",
)
ALARMS: Final = Counter("alarms", "Lines in the log that begin with ALARM.", registry=REGISTRY)
CHORE_FAILURES: Final = Counter(
    "chore_failures", "Steps of chores that ended with an error of our own.", ["chore"], registry=REGISTRY
)

EVENT_TYPES: Final = tuple(event.__name__ for event in get_args(events.Event))
DEAD_LETTER_REASONS: Final = (*get_args(Reason), "credit_conflict", "credit_too_old", "internal_error")

WORKS: Final = ("batch", "outbox", "chores", "consumer", "publisher", "waiting")
RETRY_REASONS: Final = ("conflict", "lock", "outage", "isolation", "our_fault")
_IGNORED: Final = (
    ("ConfigureAccount", "C1"),
    ("ConfigureAccount", "C2"),
    ("PrepareTransfer", "P1"),
    ("FinalizeTransfer", "F1"),
    ("PendingBalanceChange", "B1"),
)
_CODES: Final = (
    codes.SENDER_IS_UNREACHABLE,
    codes.RECIPIENT_IS_UNREACHABLE,
    codes.RECIPIENT_SAME_AS_SENDER,
    codes.NEWER_INTEREST_RATE,
    codes.INSUFFICIENT_AVAILABLE_AMOUNT,
    codes.TOO_MANY_TRANSFERS,
    codes.TIMEOUT,
    codes.TRANSFER_NOTE_IS_TOO_LONG,
    codes.INVALID_CONFIGURATION,
)


def begin_at_zero() -> None:
    """Show every number from the start, so that the first event of a kind is seen as a rise."""
    for name in messages.MESSAGE_TYPES:
        MESSAGES_CONSUMED.labels(name)
    for name in EVENT_TYPES:
        for counter in (MESSAGES_PUBLISHED, OUTBOX_RETURNED, OUTBOX_NACKED):
            counter.labels(name)
    for type_and_rule in _IGNORED:
        MESSAGES_IGNORED.labels(*type_and_rule)
    for code in _CODES:
        REJECTIONS.labels(code)
    for reason in DEAD_LETTER_REASONS:
        DEAD_LETTERS.labels(reason)
    for resource in ("reachable", "config"):
        FETCH_FAILURES.labels(resource)
    for work in WORKS:
        STANDSTILL.labels(work).set(0)
    for reason in RETRY_REASONS:
        RETRIES.labels(reason)
