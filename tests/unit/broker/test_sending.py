"""`actor.send()` puts SMP messages on the wire, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq
import pytest

from swpt_accounts.broker import Intake, MemorySmpBroker, MemoryTransport, NotRouted
from swpt_accounts.wire import messages
from swpt_accounts.wire.routing import binary_key

QUEUE = "swpt_accounts"
CONFIGURE: dict[str, Any] = {
    "debtor_id": -1,
    "creditor_id": 4294967297,
    "negligible_amount": 100,
    "config_flags": 0,
    "config_data": "",
    "ts": 1_795_255_200_000_000,
    "seqnum": 1,
}
CONFIGURE_JSON = (
    b'{"type":"ConfigureAccount","debtor_id":-1,"creditor_id":4294967297,"negligible_amount":100.0,'
    b'"config_flags":0,"config_data":"","ts":"2026-11-21T10:00:00+00:00","seqnum":1}'
)


@pytest.fixture
def transport() -> MemoryTransport:
    """The topology in memory."""
    transport = MemoryTransport()
    transport.declare_topology(QUEUE, "#")
    return transport


def actor(transport: MemoryTransport, name: str) -> dramatiq.Actor[..., None]:
    """An actor of that name, declared on a broker in memory."""

    def nothing(*arguments, **members) -> None:
        """Do nothing: only sending is tested."""

    broker = MemorySmpBroker(transport, Intake(lambda delivery: delivery))
    return dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=name)(nothing)


def test_keyword_arguments_become_an_smp_message(transport):
    """The actor's name is the type, the arguments are the members, the key is the account's."""
    mailbox = transport.open_mailbox("accounts_in")
    actor(transport, "configure_account").send(**CONFIGURE)
    delivery = mailbox.take()
    assert delivery is not None
    assert delivery.body == CONFIGURE_JSON
    assert delivery.routing_key == binary_key(-1, 4294967297)
    assert (delivery.type, delivery.content_type) == ("ConfigureAccount", "application/json")


@pytest.mark.parametrize(
    "ts",
    [
        1_795_255_200_000_000,
        datetime(2026, 11, 21, 10, tzinfo=UTC),
        datetime.fromisoformat("2026-11-21T12:00:00+02:00"),
        "2026-11-21T10:00:00+00:00",
    ],
)
def test_timestamps_may_be_moments_datetimes_or_texts(transport, ts):
    """All forms of one instant give the same message."""
    mailbox = transport.open_mailbox("accounts_in")
    actor(transport, "configure_account").send(**(CONFIGURE | {"ts": ts}))
    delivery = mailbox.take()
    assert delivery is not None
    assert delivery.body == CONFIGURE_JSON


def test_a_struct_or_a_mapping_is_as_good(transport):
    """The only positional argument may be the message itself."""
    mailbox = transport.open_mailbox("accounts_in")
    send = actor(transport, "configure_account").send
    send(messages.ConfigureAccount(**(CONFIGURE | {"negligible_amount": 100.0})))
    send(CONFIGURE)
    assert [delivery.body for delivery in mailbox.take_all()] == [CONFIGURE_JSON] * 2


def test_all_members_of_the_other_types_are_written(transport):
    """PrepareTransfer and FinalizeTransfer are written with every member, timestamps as texts."""
    mailbox = transport.open_mailbox("accounts_in")
    prepare = messages.PrepareTransfer(-1, 1, "direct", 1, 2, 3, 4, "5", 0, 6, 0)
    finalize = messages.FinalizeTransfer(-1, 1, 7, "direct", 1, 2, 3, "é", "", 0)
    actor(transport, "prepare_transfer").send(prepare)
    actor(transport, "finalize_transfer").send(finalize)
    prepared, finalized = (json.loads(delivery.body) for delivery in mailbox.take_all())
    assert prepared["type"] == "PrepareTransfer"
    assert prepared["final_interest_rate_ts"] == prepared["ts"] == "1970-01-01T00:00:00+00:00"
    assert set(prepared) == {"type", *messages.PrepareTransfer.__struct_fields__}
    assert finalized["transfer_note"] == "é"
    assert set(finalized) == {"type", *messages.FinalizeTransfer.__struct_fields__}


@pytest.mark.parametrize(
    "members",
    [
        {name: value for name, value in CONFIGURE.items() if name != "seqnum"},
        CONFIGURE | {"extra": 1},
        CONFIGURE | {"ts": datetime(2026, 11, 21)},  # noqa: DTZ001
        CONFIGURE | {"negligible_amount": "much"},
    ],
)
def test_what_cannot_be_a_message_is_refused(transport, members):
    """Missing and unknown members and naive times raise where they are sent."""
    with pytest.raises((TypeError, ValueError)):
        actor(transport, "configure_account").send(**members)
    assert transport.count_messages(QUEUE) == 0


def test_batches_cannot_be_sent(transport):
    """`take_batch` is fed by the consumer alone, and nothing can be delayed."""
    with pytest.raises(ValueError, match="take_batch takes no messages"):
        actor(transport, "take_batch").send(1)
    with pytest.raises(ValueError, match="no delayed messages"):
        actor(transport, "configure_account").send_with_options(kwargs=CONFIGURE, delay=timedelta(seconds=1))
    with pytest.raises(TypeError):
        actor(transport, "prepare_transfer").send(1, 2)


def test_a_message_that_nobody_takes_is_reported():
    """Without a queue behind accounts_in, sending raises."""
    transport = MemoryTransport()
    transport.declare_topology(QUEUE, "#")
    transport.unbind_queue(QUEUE, "accounts_in", "#")
    with pytest.raises(NotRouted):
        actor(transport, "configure_account").send(**CONFIGURE)
