"""What is wrong with a call, rule by rule: the argument, and the words in which the caller reads it."""

from typing import Any

import pytest
from msgspec.structs import replace

from swpt_client.checks import (
    account_fault,
    begin_fault,
    bundle_fault,
    commit_fault,
    configure_fault,
    decision_fault,
    known_key_fault,
    policy_fault,
    request_fault,
)
from swpt_client.inputs import Begin, BeginBundle, Commit, Configure
from swpt_client.policy import Policy, UnknownAccounts
from swpt_client.records import AccountKey, Decision, Leg, Request, Terms
from swpt_client.values import moment_fault

from .bench import ALICE, BOB, DEBTOR, POLICY, SUBNET

INT32 = "must be an integer between -2147483648 and 2147483647"
INT64 = "must be an integer between -9223372036854775808 and 9223372036854775807"
AMOUNT = "must be an integer between 0 and 9223372036854775807"
PAID = "must be an integer between 1 and 9223372036854775807"
SECONDS = "must be an integer between 0 and 2147483647"
MOMENT = "must be an integer between -62135596800000000 and 253402300799999999"
KEY_RULE = "must be a text of 1 to 200 characters, without zeros"
NOTE = "must be a text of at most 500 bytes"
NOTE_FORMAT = "must be 0 to 8 letters, digits, points and hyphens"
ACCOUNT_ID = "must be 1 to 100 ASCII characters"
TYPE = "must be 1 to 30 printable ASCII characters, and not the server's own"
OTHER_TYPES = "must be texts of 1 to 30 printable ASCII characters, of no fixed meaning"
RATE = "must be between -100.0 and 0.0"
CONFIG_DATA = "must be a text of at most 2000 bytes"
NEGLIGIBLE = "must be a finite number, not below 0.0"
IN_SUBNET = "must be ours, or the answers will not reach us: in what the agent has as `subnet`"
IN_DEBTORS = "must be ours, or the answers will not reach us: among what the agent has as `debtor_ids`"
IN_TYPES = "must be ours, or the answers will not reach us: among what the agent has as `other_types`"

REQUEST = Request(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    recipient=str(BOB),
    min_locked_amount=3,
    max_locked_amount=7,
    coordinator_id=ALICE,
)
LEG = Leg(request=REQUEST, committed_amount=7, payback_creditor_id=BOB, payback_recipient="x" * 100)
TOO_MUCH = 2**63


def anything(value: object) -> Any:
    """What no checker of types would let through."""
    return value


# --- what is ours -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        Policy(),
        Policy(subnet=-(2**63), debtor_ids=frozenset({2**63 - 1, -(2**63)})),
        Policy(other_types=frozenset({"a", "x" * 30}), unknown_accounts=UnknownAccounts.CLOSE),
    ],
)
def test_what_can_be_ours(policy):
    """Nothing at all, or up to the limits."""
    assert policy_fault(policy) is None


@pytest.mark.parametrize(
    ("policy", "fault"),
    [
        (Policy(subnet=TOO_MUCH), ("subnet", INT64)),
        (Policy(subnet=anything("1")), ("subnet", INT64)),
        (Policy(debtor_ids=frozenset({1, TOO_MUCH})), ("debtor_ids", INT64)),
        (Policy(other_types=frozenset({""})), ("other_types", OTHER_TYPES)),
        (Policy(other_types=frozenset({"x" * 31})), ("other_types", OTHER_TYPES)),
        (Policy(other_types=frozenset({anything(7)})), ("other_types", OTHER_TYPES)),
        (Policy(other_types=frozenset({"direct"})), ("other_types", OTHER_TYPES)),
        (Policy(other_types=frozenset({"issuing"})), ("other_types", OTHER_TYPES)),
        (Policy(other_types=frozenset({"agent"})), ("other_types", OTHER_TYPES)),
        (Policy(other_types=frozenset({"interest"})), ("other_types", OTHER_TYPES)),
        (Policy(unknown_accounts=anything("close")), ("unknown_accounts", "must be one of UnknownAccounts")),
    ],
)
def test_what_cannot_be_ours(policy, fault):
    """An agent that could not work is refused when it is made."""
    assert policy_fault(policy) == fault


# --- names --------------------------------------------------------------------------------------


def test_the_name_of_an_account():
    """Two int64."""
    assert account_fault(AccountKey(-(2**63), 2**63 - 1)) is None
    assert account_fault(AccountKey(TOO_MUCH, TOO_MUCH)) == ("debtor_id", INT64)
    assert account_fault(AccountKey(1, TOO_MUCH)) == ("creditor_id", INT64)


@pytest.mark.parametrize("key", ["", "bundle:0.1:b", "x" * 900])
def test_a_key_that_may_be_asked_for(key):
    """Also that of a leg, which is longer than what callers may choose."""
    assert known_key_fault(key) is None


@pytest.mark.parametrize("key", [7, None, b"k", "a\0", "é\0", "\ud800"])
def test_a_key_that_nothing_can_have(key):
    """It is no text that a database could hold."""
    assert known_key_fault(key) == ("key", "must be a text")


# --- configurations -----------------------------------------------------------------------------

CONFIGURE = Configure(key=AccountKey(DEBTOR, ALICE))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"negligible_amount": 7, "config_flags": -(2**31), "config_data": "x" * 2000},
        {"negligible_amount": 1e30, "config_flags": 2**31 - 1},
        {"key": AccountKey(DEBTOR, 0)},
    ],
)
def test_a_good_configuration(changes):
    """Up to the limits."""
    assert configure_fault(replace(CONFIGURE, **changes), POLICY) is None


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"negligible_amount": -0.5}, ("negligible_amount", NEGLIGIBLE)),
        ({"negligible_amount": float("inf")}, ("negligible_amount", NEGLIGIBLE)),
        ({"negligible_amount": anything(True)}, ("negligible_amount", NEGLIGIBLE)),
        ({"negligible_amount": anything("1")}, ("negligible_amount", NEGLIGIBLE)),
        ({"config_data": anything(7)}, ("config_data", CONFIG_DATA)),
        ({"config_data": "x" * 2001}, ("config_data", CONFIG_DATA)),
        ({"config_flags": 2**31}, ("config_flags", INT32)),
        ({"config_flags": -(2**31) - 1}, ("config_flags", INT32)),
        ({"key": AccountKey(TOO_MUCH, 0)}, ("debtor_id", INT64)),
        ({"key": AccountKey(-2, 0)}, ("debtor_id", IN_DEBTORS)),
        ({"key": AccountKey(DEBTOR, 5)}, ("creditor_id", IN_SUBNET)),
        # what is no number at all is told before whose it is
        ({"key": AccountKey(DEBTOR, 5), "config_flags": 2**31}, ("config_flags", INT32)),
    ],
)
def test_a_bad_configuration(changes, fault):
    """The argument, and its rule."""
    assert configure_fault(replace(CONFIGURE, **changes), POLICY) == fault


# --- transfers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "x" * 201, 5, None, "a\0b", "\ud800"])
def test_a_bad_key(key):
    """A text of 1 to 200 characters."""
    assert begin_fault(Begin(key=key, request=REQUEST), POLICY) == ("key", KEY_RULE)
    assert bundle_fault(BeginBundle(key=key, legs=(LEG,), decide_within=1), POLICY) == ("key", KEY_RULE)


def test_keys_of_legs_are_taken():
    """Nobody else begins them."""
    call = Begin(key="bundle:0.1:b", request=REQUEST)
    assert begin_fault(call, POLICY) == ("key", "must not begin with bundle:")
    assert begin_fault(replace(call, key="Bundle:"), POLICY) is None
    assert begin_fault(replace(call, key="x" * 200), POLICY) is None


GOOD = Decision(committed_amount=1, transfer_note="x" * 500, transfer_note_format="a.-09AZz")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"committed_amount": 0}, ("committed_amount", PAID)),
        ({"committed_amount": TOO_MUCH}, ("committed_amount", PAID)),
        ({"committed_amount": anything(1.0)}, ("committed_amount", PAID)),
        ({"transfer_note": anything(7)}, ("transfer_note", NOTE)),
        ({"transfer_note": "x" * 501}, ("transfer_note", NOTE)),
        ({"transfer_note_format": anything(7)}, ("transfer_note_format", NOTE_FORMAT)),
        ({"transfer_note_format": "a b"}, ("transfer_note_format", NOTE_FORMAT)),
    ],
)
def test_a_decision(changes, fault):
    """The same rules with the request, later, and in a leg."""
    decision = replace(GOOD, **changes)
    assert decision_fault(decision) == fault
    assert commit_fault(Commit(key="t", decision=decision)) == fault
    assert begin_fault(Begin(key="t", request=REQUEST, decision=decision), POLICY) == fault
    leg = Leg(
        request=REQUEST,
        committed_amount=decision.committed_amount,
        transfer_note=decision.transfer_note,
        transfer_note_format=decision.transfer_note_format,
    )
    expected = None if fault is None else (f"legs[0].{fault[0]}", fault[1])
    assert bundle_fault(BeginBundle(key="b", legs=(leg,), decide_within=1), POLICY) == expected


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"recipient": ""}, ("recipient", ACCOUNT_ID)),
        ({"recipient": anything(7)}, ("recipient", ACCOUNT_ID)),
        ({"recipient": "я"}, ("recipient", ACCOUNT_ID)),
        ({"recipient": "a\0"}, ("recipient", ACCOUNT_ID)),
        ({"coordinator_type": ""}, ("coordinator_type", TYPE)),
        ({"coordinator_type": anything(7)}, ("coordinator_type", TYPE)),
        ({"coordinator_type": "interest"}, ("coordinator_type", TYPE)),
        ({"debtor_id": TOO_MUCH}, ("debtor_id", INT64)),
        ({"creditor_id": TOO_MUCH}, ("creditor_id", INT64)),
        ({"coordinator_id": TOO_MUCH}, ("coordinator_id", INT64)),
        ({"min_locked_amount": -1}, ("min_locked_amount", AMOUNT)),
        ({"max_locked_amount": 2}, ("max_locked_amount", AMOUNT.replace("0", "3", 1))),
        ({"coordinator_id": BOB}, ("coordinator_id", "must be the creditor_id")),
        ({"coordinator_type": "issuing"}, ("coordinator_id", "must be the debtor_id")),
        (
            {"coordinator_type": "issuing", "coordinator_id": DEBTOR},
            ("creditor_id", "must be 0"),
        ),
        (
            {"coordinator_type": "issuing", "coordinator_id": -2, "debtor_id": -2, "creditor_id": 0},
            ("coordinator_id", IN_DEBTORS),
        ),
        (
            {"coordinator_type": "agent", "coordinator_id": 5, "creditor_id": 5},
            ("coordinator_id", "must be in the sender's subnet, which is not 0"),
        ),
        (
            {"coordinator_type": "agent", "coordinator_id": 2 * SUBNET + 1, "creditor_id": 2 * SUBNET},
            ("coordinator_id", IN_SUBNET),
        ),
        ({"coordinator_id": 2 * SUBNET, "creditor_id": 2 * SUBNET}, ("coordinator_id", IN_SUBNET)),
        ({"coordinator_type": "else"}, ("coordinator_type", IN_TYPES)),
        ({"terms": anything("soon")}, ("terms", "must be Terms")),
        ({"terms": Terms(min_demurrage_rate=-100.5)}, ("terms.min_demurrage_rate", RATE)),
        ({"terms": Terms(min_demurrage_rate=anything("0"))}, ("terms.min_demurrage_rate", RATE)),
        ({"terms": Terms(final_interest_rate_ts=10**30)}, ("terms.final_interest_rate_ts", MOMENT)),
        ({"terms": Terms(max_commit_delay=-1)}, ("terms.max_commit_delay", SECONDS)),
        ({"terms": Terms(min_commit_period=2**31)}, ("terms.min_commit_period", SECONDS)),
        ({"terms": Terms(decide_within=-1)}, ("terms.decide_within", SECONDS)),
        ({"terms": Terms(give_up_after=-1)}, ("terms.give_up_after", SECONDS)),
    ],
)
def test_a_bad_request(changes, fault):
    """Also within a leg, by its path."""
    request = replace(REQUEST, **changes)
    assert request_fault(request, POLICY) == fault
    assert begin_fault(Begin(key="t", request=request), POLICY) == fault
    call = BeginBundle(key="b", legs=(LEG, replace(LEG, request=request)), decide_within=1)
    assert bundle_fault(call, POLICY) == (f"legs[1].request.{fault[0]}", fault[1])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"recipient": "x" * 100, "min_locked_amount": 7},
        {"min_locked_amount": 0, "max_locked_amount": 2**63 - 1},
        {"coordinator_type": "test", "coordinator_id": -(2**63), "creditor_id": 5},
        {"terms": Terms(min_demurrage_rate=0, max_commit_delay=2**31 - 1, decide_within=0)},
        {"terms": Terms(min_demurrage_rate=-100, min_commit_period=0, give_up_after=2**31 - 1)},
        {"terms": Terms(final_interest_rate_ts=-62135596800000000)},
    ],
)
def test_a_good_request(changes):
    """Up to the limits."""
    assert request_fault(replace(REQUEST, **changes), POLICY) is None


def test_moments_end_with_the_calendar():
    """At both ends."""
    assert moment_fault("at", 253402300799999999) is None
    assert moment_fault("at", 253402300800000000) == ("at", MOMENT)
    assert moment_fault("at", -62135596800000001) == ("at", MOMENT)


# --- bundles ------------------------------------------------------------------------------------

CALL = BeginBundle(key="b", legs=(LEG,), decide_within=0, repair_for=0)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"decide_within": 2**31 - 1, "repair_for": 2**31 - 1}, None),
        ({"decide_within": -1}, ("decide_within", SECONDS)),
        ({"repair_for": anything(1.5)}, ("repair_for", SECONDS)),
        ({"legs": ()}, ("legs", "must not be empty")),
        ({"legs": (), "decide_within": -1}, ("decide_within", SECONDS)),
        ({"legs": (LEG, anything("leg"))}, ("legs[1]", "must be a Leg")),
        (
            {"legs": (replace(LEG, committed_amount=8),)},
            ("legs[0].request.max_locked_amount", "must be at least the amount to commit"),
        ),
        (
            {"legs": (replace(LEG, payback_creditor_id=5),)},
            ("legs[0].payback_creditor_id", "must be a creditor of ours"),
        ),
        ({"legs": (replace(LEG, payback_recipient=""),)}, ("legs[0].payback_recipient", ACCOUNT_ID)),
        ({"legs": (replace(LEG, payback_recipient="я"),)}, ("legs[0].payback_recipient", ACCOUNT_ID)),
        ({"legs": (replace(LEG, payback_creditor_id=None, payback_recipient=""),)}, None),
        # the first one of two
        (
            {"legs": (replace(LEG, committed_amount=8), anything("leg"))},
            ("legs[0].request.max_locked_amount", "must be at least the amount to commit"),
        ),
        (
            {"legs": (replace(LEG, committed_amount=0, payback_creditor_id=5),)},
            ("legs[0].committed_amount", PAID),
        ),
    ],
)
def test_a_bundle(changes, fault):
    """A leg is named by its number, from 0."""
    assert bundle_fault(replace(CALL, **changes), POLICY) == fault
