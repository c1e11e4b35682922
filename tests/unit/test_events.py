"""Outgoing messages: their exact bodies, and where they are published."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swpt_accounts import events
from swpt_accounts.wire import messages
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.routing import Realm, binary_key, hex_key
from tests.backstage.wire_examples import EXAMPLES, INCOMING, OUTGOING, WireExample


def as_written(body: bytes) -> bytes:
    """Both texts mean the same binary64 value, and both have an exponent; ours is the shorter one."""
    return body.replace(b":1e+30,", b":1e30,")


def headers_of(envelope: events.Envelope) -> dict[str, str]:
    headers = {
        "message-type": envelope.type,
        "debtor-id": str(envelope.debtor_id),
        "creditor-id": str(envelope.creditor_id),
    }
    if envelope.coordinator_type is not None:
        headers["coordinator-id"] = str(envelope.coordinator_id)
        headers["coordinator-type"] = envelope.coordinator_type
    return headers


def test_the_examples_cover_all_message_types():
    """Every type of message is shown at least once."""
    assert {example.type for example in INCOMING} == set(messages.MESSAGE_TYPES)
    assert {example.type for example in OUTGOING} == {
        "RejectedConfig",
        "RejectedTransfer",
        "PreparedTransfer",
        "FinalizedTransfer",
        "AccountUpdate",
        "AccountPurge",
        "AccountTransfer",
        "PendingBalanceChange",
    }


@pytest.mark.parametrize("example", OUTGOING, ids=lambda example: example.title)
def test_an_outgoing_message_is_written_byte_for_byte(example: WireExample):
    """Members in order, no white space, characters unescaped, floats with a point or an exponent."""
    event = events.decode(example.body)
    assert events.encode(event) == as_written(example.body)
    assert json.loads(events.encode(event)) == json.loads(example.body)


@pytest.mark.parametrize("example", OUTGOING, ids=lambda example: example.title)
def test_an_outgoing_message_is_addressed_as_shown(example: WireExample):
    """Exchange, routing key, type and headers follow from the body."""
    envelope = events.envelop(events.decode(example.body))
    assert (envelope.exchange, envelope.routing_key) == (example.exchange, example.routing_key)
    assert envelope.type == example.type
    assert headers_of(envelope) == example.headers
    assert envelope.mandatory
    assert envelope.body == as_written(example.body)


@pytest.mark.parametrize("type_property", ["given", "missing"])
@pytest.mark.parametrize("example", INCOMING, ids=lambda example: example.title)
def test_an_incoming_message_is_read_as_shown(example: WireExample, type_property: str):
    """All members arrive, timestamps as instants; where it was published does not matter."""
    message = messages.decode(
        example.body, "application/json", example.type if type_property == "given" else None
    )
    document: dict[str, Any] = json.loads(example.body)
    assert type(message).__name__ == document.pop("type")
    for name, value in document.items():
        read = getattr(message, name)
        if isinstance(value, str) and isinstance(read, int):
            assert render_timestamp(read)[:19] == value[:19]
        else:
            assert (read, type(read)) == (value, type(value))
    assert set(document) == set(message.__struct_fields__)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)
def test_senders_publish_to_the_key_of_their_account(example: WireExample):
    """The keys of messages to the server are those of the account in the body."""
    document = json.loads(example.body)
    if example.exchange == "accounts_in":
        assert binary_key(document["debtor_id"], document["creditor_id"]) == example.routing_key


def account_update(creditor_id: int, config_flags: int) -> events.AccountUpdate:
    shown = next(example for example in OUTGOING if example.type == "AccountUpdate")
    fields = json.loads(shown.body) | {"creditor_id": creditor_id, "config_flags": config_flags}
    event = events.decode(json.dumps(fields).encode())
    assert isinstance(event, events.AccountUpdate)
    return event


@pytest.mark.parametrize(
    ("creditor_id", "config_flags", "mandatory"),
    [(0, 0, True), (0, 2, True), (0, 1, False), (0, -1, False), (1, 1, True), (-1, 0, True)],
)
def test_only_updates_of_abandoned_currencies_may_vanish(creditor_id, config_flags, mandatory):
    """An AccountUpdate of a root account that is scheduled for deletion is not mandatory; all else is."""
    assert events.envelop(account_update(creditor_id, config_flags)).mandatory is mandatory


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0.0))
def test_floats_are_written_so_that_they_come_back(value):
    """Every binary64 value survives, and is never mistaken for an integer."""
    event = events.RejectedConfig(
        debtor_id=1,
        creditor_id=1,
        config_ts="",
        config_seqnum=0,
        config_flags=0,
        negligible_amount=value,
        config_data="",
        rejection_code="",
        ts="",
    )
    text = events.encode(event).decode()
    number = text.split('"negligible_amount":')[1].split(",")[0]
    assert repr(float(number)) == repr(value)
    assert "." in number or "e" in number


@pytest.mark.parametrize(
    ("number", "key"),
    [
        (0, "00.00.00.00.00.00.00.00"),
        (2, "00.00.00.00.00.00.00.02"),
        (-1, "ff.ff.ff.ff.ff.ff.ff.ff"),
        (-2, "ff.ff.ff.ff.ff.ff.ff.fe"),
        (4294967296, "00.00.00.01.00.00.00.00"),
        (4294967297, "00.00.00.01.00.00.00.01"),
        (1311862288428302337, "12.34.ab.cd.00.00.00.01"),
        (9223372036854775807, "7f.ff.ff.ff.ff.ff.ff.ff"),
        (-9223372036854775808, "80.00.00.00.00.00.00.00"),
    ],
)
def test_hexadecimal_keys(number, key):
    """Agents are addressed by the eight bytes of their id."""
    assert hex_key(number) == key


@pytest.mark.parametrize(
    ("debtor_id", "creditor_id", "key"),
    [
        (123, 456, "0.0.0.0.1.0.0.0.0.1.0.0.0.1.0.0.0.0.1.1.0.1.0.0"),
        (-1, 1, "1.1.1.1.0.1.1.1.0.0.1.0.0.0.1.0.1.0.0.0.1.0.0.1"),
        (2, 1, "1.1.1.1.1.0.0.0.1.1.0.1.0.0.1.1.1.0.1.1.0.1.0.1"),
        (-1, 0, "1.1.1.1.1.0.0.0.0.1.0.1.1.0.0.0.1.1.0.1.0.0.1.1"),
        (-1, 4294967297, "0.1.0.0.1.1.0.1.1.0.0.1.1.1.0.0.0.0.0.1.0.0.0.0"),
        (-1, 4294967298, "0.1.1.1.1.1.1.0.0.0.1.0.0.0.0.0.1.1.0.1.1.1.0.0"),
        (1, 2, "1.1.1.1.0.0.0.0.0.0.0.1.0.1.0.0.1.1.0.0.0.1.0.0"),
        (0, 0, "0.1.0.0.1.0.1.0.1.1.1.0.0.1.1.1.0.0.0.1.0.0.1.1"),
        (
            9223372036854775807,
            -9223372036854775808,
            "1.0.0.1.0.0.1.0.1.1.0.0.1.0.0.0.0.0.1.0.0.0.1.0",
        ),
    ],
)
def test_binary_keys(debtor_id, creditor_id, key):
    """Accounts are addressed by the first 24 bits of a digest of both ids."""
    assert binary_key(debtor_id, creditor_id) == key


@pytest.mark.parametrize(
    ("account", "binding_keys"),
    [
        # the binding keys of the shards that own the account, among the four of the table
        ((123, 456), {"#", "0.#"}),
        ((-1, 0), {"#", "1.#", "1.1.1.1.1.0.0.0.#"}),
        ((2, 1), {"#", "1.#", "1.1.1.1.1.0.0.0.#"}),
        ((-1, 4294967297), {"#", "0.#"}),
    ],
)
def test_realms(account, binding_keys):
    """A shard owns the accounts whose digest starts with its bits."""
    realms = {key: Realm.parse(key) for key in ("#", "0.#", "1.#", "1.1.1.1.1.0.0.0.#")}
    assert {key for key, realm in realms.items() if realm.owns(*account)} == binding_keys


int64 = st.integers(-(2**63), 2**63 - 1)


@given(int64, int64, st.integers(0, 20))
def test_a_realm_agrees_with_the_broker(debtor_id, creditor_id, bits):
    """The shard whose binding matches an account's key owns it; its sibling does not; its parent does."""
    digits = binary_key(debtor_id, creditor_id).split(".")[:bits]
    realm = Realm.parse("".join(digit + "." for digit in digits) + "#")
    assert realm.owns(debtor_id, creditor_id)
    parent = realm.parent()
    if parent is None:
        assert bits == 0
    else:
        assert parent.owns(debtor_id, creditor_id)
        assert not realm._replace(prefix=realm.prefix ^ 1).owns(debtor_id, creditor_id)
