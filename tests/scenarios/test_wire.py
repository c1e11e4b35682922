"""Stories of the wire: keys, properties and headers of messages in both directions.

That every single message of all stories has the right form is checked on arrival (see `form`).
"""

import re

import pytest

from . import form
from .agent import account_key, json_of
from .currency import ALICE, BOB, CAROL, ROOT

KEY_OF_2_1 = "1.1.1.1.1.0.0.0.1.1.0.1.0.0.1.1.1.0.1.1.0.1.0.1"


def other(coordinator_id):
    """A coordinator of whom no agent knows."""
    return {"coordinator_type": "other", "coordinator_id": coordinator_id}


def test_every_message_goes_where_it_belongs(currency):
    """Types, exchanges and ways of all that a transfer can cause (behaviour 63)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    currency.configure(ALICE, config_data="x")
    currency.configure(ROOT, config_data="x")
    for sender_id, coordinator in (
        (ALICE, {}),
        (ALICE, {"coordinator_type": "agent"}),
        (ROOT, {}),
        (ALICE, other(-9)),
    ):
        currency.rejected(sender_id, "nobody", **coordinator)
        currency.commit(currency.prepared(sender_id, BOB, 5, **coordinator), 5)
    currency.take("AccountUpdate", creditor_id=ROOT, principal=-105)
    updates = {
        currency.take("AccountUpdate", creditor_id=creditor_id).exchange for creditor_id in (ALICE, BOB)
    }
    assert updates == {"to_creditors"}
    ways = {(event.type, event.exchange, event.creditor_id) for event in currency.inbox}
    assert ways == {
        ("RejectedConfig", "to_creditors", ALICE),
        ("RejectedConfig", "to_debtors", ROOT),
        ("AccountTransfer", "to_creditors", ALICE),
        ("AccountTransfer", "to_creditors", BOB),
    }
    answers = ("RejectedTransfer", "PreparedTransfer", "FinalizedTransfer")
    expected = {
        (answer, observed_at, coordinator_type)
        for answer in answers
        for observed_at, coordinator_type in (
            ("to_creditors", "direct"),
            ("to_creditors", "agent"),
            ("to_debtors", "issuing"),
        )
    }
    copies = {(event.type, event.observed_at, event.coordinator_type) for event in currency.copies}
    assert copies == expected
    assert {event.exchange for event in currency.copies} == {"to_coordinators"}


def test_the_example_of_a_header_table(currency):
    """71 bytes for the AccountUpdate of debtor -1 and creditor 4294967297 (behaviour 63)."""
    currency.debtor_id = -1
    update = currency.open(4294967297)
    raw = update.properties.raw
    table = raw[raw.index(b"\x00\x00\x00\x43") :][:71]
    for entry in (
        b"\x0cmessage-typeS\x00\x00\x00\x0dAccountUpdate",
        b"\x09debtor-idI\xff\xff\xff\xff",
        b"\x0bcreditor-idl\x00\x00\x00\x01\x00\x00\x00\x01",
    ):
        assert entry in table
    assert update.routing_key == "00.00.00.01.00.00.00.01"
    properties = update.properties
    assert (properties.app_id, properties.delivery_mode) == ("swpt_accounts", 2)


def test_the_exact_key_of_an_account(currency):
    """What is sent with the key of (2, 1) reaches a queue that is bound to this very key (behaviour 63)."""
    assert account_key(2, 1) == KEY_OF_2_1
    assert account_key(123, 456) == "0.0.0.0.1.0.0.0.0.1.0.0.0.1.0.0.0.0.1.1.0.1.0.0"
    channel = currency.agent.channel
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "accounts_in", KEY_OF_2_1)
    currency.debtor_id = 2
    currency.open(1)
    assert channel.basic_get(queue, auto_ack=True)[0].routing_key == KEY_OF_2_1
    channel.queue_delete(queue)


def test_the_type_may_be_missing(currency):
    """Without the type property the type in the body decides (behaviour 84)."""
    currency.open_root()
    for message in (
        currency.configuration(ALICE),
        {**currency.configuration(ALICE), "seqnum": 1},
    ):
        currency.agent.publish(json_of(message))
        currency.take("AccountUpdate", creditor_id=ALICE, last_config_seqnum=message["seqnum"])
    prepared = currency.prepared(ROOT, ALICE, 5)
    currency.agent.publish(json_of(currency.finalization(prepared, 5)))
    assert currency.finalized(prepared).status_code == "OK"


@pytest.mark.parametrize("routing_key", ["", "#", "0", "of somebody else", "x" * 255])
def test_keys_and_headers_of_messages_to_the_server_do_not_matter(currency, routing_key):
    """The body alone says what is meant (behaviour 113)."""
    headers = {
        "debtor-id": "wrong",
        "creditor-id": 5,
        "message-type": "FinalizeTransfer",
        "x": [None, True, {}],
    }
    currency.agent.publish(
        json_of(currency.configuration(ALICE)),
        routing_key=routing_key,
        type="ConfigureAccount",
        headers=headers,
        delivery_mode=1,
        priority=9,
        app_id="x",
        message_id="y",
        timestamp=2**64 - 1,
        reply_to="z",
        content_encoding="w",
    )
    currency.take("AccountUpdate", creditor_id=ALICE)


def test_numbers_are_written_so_that_their_type_shows(currency):
    """Every float has a point or an exponent, and every integer has neither (behaviour 112)."""
    currency.open_root({"rate": 7}, negligible_amount=2**62)
    update = currency.open(ALICE, negligible_amount=1e22)
    currency.issue(ALICE, 10**18)
    currency.rejected(ALICE, "nobody")
    currency.configure(ALICE, negligible_amount=100000000000000000000, config_data="x")
    rejected = currency.take("RejectedConfig")
    assert re.search(rb'"negligible_amount":1e\+?22,', update.body)
    assert re.search(rb'"negligible_amount":1(00000000000000000000\.0|e\+?20),', rejected.body)
    assert b'"interest_rate":7.0,' in update.body
    for event in (update, rejected, *currency.inbox):
        form.check_body(event.body, event.type)
        for name, value in event.fields.items():
            written = re.search(rf'"{name}":(-?[0-9][^,}}]*)'.encode(), event.body)
            assert (written is not None) == (not isinstance(value, str))
            assert written is None or isinstance(value, float) == bool(re.search(rb"[.eE]", written[1]))


def test_an_unroutable_answer_holds_up_nobody(currency):
    """Others are served while nobody takes it, and it comes when somebody does (behaviour 94)."""
    agent = currency.agent
    currency.open_root()
    currency.open(ALICE)
    agent.unbind_coordinators()
    try:
        request = currency.request(ROOT, ALICE, 5, **other(7))
        currency.open(CAROL)
        direct = currency.request(ALICE, ROOT)["coordinator_request_id"]

        def copy_is_here():
            return [event for event in currency.copies if event.coordinator_request_id == direct] or None

        agent.wait(copy_is_here, lambda: "the answer to a request behind it")
        currency.configure(ALICE, seqnum=9)
        currency.take("AccountUpdate", last_config_seqnum=9)
    finally:
        agent.bind(agent.coordinators_queue, "to_coordinators")
    prepared = currency.answer(request, "PreparedTransfer")
    currency.commit(prepared, 5)
    assert currency.take("AccountTransfer").has(coordinator_type="other", principal=5)


def test_transfers_within_a_shard_stay_inside(currency):
    """Nothing but the clients' messages is published to `accounts_in` (behaviour 95)."""
    channel = currency.agent.channel
    queue = channel.queue_declare("", exclusive=True).method.queue
    currency.rich(ALICE, 100)
    currency.open(BOB)
    channel.queue_bind(queue, "accounts_in", "#")
    currency.pay(ALICE, BOB, 60)
    currency.pay(BOB, ROOT, 10)
    currency.commit(currency.prepared(ALICE, BOB, 5, coordinator_type="agent"), 5)
    currency.agent.fence()
    bodies = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        bodies.append(got[1].type)
    assert sorted(set(bodies)) == ["ConfigureAccount", "FinalizeTransfer", "PrepareTransfer"]
    assert len(bodies) == 3 * 2 + 3
    channel.queue_delete(queue)
