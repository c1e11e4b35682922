"""One batch: events become inputs and dead letters, and all of it one transaction."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from swpt_client.core import Result
from swpt_client.inputs import Due, Input, Sent
from swpt_client.limits import MAX_MESSAGE_BYTES
from swpt_client.messages import Undecodable, decode
from swpt_client.moments import Moment
from swpt_client.office import Office
from swpt_client.store.base import (
    Claim,
    DeadLetter,
    LeftRow,
    LetterKind,
    LetterState,
    OutboxRow,
    Retention,
    Transaction,
)
from swpt_client.store.drive import step_claimed
from swpt_client.store.packing import read_news
from swpt_client.transport.base import Delivery

from .landings import Landing

Item: TypeAlias = Delivery | Landing | Due | DeadLetter
"""What is processed as one piece: a message, the end of an outbox row, a date, a letter that was put back."""


class Batch(msgspec.Struct):
    """Items, sorted by what is to be done with them."""

    inputs: list[Input]
    sources: list[Item]
    """As many as inputs: where each came from."""
    letters: list[DeadLetter]
    done_rows: list[int]
    left_rows: list[LeftRow]
    returned: list[DeadLetter]


def sort(items: Sequence[Item], now: Moment) -> Batch:
    """What the items mean."""
    batch = Batch([], [], [], [], [], [])
    for item in items:
        if isinstance(item, Delivery):
            _sort_delivery(batch, item, now)
        elif isinstance(item, Landing):
            if item.left:
                batch.left_rows.append(LeftRow(item.row_id, item.left, now + item.pause))
            else:
                batch.done_rows.append(item.row_id)
            for report in item.reports(now):
                _put(batch, report, item)
        elif isinstance(item, Due):
            _put(batch, item, item)
        else:
            batch.returned.append(item)
            if item.kind is LetterKind.MESSAGE:
                _sort_delivery(batch, delivery_of(item), now)
    return batch


def _put(batch: Batch, one: Input, source: Item) -> None:
    batch.inputs.append(one)
    batch.sources.append(source)


def _sort_delivery(batch: Batch, delivery: Delivery, now: Moment) -> None:
    message = decode(delivery.body, delivery.content_type, delivery.type)
    if isinstance(message, Undecodable):
        batch.letters.append(letter_of(delivery, message.reason, message.detail, now))
    else:
        _put(batch, message, delivery)


class Done(msgspec.Struct, frozen=True):
    """What a transaction has stored."""

    result: Result
    letters: list[DeadLetter]
    row: OutboxRow | None
    """What leaves, if it was claimed as it was written."""
    has_left_rows: bool
    """Something that has not arrived is to leave again, now."""


def process(
    office: Office,
    transaction: Transaction,
    items: Sequence[Item],
    retention: Retention,
    claim: Claim | None,
) -> Done:
    """Do all that the items mean."""
    now = office.clock()
    batch = sort(items, now)
    if batch.done_rows or batch.left_rows:
        transaction.settle(batch.done_rows, batch.left_rows)
    if not batch.letters and all(isinstance(one, Sent) for one in batch.inputs):
        # Only that messages have left: forgotten, they leave once more.
        transaction.hurry()
    result, row = step_claimed(transaction, batch.inputs, office.policy, office.clock, claim)
    for index in result.foreign:
        source = batch.sources[index]
        assert isinstance(source, Delivery), "only messages can be foreign"
        batch.letters.append(
            letter_of(source, "foreign", "neither the account nor the coordinator is ours", now)
        )
    if batch.letters:
        transaction.add_letters(batch.letters, retention)
    if result.news:
        office.handlers.tell(transaction, result.news, now)
    if batch.returned:
        _return(office, transaction, batch.returned, now)
    return Done(result, batch.letters, row, any(one.retry_at <= now for one in batch.left_rows))


def _return(office: Office, transaction: Transaction, letters: Sequence[DeadLetter], now: Moment) -> None:
    """Parked news are told again; if a handler fails again, they are parked again."""
    for letter in letters:
        if office.store.close_letter(letter.id, LetterState.RETURNED, now, transaction.session):
            news = [read_news(letter.body)] if letter.kind is LetterKind.NEWS else []
            office.handlers.tell(transaction, news, now)


def letter_of(delivery: Delivery, reason: str, detail: str, now: Moment) -> DeadLetter:
    """A message that nobody can do anything with."""
    return DeadLetter(
        kind=LetterKind.MESSAGE,
        reason=reason,
        detail=detail[:200],
        body=delivery.body[:MAX_MESSAGE_BYTES],
        properties={
            "content_type": delivery.content_type,
            "type": delivery.type,
            "exchange": delivery.exchange,
            "routing_key": delivery.routing_key,
        },
        added_at=now,
    )


def delivery_of(letter: DeadLetter) -> Delivery:
    """The message of a letter, as if it had just arrived."""
    properties: dict[str, Any] = letter.properties
    return Delivery(
        body=letter.body,
        content_type=properties.get("content_type"),
        type=properties.get("type"),
        exchange=properties.get("exchange") or "",
        routing_key=properties.get("routing_key") or "",
        channel=0,
        tag=0,
        is_repeated=True,
    )
