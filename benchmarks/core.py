"""The pure core and the codecs alone: what one process could do without disk, database and network.

This looks into the server: it calls the functions that a worker calls, on the messages that a worker gets.
"""

import gc
from collections.abc import Callable, Sequence
from statistics import median
from time import monotonic, thread_time
from typing import Final

import msgspec
import pika
import pika.frame
import pika.spec

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.amqp.frames import FrameReader
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.events import Envelope, Event, PreparedTransfer, envelop
from swpt_accounts.roles.admission import make_admission
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.currency import Currency
from swpt_accounts.rules.deciding import decide
from swpt_accounts.rules.facts import Facts
from swpt_accounts.rules.policy import Policy
from swpt_accounts.storage.outbox.rows import pack_bodies
from swpt_accounts.wire.messages import ConfigureAccount, FinalizeTransfer, Message, PrepareTransfer
from swpt_accounts.wire.moments import T_FAR, render_timestamp
from swpt_accounts.wire.routing import Realm

from . import shapes
from .load import FIRST_CREDITOR

_DEBTOR: Final = 1 << 32
_NOW: Final = 1_800_000_000_000_000
_TRANSFERS: Final = 250
"""In one go: as many as a batch of 500 messages holds."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each fits into one second of one core."""

    transfers_decided: float
    transfers_decided_with_interest: float
    events_encoded: float
    """Events into bodies and addresses."""

    events_compressed: float
    """Bodies into the payload of an outbox row."""

    messages_framed: float
    """Addressed events into the frames of basic.publish."""

    deliveries_cut: float
    """Bytes from the broker into deliveries."""

    deliveries_decoded: float
    """Deliveries into checked messages."""


def run(seconds: float = 1.0) -> Rates:
    """Measure each step for so many seconds."""
    prepares, finalizes, events = _traffic()
    envelopes = [envelop(event) for event in events]
    bodies = [envelope.body for envelope in envelopes]
    stream = _stream(prepares) + _stream(finalizes)
    deliveries = [one for one in FrameReader().feed(stream) if isinstance(one, Delivery)]
    admit = make_admission(Realm.parse("#"), "")
    transfers, each_event = len(prepares), len(events)
    return Rates(
        transfers_decided=transfers_decided(seconds),
        transfers_decided_with_interest=transfers * _per_second(seconds, _decider(5.0)),
        events_encoded=each_event * _per_second(seconds, lambda: [envelop(event) for event in events]),
        events_compressed=each_event * _per_second(seconds, lambda: pack_bodies(bodies)),
        messages_framed=each_event * _per_second(seconds, lambda: _frame(envelopes)),
        deliveries_cut=len(deliveries) * _per_second(seconds, lambda: FrameReader().feed(stream)),
        deliveries_decoded=len(deliveries) * _per_second(seconds, lambda: [admit(d) for d in deliveries]),
    )


def transfers_decided(seconds: float) -> float:
    """How many are decided in a second."""
    return _TRANSFERS * _per_second(seconds, _decider(0.0))


def _per_second(seconds: float, step: Callable[[], object]) -> float:
    """How often a step can be done in a second of CPU; the median, because neighbours disturb."""
    step()
    gc.collect()
    durations: list[float] = []
    until = monotonic() + seconds
    while not durations or monotonic() < until:
        started = thread_time()
        step()
        durations.append(thread_time() - started)
    return round(1 / median(durations), 3)


def _decider(interest_rate: float) -> Callable[[], object]:
    """A step that decides a batch: finalizations of transfers that wait, and as many new ones."""
    accounts = dict(_opened(interest_rate).accounts)
    first = Book(Facts(now=_NOW, policy=Policy(), accounts=dict(accounts)))
    prepares, _, _ = _traffic()
    for prepare in prepares:
        decide(first, prepare)
    finalizes = [_finalize(event) for event in first.events if isinstance(event, PreparedTransfer)]
    locked, prepared = first.accounts, first.prepared
    again = [msgspec.structs.replace(one, coordinator_request_id=-1 - n) for n, one in enumerate(prepares)]

    messages: list[Message] = [*finalizes, *again]

    def step() -> object:
        facts = Facts(now=_NOW + 1, policy=Policy(), accounts=dict(locked), prepared=dict(prepared))
        book = Book(facts)
        for one in messages:
            decide(book, one)
        assert len(book.entries) == _TRANSFERS
        return book

    return step


def _opened(interest_rate: float) -> Book:
    """A currency with accounts that have money."""
    book = Book(Facts(now=_NOW - 86_400_000_000, policy=Policy(), currencies={_DEBTOR: Currency()}))
    for creditor_id in (0, *_ids()):
        decide(book, ConfigureAccount(_DEBTOR, creditor_id, 0.0, 0, "", _NOW - 86_400_000_000, 1))
    for key, account in list(book.accounts.items()):
        if key[1]:
            book.accounts[key] = msgspec.structs.replace(
                account, principal=1_000_000, interest_rate=interest_rate, last_change_ts=_NOW - 1_000_000
            )
    return book


def _ids() -> list[int]:
    return [FIRST_CREDITOR + number for number in range(2 * _TRANSFERS)]


def _traffic() -> tuple[list[PrepareTransfer], list[FinalizeTransfer], list[Event]]:
    """The messages of a batch of transfers, and the events that answer them."""
    ids = _ids()
    prepares = [
        PrepareTransfer(
            _DEBTOR, sender, "direct", sender, number, 1, 1, str(recipient), T_FAR, 2147483647, _NOW
        )
        for number, (sender, recipient) in enumerate(zip(ids[::2], ids[1::2], strict=True))
    ]
    facts = Facts(now=_NOW, policy=Policy(), accounts=dict(_opened(0.0).accounts))
    book = Book(facts)
    for prepare in prepares:
        decide(book, prepare)
    finalizes = [_finalize(event) for event in book.events if isinstance(event, PreparedTransfer)]
    for finalize in finalizes:
        decide(book, finalize)
    return prepares, finalizes, book.events


def _finalize(event: PreparedTransfer) -> FinalizeTransfer:
    return FinalizeTransfer(
        event.debtor_id,
        event.creditor_id,
        event.transfer_id,
        event.coordinator_type,
        event.coordinator_id,
        event.coordinator_request_id,
        event.locked_amount,
        str(event.coordinator_request_id),
        "",
        _NOW,
    )


def _frame(envelopes: list[Envelope]) -> bytes:
    frames: list[bytes] = []
    encoder = EnvelopeEncoder()
    for envelope in envelopes:
        encoder.frames(envelope, frames)
    return b"".join(frames)


def _stream(messages: Sequence[PrepareTransfer | FinalizeTransfer]) -> bytes:
    """Messages as a broker delivers them."""
    frames = []
    for tag, one in enumerate(messages):
        body, key = _body(one), shapes.account_key(one.debtor_id, one.creditor_id)
        headers = {
            "message-type": type(one).__name__,
            "debtor-id": one.debtor_id,
            "creditor-id": one.creditor_id,
            "coordinator-id": one.coordinator_id,
            "coordinator-type": one.coordinator_type,
        }
        properties = pika.BasicProperties(
            content_type="application/json", headers=headers, delivery_mode=2, type=type(one).__name__
        )
        deliver = pika.spec.Basic.Deliver("ctag1", tag + 1, False, shapes.ACCOUNTS_IN, key)
        frames += [
            pika.frame.Method(1, deliver).marshal(),
            pika.frame.Header(1, len(body), properties).marshal(),
            pika.frame.Body(1, body).marshal(),
        ]
    return b"".join(frames)


def _body(one: PrepareTransfer | FinalizeTransfer) -> bytes:
    fields = msgspec.to_builtins(one)
    for name in ("ts", "final_interest_rate_ts"):
        if name in fields:
            fields[name] = render_timestamp(fields[name])
    return shapes.encode(fields)
