"""One transaction for each verb: gather under locks, decide in the pure core, store state and outbox.

See rules.md#steps.  Errors come out as they are; `faults` says whose they are.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Any, Final

import msgspec

from swpt_accounts.broker.batch import Delivered
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.rules.book import Alarm, Book
from swpt_accounts.rules.deciding import answer_waiting, decide
from swpt_accounts.rules.facts import RequestKey
from swpt_accounts.runtime import metrics
from swpt_accounts.storage.outbox.rows import Stored
from swpt_accounts.transactions import attempts
from swpt_accounts.transactions.account_memory import AccountMemory
from swpt_accounts.transactions.books import close_book, open_book
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.transactions.gathering import gather
from swpt_accounts.transactions.new_dead_letters import (
    NewDeadLetter,
    of_failing,
    of_malformed,
    of_refused_credits,
    store_dead_letters,
)
from swpt_accounts.transactions.refusals import store_refusals
from swpt_accounts.transactions.waiting import take_waiting
from swpt_accounts.wire.messages import ConfigureAccount, Malformed, Message, PrepareTransfer
from swpt_accounts.wire.moments import Moment, seconds
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

_FAR_AHEAD: Final = seconds(7200)

_NOTHING: Final[Mapping[RequestKey, bool]] = {}
_NO_ROOM: Final = Alarm("too many open dead letters: the newest are kept without their bodies")


# A rehearsal takes the time of whoever waits for the gate.
_REHEARSAL_LIMITS: Final = "SET LOCAL lock_timeout = 2000; SET LOCAL statement_timeout = 8000"


class _RehearsedError(Exception):
    """All went well, so that it can be undone."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What a committed batch has done: what to publish, and what to count and to log."""

    stored: Stored | None
    consumed: Counter[str]
    ignored: Counter[tuple[str, str]]
    rejections: Counter[str]
    dead_letters: list[NewDeadLetter]
    alarms: list[Alarm]
    overflows: int
    future_configs: int
    waiting: list[PrepareTransfer]
    """Requests that now wait for another shard."""


def apply_batch(
    connection: Any,
    items: Sequence[Delivered],
    context: TransactionContext,
    answers: Mapping[RequestKey, bool] = _NOTHING,
) -> Applied:
    """Apply a batch of deliveries in one transaction (rule S1), and put the malformed ones aside.

    With `answers` it also goes on with requests that have waited, as `apply_answers` does.
    Twice is harmless: every ladder recognizes a message that it has applied (rule S9).
    """
    with connection, connection.cursor() as cursor:
        applied = _apply(cursor, items, context, answers)
        applied_at = perf_counter()
    metrics.COMMIT_SECONDS.observe(perf_counter() - applied_at)
    if applied.stored is not None:
        context.memory.keep(applied.stored.version, applied.stored.accounts)
    return applied


def rehearse_batch(connection: Any, items: Sequence[Delivered], context: TransactionContext) -> None:
    """Do with a batch all that `apply_batch` does, and then undo it; raises what that would raise.

    It waits for others for some seconds only, since a batch that waits longer is not wanted.
    """
    context = msgspec.structs.replace(context, infos=DebtorInfos(), memory=AccountMemory())
    with suppress(_RehearsedError), connection, connection.cursor() as cursor:
        cursor.execute(_REHEARSAL_LIMITS)
        _apply(cursor, items, context)
        raise _RehearsedError


def apply_alone(connection: Any, item: Delivered, context: TransactionContext) -> Applied:
    """Apply one delivery that may break its batch, and forget the attempts that it has cost."""
    with connection, connection.cursor() as cursor:
        applied = _apply(cursor, [item], context)
        attempts.forget(cursor, item.delivery.digest)
        return applied


def apply_answers(
    connection: Any, answers: Mapping[RequestKey, bool], context: TransactionContext
) -> Applied:
    """Go on with requests that have waited for another shard, by whether it says yes, in one transaction.

    A request that does not wait any more was answered before, and is left out.
    """
    senders = {key[:2] for key in answers}
    issuers = {debtor_id for debtor_id, creditor_id in senders if creditor_id == ROOT_CREDITOR_ID}
    with connection, connection.cursor() as cursor:
        book = open_book(cursor, context, senders, debtor_ids=issuers)
        for key, request in take_waiting(cursor, answers).items():
            answer_waiting(book, request, is_reachable=answers[key])
        outcome = close_book(cursor, context, book)
        store_refusals(cursor, book.refusals, book.now)
    return Applied(
        stored=outcome.stored,
        consumed=Counter(),
        ignored=Counter(),
        rejections=Counter(refusal.code for refusal in book.refusals),
        dead_letters=[],
        alarms=outcome.alarms,
        overflows=outcome.overflows,
        future_configs=0,
        waiting=[],
    )


def record_attempt(connection: Any, delivery: Delivery, context: TransactionContext) -> int:
    """Count a lone try before it is made, so that a crash counts as well; returns the count."""
    with connection, connection.cursor() as cursor:
        return attempts.count_attempt(cursor, delivery.digest, context.clock())


def forget_attempts(connection: Any, delivery: Delivery) -> None:
    """Absolve a delivery: the fault was ours."""
    with connection, connection.cursor() as cursor:
        attempts.forget(cursor, delivery.digest)


def put_aside(connection: Any, delivery: Delivery, detail: str, context: TransactionContext) -> Applied:
    """Make a delivery that fails again and again a dead letter (rules.md#failures)."""
    letter = of_failing(delivery, detail)
    with connection, connection.cursor() as cursor:
        is_room = store_dead_letters(
            cursor, [letter], context.queue, context.dead_letter_max_open, context.clock()
        )
        attempts.forget(cursor, delivery.digest)
    return Applied(
        stored=None,
        consumed=Counter(),
        ignored=Counter(),
        rejections=Counter(),
        dead_letters=[letter],
        alarms=[] if is_room else [_NO_ROOM],
        overflows=0,
        future_configs=0,
        waiting=[],
    )


def _apply(
    cursor: Any,
    items: Sequence[Delivered],
    context: TransactionContext,
    answers: Mapping[RequestKey, bool] = _NOTHING,
) -> Applied:
    messages: list[Message] = []
    for _, message in items:
        if isinstance(message, Malformed):
            continue
        if isinstance(message, Exception):
            raise message
        messages.append(message)
    facts = gather(cursor, messages, context, answers)
    book = Book(facts)
    for key, request in facts.answered.items():
        answer_waiting(book, request, is_reachable=answers[key])
    for message in messages:
        decide(book, message)
    dead_letters = [*of_malformed(items), *of_refused_credits(items, book.refused_credits)]
    consumed = Counter(type(message).__name__ for message in messages)
    outcome = close_book(cursor, context, book)
    store_refusals(cursor, book.refusals, book.now)
    is_room = store_dead_letters(cursor, dead_letters, context.queue, context.dead_letter_max_open, book.now)
    return Applied(
        stored=outcome.stored,
        consumed=consumed,
        ignored=Counter(book.ignored),
        rejections=Counter(refusal.code for refusal in book.refusals),
        dead_letters=dead_letters,
        alarms=outcome.alarms if is_room else [*outcome.alarms, _NO_ROOM],
        overflows=outcome.overflows,
        future_configs=_future_configs(messages, book.now) if consumed[ConfigureAccount.__name__] else 0,
        waiting=list(book.new_waiting.values()),
    )


def _future_configs(messages: Sequence[Message], now: Moment) -> int:
    return sum(isinstance(m, ConfigureAccount) and m.ts > now + _FAR_AHEAD for m in messages)
