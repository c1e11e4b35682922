"""Dead letters in the hands of an operator."""

import pika.spec
import psycopg2
import pytest

from swpt_accounts.broker.amqp.content_header import describe
from swpt_accounts.operators.inspection.dead_letters import list_dead_letters, show_dead_letter
from swpt_accounts.operators.operations.dead_letters import discard_dead_letters, return_dead_letters
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.outbox.rows import unpack
from swpt_accounts.wire.peers import IdRange, Ids, Peer, Peers
from swpt_accounts.wire.routing import binary_key
from tests.backstage import stories
from tests.backstage.builders import ALICE, DEBTOR, NOW, configure, credit
from tests.backstage.wire import body_of

PROPERTIES = b"".join(
    pika.spec.BasicProperties(
        content_type="application/json", type="ConfigureAccount", user_id="guest", headers={"a": 1}
    ).encode()
)


def put_aside(stand, reason="wrong_shard", body=b"{}", **fields):
    """Make a dead letter that came with the properties of an ordinary message; its id."""
    return stories.put_aside(stand, reason, body, **({"properties": PROPERTIES} | fields))


def state_of(stand, dead_letter_id):
    """State, moment and note of a dead letter."""
    query = "SELECT state, settled_at, operator_note FROM dead_letter WHERE dead_letter_id = %s"
    [row] = stand.rows(query, dead_letter_id)
    return row


def give_back(stand, order, *ids, note=""):
    """Return dead letters."""
    return_dead_letters(stand.connection, ids, note, order=order)


def test_they_are_listed_by_state_and_reason(stand, order):
    """Lists go by id, in pages, and leave out what is not asked for."""
    first, second, third = (put_aside(stand, reason) for reason in ("bad_json", "wrong_shard", "bad_json"))
    discard_dead_letters(stand.connection, [first], "", order=order)

    def ids(state="open", reason=None, **page):
        return [
            letter.dead_letter_id
            for letter in list_dead_letters(stand.connection, state=state, reason=reason, **page)
        ]

    assert ids() == [second, third]
    assert ids(state=None) == [first, second, third]
    assert ids(reason="bad_json") == [third]
    assert ids(state=None, reason="bad_json", limit=1) == [first]
    assert ids(after=second) == [third]
    assert ids(state="returned") == []


def test_one_is_shown_with_properties_and_body(stand):
    """Everything that was kept can be seen, and the body byte for byte."""
    body = b"\xff not text"
    letter, shown = show_dead_letter(stand.connection, put_aside(stand, "bad_encoding", body))
    assert shown == body
    assert (letter.reason, letter.detail, letter.received_at) == ("bad_encoding", "why", NOW)
    assert (letter.body_size, letter.is_complete, letter.type) == (len(body), True, "ConfigureAccount")
    assert letter.described_properties() == {
        "content_type": "application/json",
        "headers": {"a": 1},
        "type": "ConfigureAccount",
        "user_id": "guest",
    }
    with pytest.raises(OperatorError, match="there is no dead letter 4711"):
        show_dead_letter(stand.connection, 4711)


def test_a_returned_message_goes_out_byte_for_byte(stand, order, audit):
    """It is a row of the outbox that the relay takes at once, addressed to its account, unsigned."""
    message = configure(ALICE)
    body = body_of(message)
    number = put_aside(stand, body=body, routing_key="wrong.key")
    give_back(stand, order, number, note="binding mended")
    [envelope] = stand.envelopes()
    assert (envelope.exchange, envelope.body) == ("accounts_in", body)
    assert envelope.routing_key == binary_key(DEBTOR, ALICE)
    kept = pika.spec.BasicProperties()
    kept.decode(envelope.properties)
    assert kept == pika.spec.BasicProperties(
        content_type="application/json", type="ConfigureAccount", delivery_mode=2
    )
    [row] = stand.rows("SELECT publisher_key, next_attempt_at, type_counts, accounts, attempts FROM outbox")
    assert (*row[:3], bytes(row[3]), row[4]) == (None, NOW, {"ConfigureAccount": 1}, b"", 0)
    assert state_of(stand, number) == ("returned", NOW, "binding mended")
    expected = ("dead-letters return", f"dead letter {number}", "wrong_shard: binding mended")
    assert audit() == [expected]


def test_a_malformed_message_goes_where_it_was_addressed(stand, order):
    """What nobody can decode goes back with the key that it came with."""
    give_back(stand, order, put_aside(stand, "bad_json", b"{", routing_key="0.1.1"))
    [envelope] = stand.envelopes()
    assert (envelope.routing_key, envelope.body) == ("0.1.1", b"{")


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("not_internal", "can only be discarded"),
        ("not_allowed", "can only be discarded"),
        ("credit_conflict", "only `credits apply`"),
        ("credit_too_old", "only `credits apply`"),
    ],
)
def test_some_reasons_are_never_returned(stand, order, audit, reason, why):
    """Forged and unsettled credits do not get a second chance by the back door."""
    number = put_aside(stand, "bad_json")
    stand.execute("UPDATE dead_letter SET reason = %s", reason)
    with pytest.raises(OperatorError, match=f"dead letter {number} is {reason}: .*{why}"):
        give_back(stand, order, number)
    assert state_of(stand, number) == ("open", None, None)
    assert audit() == []


def test_all_or_none_are_returned(stand, order):
    """One that cannot be returned keeps the others, and each problem is shown on a line."""
    good, cut, bare, gone = (put_aside(stand) for _ in range(4))
    stand.execute("UPDATE dead_letter SET body_size = 70000 WHERE dead_letter_id = %s", cut)
    stand.execute("UPDATE dead_letter SET body = NULL WHERE dead_letter_id = %s", bare)
    discard_dead_letters(stand.connection, [gone], "", order=order)
    with pytest.raises(OperatorError) as caught:
        give_back(stand, order, good, cut, bare, gone, 4711)
    assert str(caught.value).splitlines() == [
        "there is no dead letter 4711",
        f"dead letter {cut} has only the beginning of its body: it can only be discarded",
        f"dead letter {bare} has lost its body, because too many were open: it can only be discarded",
        f"dead letter {gone} is discarded already",
    ]
    assert stand.count("outbox") == 0
    give_back(stand, order, good)
    assert stand.count("outbox") == 1


def test_a_credit_is_not_returned_into_a_trap(stand, order):
    """A returned credit travels without the name of our user, would become not_internal, and so be lost."""
    properties = b"".join(pika.spec.BasicProperties(content_type="application/json").encode())
    number = put_aside(stand, "internal_error", body_of(credit()), properties=properties)
    with pytest.raises(OperatorError, match="use `credits apply`"):
        give_back(stand, order, number)
    assert stand.count("outbox") == 0


def test_a_credit_that_went_to_the_wrong_shard_is_returned_under_the_name_that_it_had(stand, order):
    """Ours was vouched for by the broker; the name of somebody else would not get through."""
    properties = pika.spec.BasicProperties(
        content_type="application/json", type="PendingBalanceChange", user_id="us", headers={"a": 1}
    )
    raw = b"".join(properties.encode())
    number = put_aside(stand, "wrong_shard", body_of(credit()), properties=raw)
    for user in ("", "them"):
        with pytest.raises(OperatorError, match="use `credits apply`"):
            return_dead_letters(stand.connection, [number], "", order=order, internal_user=user)
    return_dead_letters(stand.connection, [number], "", order=order, internal_user="us")
    [(payload,)] = stand.rows("SELECT payload FROM outbox")
    [envelope] = unpack(bytes(payload))
    assert describe(envelope.properties or b"") == {
        "content_type": "application/json",
        "delivery_mode": 2,
        "type": "PendingBalanceChange",
        "user_id": "us",
    }


def test_discarding_has_no_other_effect(stand, order, audit):
    """A discarded message is closed with its note; a credit is not discarded by mistake."""
    first, second = put_aside(stand, "not_internal"), put_aside(stand, "bad_json")
    stand.execute("UPDATE dead_letter SET reason = 'credit_too_old' WHERE dead_letter_id = %s", second)
    discard_dead_letters(stand.connection, [first], "forged", order=order)
    assert state_of(stand, first) == ("discarded", NOW, "forged")
    with pytest.raises(OperatorError, match="money in transit"):
        discard_dead_letters(stand.connection, [second], "", order=order)
    assert stand.count("outbox") == 0
    assert audit() == [("dead-letters discard", f"dead letter {first}", "not_internal: forged")]


def test_two_operators_return_a_message_once(stand, order):
    """The second of two who return the same message at the same time hears that it is done."""
    number = put_aside(stand)
    with psycopg2.connect(stand.postgres_url) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM dead_letter FOR UPDATE")
        stand.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            give_back(stand, order, number)
    other.close()
    give_back(stand, order, number)
    with pytest.raises(OperatorError, match="is returned already"):
        give_back(stand, order, number)
    assert stand.count("outbox") == 1


def test_where_there_are_peers_only_what_its_sender_may_say_is_returned(stand, order):
    """Under the name of the server, because nobody is believed without one; what was forged stays."""
    peers = Peers(by_user={"guest": Peer(creditors=Ids.of([IdRange.of_id(ALICE)]))}, server_user="server")
    allowed = put_aside(stand, "internal_error", body_of(configure()))
    forged = put_aside(stand, "internal_error", body_of(configure(ALICE + 1)))
    malformed = put_aside(stand, "bad_json", b"{")
    with pytest.raises(
        OperatorError, match=rf"{forged} is not allowed .*creditor_id.* can only be discarded"
    ):
        return_dead_letters(stand.connection, [allowed, forged], "", order=order, peers=peers)
    assert stand.count("outbox") == 0
    return_dead_letters(stand.connection, [allowed, malformed], "", order=order, peers=peers)
    payloads = stand.rows("SELECT payload FROM outbox ORDER BY outbox_id")
    users = [describe(unpack(bytes(one))[0].properties or b"").get("user_id") for (one,) in payloads]
    assert users == ["server", None]
