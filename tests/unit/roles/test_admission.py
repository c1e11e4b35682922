"""Which deliveries become messages of this shard (rules.md#checks-of-a-message)."""

import pytest

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.roles.admission import make_admission
from swpt_accounts.wire.messages import Malformed, Message
from swpt_accounts.wire.peers import IdRange, Ids, Peer, Peers
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import configure, credit, finalize, prepared, request
from tests.backstage.wire import body_of, delivered

HAS_CONTENT_TYPE, HAS_USER_ID = 1 << 15, 1 << 4
JSON = b"\x10application/json"


def delivery(message: Message, user: bytes = b"") -> Delivery:
    """A message as the broker delivers it, sent by this user if he has said who he is."""
    flags = HAS_CONTENT_TYPE | (HAS_USER_ID if user else 0)
    properties = flags.to_bytes(2, "big") + JSON + (bytes([len(user)]) + user if user else b"")
    return delivered(message, properties=properties, body=body_of(message)).delivery


def outcome(admitted: Message | Malformed) -> str:
    """The reason why not, or nothing."""
    return admitted.reason if isinstance(admitted, Malformed) else ""


@pytest.mark.parametrize(
    ("account", "whole", "first_half", "second_half", "small"),
    [
        ((123, 456), True, True, False, False),
        ((-1, 0), True, False, True, True),
        ((2, 1), True, False, True, True),
        ((-1, 4294967297), True, True, False, False),
    ],
)
def test_messages_of_foreign_accounts_become_dead_letters(account, whole, first_half, second_half, small):
    """A shard takes the accounts of the table that are its own, and no others (behaviour 61)."""
    debtor_id, creditor_id = account
    taken = {"#": whole, "0.#": first_half, "1.#": second_half, "1.1.1.1.1.0.0.0.#": small}
    for binding_key, is_own in taken.items():
        admit = make_admission(Realm.parse(binding_key), "")
        message = configure(creditor_id, debtor_id=debtor_id)
        assert outcome(admit(delivery(message))) == ("" if is_own else "wrong_shard")


@pytest.mark.parametrize(
    "message",
    [
        request(456, debtor_id=123, coordinator_id=456),
        finalize(prepared(456, debtor_id=123, coordinator_id=456), 1),
        credit(456, debtor_id=123, other_creditor_id=457),
    ],
    ids=lambda message: type(message).__name__,
)
def test_the_account_decides_and_not_the_other_party(message):
    """Every type of message belongs to the shard of its account (C0, P0, F0, B0, behaviour 61)."""
    sent = delivery(message, b"swpt")
    assert make_admission(Realm.parse("0.#"), "swpt")(sent) == message
    assert outcome(make_admission(Realm.parse("1.#"), "swpt")(sent)) == "wrong_shard"


@pytest.mark.parametrize("realm", ["#", "0.#"])
@pytest.mark.parametrize(
    ("internal_user", "user", "reason"),
    [
        ("", b"", "not_internal"),
        ("", b"anybody", "not_internal"),
        ("", b"guest", "not_internal"),
        ("swpt", b"swpt", ""),
        ("swpt", b"", "not_internal"),
        ("swpt", b"anybody", "not_internal"),
        ("swpt", b"swpt2", "not_internal"),
        ("swpt", b"SWPT", "not_internal"),
    ],
)
def test_credits_come_from_the_server_itself(internal_user, user, reason, realm):
    """PendingBalanceChange from anybody but the internal user is a dead letter, from all if there is none.

    Also the server that owns every account, and so expects no credits at all, takes none (rule B0).
    """
    admit = make_admission(Realm.parse(realm), internal_user)
    assert outcome(admit(delivery(credit(456, debtor_id=123, other_creditor_id=457), user))) == reason
    assert outcome(admit(delivery(configure(456, debtor_id=123), user))) == ""


def test_a_peer_is_asked_about_before_the_shard_and_never_about_credits():
    """Who may not say it is told so wherever the account is; credits are the internal user's alone."""
    peers = Peers(by_user={"a": Peer(creditors=Ids.of([IdRange.of_id(456)]))}, server_user="swpt")
    admit = make_admission(Realm.parse("0.#"), "swpt", peers)
    own, other = configure(456, debtor_id=123), configure(457, debtor_id=123)
    assert [outcome(admit(delivery(own, user))) for user in (b"a", b"b", b"", b"swpt")] == [
        "",
        "not_allowed",
        "not_allowed",
        "",
    ]
    assert outcome(admit(delivery(other, b"a"))) == "not_allowed"
    elsewhere = make_admission(Realm.parse("1.#"), "swpt", peers)
    assert outcome(elsewhere(delivery(own, b"b"))) == "not_allowed"
    assert outcome(elsewhere(delivery(own, b"a"))) == "wrong_shard"
    sent = credit(456, debtor_id=123, other_creditor_id=457)
    assert [outcome(admit(delivery(sent, user))) for user in (b"a", b"swpt")] == ["not_internal", ""]
