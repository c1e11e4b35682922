"""How stories begin: a currency, an account with money, an empty one; events that nobody takes."""

from typing import Any

from psycopg2.extras import Json

from swpt_accounts.events import envelop
from swpt_accounts.storage.outbox.rows import pack_accounts, pack_bodies
from swpt_accounts.wire.messages import Malformed, Message
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    NOW,
    ROOT,
    configure,
    finalize,
    prepared,
    request,
)

from .stand import Stand
from .wire import delivered


def issue(
    recipient_id: int = ALICE, amount: int = 1000, serial: int = 1, now: Moment = NOW
) -> tuple[Message, ...]:
    """Messages that create a root account and an account, and issue money to it.

    They are sent `now`, which must be on the day on which the root account is created.
    """
    asked = request(
        ROOT,
        recipient_id,
        coordinator_type="issuing",
        coordinator_id=DEBTOR,
        coordinator_request_id=serial,
        ts=now,
    )
    # The first transfer of an account, the second, and so on (rules.md#ids-of-transfers).
    transfer = prepared(
        ROOT,
        recipient_id,
        coordinator_type="issuing",
        coordinator_id=DEBTOR,
        coordinator_request_id=serial,
        transfer_id=(now // DAY << 40) + serial,
    )
    return (
        configure(ROOT, negligible_amount=1e30, ts=now),
        configure(recipient_id, seqnum=serial, ts=now),
        asked,
        finalize(transfer, amount, ts=now),
    )


def seed(stand: Stand, amount: int = 1000) -> None:
    """Give ALICE money and BOB an account, with everything published."""
    stand.apply(*issue(ALICE, amount), configure(BOB))
    clear_outbox(stand)


def clear_outbox(stand: Stand) -> None:
    """Act as if everything had been published."""
    stand.execute("DELETE FROM outbox")


def wait_for_agent(
    stand: Stand, *creditor_ids: int, failure: str = "returned", key: int | None = None
) -> None:
    """Put the announcements of accounts into the outbox, as leftovers that the broker did not take."""
    for creditor_id in creditor_ids:
        stand.apply(configure(creditor_id, ts=stand.context.clock()))
    events = stand.events()
    stand.execute("DELETE FROM outbox")
    for event in events:
        stand.execute(
            "INSERT INTO outbox (created_at, type_counts, accounts, payload, attempts, next_attempt_at,"
            " last_failure, publisher_key) VALUES (%s, %s, %s, %s, 3, %s, %s, %s)",
            NOW,
            Json({type(event).__name__: 1}),
            pack_accounts([event]),
            pack_bodies([envelop(event).body]),
            NOW,
            failure,
            key,
        )


def put_aside(
    stand: Stand, reason: Any = "wrong_shard", body: bytes = b"{}", *, detail: str = "why", **fields: Any
) -> int:
    """Make a dead letter as a worker does; its id."""
    stand.apply(delivered(Malformed(reason, detail), body=body, **fields))
    number: int = stand.value("SELECT max(dead_letter_id) FROM dead_letter")
    return number
