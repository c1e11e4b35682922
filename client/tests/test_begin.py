"""What is wrong with a call is said at once, and nothing is stored or sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from swpt_client.checks import decision_fault
from swpt_client.desk import _mixed
from swpt_client.inputs import Begin, Commit, Refusal
from swpt_client.limits import MAX_INT32, MAX_INT64, MIN_INT64
from swpt_client.messages import encode
from swpt_client.records import Decision, Request, Terms

from . import server_codec
from .bench import ALICE, BOB, DEBTOR, POLICY, START, SUBNET, Client

REQUEST = Request(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    recipient=str(BOB),
    min_locked_amount=0,
    max_locked_amount=0,
    coordinator_id=ALICE,
)
ISSUE = replace(REQUEST, creditor_id=0, coordinator_type="issuing", coordinator_id=DEBTOR)
AGENT = replace(REQUEST, coordinator_type="agent", coordinator_id=BOB)


def begin(request: Request = REQUEST, **changes: Any) -> Any:
    """The answer of a new client to a call."""
    values: dict[str, Any] = {"key": "t", "request": request}
    client = Client()
    answer = client.call(Begin(**(values | changes)))
    if isinstance(answer, Refusal):
        assert client.transfers == {}
        assert client.flush() == []
    else:
        server_codec.decode_by_server(encode(client.flush()[0]), "application/json", "PrepareTransfer")
    return answer


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        ISSUE,
        AGENT,
        replace(REQUEST, coordinator_type="test", coordinator_id=MIN_INT64, creditor_id=5),
        replace(REQUEST, debtor_id=MIN_INT64, max_locked_amount=MAX_INT64),
        replace(REQUEST, recipient="x" * 100),
        replace(REQUEST, terms=Terms(max_commit_delay=0, decide_within=0, give_up_after=0)),
    ],
)
def test_a_good_request_is_sent(request_):
    """The server takes it."""
    assert begin(request_).state == "initiated"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"debtor_id": MAX_INT64 + 1}, "debtor_id"),
        ({"debtor_id": "1"}, "debtor_id"),
        ({"debtor_id": True}, "debtor_id"),
        ({"creditor_id": MIN_INT64 - 1}, "creditor_id"),
        ({"recipient": ""}, "recipient"),
        ({"recipient": "x" * 101}, "recipient"),
        ({"recipient": "é"}, "recipient"),
        ({"recipient": 5}, "recipient"),
        ({"min_locked_amount": -1}, "min_locked_amount"),
        ({"min_locked_amount": 2, "max_locked_amount": 1}, "max_locked_amount"),
        ({"max_locked_amount": MAX_INT64 + 1}, "max_locked_amount"),
        ({"max_locked_amount": 1.0}, "max_locked_amount"),
        ({"coordinator_type": ""}, "coordinator_type"),
        ({"coordinator_type": "x" * 31}, "coordinator_type"),
        ({"coordinator_type": "interest"}, "coordinator_type"),
        ({"coordinator_type": "delete"}, "coordinator_type"),
        ({"coordinator_type": "else"}, "coordinator_type"),
        ({"coordinator_id": BOB}, "coordinator_id"),
        ({"creditor_id": 5, "coordinator_id": 5}, "coordinator_id"),
        ({"terms": Terms(max_commit_delay=-1)}, "terms.max_commit_delay"),
        ({"terms": Terms(max_commit_delay=MAX_INT32 + 1)}, "terms.max_commit_delay"),
        ({"terms": Terms(min_commit_period=-1)}, "terms.min_commit_period"),
        ({"terms": Terms(min_demurrage_rate=0.1)}, "terms.min_demurrage_rate"),
        ({"terms": Terms(min_demurrage_rate=float("nan"))}, "terms.min_demurrage_rate"),
        ({"terms": Terms(final_interest_rate_ts=10**30)}, "terms.final_interest_rate_ts"),
        ({"terms": Terms(decide_within=-1)}, "terms.decide_within"),
        ({"terms": Terms(give_up_after=2**40)}, "terms.give_up_after"),
    ],
)
def test_a_bad_request_is_refused(changes, field):
    """The field is named."""
    answer = begin(replace(REQUEST, **changes))
    assert (answer.code, answer.field) == ("BAD_FIELD", field)
    assert answer.detail


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (replace(ISSUE, coordinator_id=ALICE), "coordinator_id"),
        (replace(ISSUE, creditor_id=ALICE), "creditor_id"),
        (replace(ISSUE, debtor_id=-2, coordinator_id=-2), "coordinator_id"),
        (replace(AGENT, creditor_id=5), "coordinator_id"),
        (replace(AGENT, coordinator_id=5), "coordinator_id"),
        (replace(AGENT, creditor_id=5, coordinator_id=5), "coordinator_id"),
    ],
)
def test_coordinators_have_rules(request_, field):
    """Those of the protocol, and that the answers reach us."""
    answer = begin(request_)
    assert (answer.code, answer.field) == ("BAD_FIELD", field)


@pytest.mark.parametrize("key", ["", "x" * 201, 5, "a\0b", "\ud800", "bundle:1"])
def test_a_key_is_a_text(key):
    """Of 1 to 200 characters; some are taken by bundles."""
    answer = begin(key=key)
    assert (answer.code, answer.field) == ("BAD_FIELD", "key")


@pytest.mark.parametrize(
    ("decision", "field"),
    [
        (Decision(committed_amount=0), "committed_amount"),
        (Decision(committed_amount=-1), "committed_amount"),
        (Decision(committed_amount=MAX_INT64 + 1), "committed_amount"),
        (Decision(committed_amount=1, transfer_note="é" * 251), "transfer_note"),
        (Decision(committed_amount=1, transfer_note="a\0"), "transfer_note"),
        (Decision(committed_amount=1, transfer_note="\ud800"), "transfer_note"),
        (Decision(committed_amount=1, transfer_note_format="123456789"), "transfer_note_format"),
        (Decision(committed_amount=1, transfer_note_format="a\n"), "transfer_note_format"),
    ],
)
def test_a_bad_decision_is_refused(decision, field):
    """Whether it comes with the request, or later."""
    answer = begin(decision=decision)
    assert (answer.code, answer.field) == ("BAD_FIELD", field)
    client = Client()
    client.feed(Begin(key="t", request=REQUEST))
    before = client.transfers["t"]
    answer = client.call(Commit(key="t", decision=decision))
    assert (answer.code, answer.field) == ("BAD_FIELD", field)
    assert client.transfers["t"] == before


def test_a_note_of_500_bytes_is_fine():
    """One more is not."""
    assert decision_fault(Decision(committed_amount=MAX_INT64, transfer_note="é" * 250)) is None


@given(st.integers(0, 2**64 - 1), st.integers(1, 2000))
def test_request_ids_of_one_moment_differ(chance, count):
    """Within one fold always; they are int64, and grow with time."""
    client = Client()
    client.chance = chance
    result = client.feed(*(Begin(key=str(number), request=REQUEST) for number in range(count)))
    ids = {one.coordinator_request_id for one in result.transfers.values()}
    assert len(ids) == count
    milliseconds = START // 1000
    assert all(one >> 21 == milliseconds for one in ids)


@pytest.mark.parametrize(("chance", "mixed"), [(0, 0xE220A8397B1DCDAF), (1234567, 6457827717110365317)])
def test_chance_is_mixed_as_splitmix64_does(chance, mixed):
    """Chances that differ little make ids that differ much; the values are those of its authors."""
    assert _mixed(chance) == mixed


def test_request_ids_differ_by_chance():
    """A restored backup does not repeat them."""
    ids = set()
    for chance in range(100):
        client = Client()
        client.chance = chance
        client.feed(Begin(key="t", request=REQUEST))
        ids.add(client.transfers["t"].coordinator_request_id)
    assert len(ids) == 100


@pytest.mark.parametrize("now", [-5, 0, 253402300799 * 10**6])
def test_request_ids_are_int64_at_any_date(now):
    """Whatever the clock says."""
    client = Client(now=now)
    client.feed(Begin(key="t", request=REQUEST))
    assert 0 <= client.transfers["t"].coordinator_request_id <= MAX_INT64


def test_without_a_subnet_there_are_no_creditors():
    """An issuer has only root accounts."""
    policy = replace(POLICY, subnet=None)
    assert not policy.owns_account(DEBTOR, SUBNET)
    assert policy.owns_account(DEBTOR, 0)
    assert Client(policy).call(Begin(key="t", request=REQUEST)).field == "coordinator_id"
    assert Client(policy).call(Begin(key="t", request=ISSUE)).state == "initiated"
