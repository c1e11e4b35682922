"""What needs the attention of somebody, from numbers: a ladder of notices, the worst first."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec
from prometheus_client import Metric

from swpt_accounts.operators.admin.probes import Check
from swpt_accounts.operators.operations.dead_letters import ONLY_BY_CREDITS

from .display import lasting

Numbers: TypeAlias = Mapping[str, Mapping[str, float]]
"""Gauges by name, each by the value of its label, which is empty if it has none."""

_MOST_CLOCK_SECONDS: Final = 1.0
_LONG_WAIT_SECONDS: Final = 300.0
_LONG_TRANSACTION_SECONDS: Final = 120.0
_OLD_SUMMARIES_SECONDS: Final = 2 * 86400.0


class Notice(msgspec.Struct, frozen=True):
    """Something to look at; `is_urgent` if money or service is in danger.  `page` names an endpoint."""

    is_urgent: bool
    text: str
    page: str
    arguments: Mapping[str, str] = {}


def numbers_of(metrics: Iterable[Metric]) -> Numbers:
    """The gauges of the database, to be looked up."""
    return {
        metric.name: {"".join(sample.labels.values()): sample.value for sample in metric.samples}
        for metric in metrics
    }


def notices(
    checks: Mapping[str, Check], numbers: Numbers, *, has_overdue: bool, given_up: int = 0
) -> list[Notice]:
    """All that needs attention; `given_up` messages are in the queue `.XQ`."""
    found = [
        *_given_up(given_up),
        *_failing(checks),
        *_money(numbers),
        *_waiting(numbers, has_overdue=has_overdue),
        *_late(numbers),
    ]
    return sorted(found, key=lambda notice: not notice.is_urgent)


def _failing(checks: Mapping[str, Check]) -> Iterable[Notice]:
    for name, check in checks.items():
        if not check.is_well:
            yield Notice(True, f"The {name} is not well: {check.detail}.", "console.outbox")


def _given_up(messages: int) -> Iterable[Notice]:
    if messages:
        sentence = (
            f"{_shown(messages, 'message was', 'messages were')} given up by the broker and not answered."
        )
        yield Notice(True, sentence, "console.outbox")


def _money(numbers: Numbers) -> Iterable[Notice]:
    if unbalanced := _one(numbers, "debtors_unbalanced"):
        sentence = f"{_shown(unbalanced, 'debtor does', 'debtors do')} not add up to 0."
        yield Notice(True, sentence, "console.debtors")
    if _one(numbers, "debtor_summaries_seconds") > _OLD_SUMMARIES_SECONDS:
        age = lasting(_one(numbers, "debtor_summaries_seconds"))
        yield Notice(False, f"The oldest count of a debtor is from {age} ago.", "console.chores")
    letters = numbers.get("dead_letters_open", {})
    if stuck := sum(letters.get(reason, 0.0) for reason in ONLY_BY_CREDITS):
        sentence = f"{_shown(stuck, 'credit', 'credits')} in transit could not be applied."
        yield Notice(True, sentence, "console.dead_letters")


def _waiting(numbers: Numbers, *, has_overdue: bool) -> Iterable[Notice]:
    if (waits := _one(numbers, "waiting_requests_oldest_seconds")) > _LONG_WAIT_SECONDS:
        number = _shown(_one(numbers, "waiting_requests"), "request waits", "requests wait")
        sentence = f"{number} for the answer of another shard, the oldest for {lasting(waits)}."
        yield Notice(True, sentence, "console.waiting_requests")
    if letters := sum(numbers.get("dead_letters_open", {}).values()):
        sentence = f"{_shown(letters, 'dead letter is', 'dead letters are')} open."
        yield Notice(False, sentence, "console.dead_letters")
    if refused := sum(numbers.get("outbox_refused_rows", {}).values()):
        sentence = f"{_shown(refused, 'message', 'messages')} could not be published yet."
        yield Notice(False, sentence, "console.outbox")
    if parked := _one(numbers, "outbox_parked_rows"):
        sentence = f"{_shown(parked, 'row of the outbox is', 'rows of the outbox are')} parked."
        yield Notice(False, sentence, "console.outbox")
    if has_overdue:
        sentence = "There are prepared transfers whose deadline is over."
        yield Notice(False, sentence, "console.prepared", {"overdue": "yes"})


def _late(numbers: Numbers) -> Iterable[Notice]:
    for name, lag in numbers.get("chore_lag_seconds", {}).items():
        if lag:
            yield Notice(False, f"The chore “{name}” is late by {lasting(lag)}.", "console.chores")
    difference = _one(numbers, "clock_difference_seconds")
    if abs(difference) > _MOST_CLOCK_SECONDS:
        shown = f"The clocks of this host and of the database differ by {lasting(abs(difference))}."
        yield Notice(True, shown, "console.overview")
    if (open_for := _one(numbers, "oldest_transaction_seconds")) > _LONG_TRANSACTION_SECONDS:
        shown = f"Somebody has kept a transaction of the database open for {lasting(open_for)}."
        yield Notice(False, shown, "console.overview")
    if failed := _one(numbers, "gauges_failed"):
        shown = f"{_shown(failed, 'question', 'questions')} to the database took too long for this page."
        yield Notice(False, shown, "console.overview")


def _one(numbers: Numbers, name: str) -> float:
    return numbers.get(name, {}).get("", 0.0)


def _shown(number: float, one: str, many: str) -> str:
    return f"{number:,.0f} {one if number == 1 else many}"
