"""The ladders of prepare and finalize, rule by rule (rules.md#preparing-a-transfer)."""

from typing import Any

import pytest

from swpt_accounts.rules.accounts import Account, replace
from swpt_accounts.rules.policy import Policy
from swpt_accounts.rules.transfers import (
    PreparedTransfer,
    Rejection,
    finalize,
    locked,
    parse_recipient,
    prepare,
    unlocked,
)
from swpt_accounts.wire.codes import (
    INSUFFICIENT_AVAILABLE_AMOUNT,
    NEWER_INTEREST_RATE,
    OK,
    RECIPIENT_IS_UNREACHABLE,
    RECIPIENT_SAME_AS_SENDER,
    SENDER_IS_UNREACHABLE,
    TIMEOUT,
    TOO_MANY_TRANSFERS,
    TRANSFER_NOTE_IS_TOO_LONG,
)
from swpt_accounts.wire.moments import T0, T_FAR
from swpt_accounts.wire.numbers import MAX_DELAY, MAX_INT64, MIN_INT64
from tests.backstage import builders
from tests.backstage.builders import (
    AGENT_ALICE,
    AGENT_BOB,
    ALICE,
    BOB,
    DAY,
    FIRST_TRANSFER_ID,
    MICROSECOND,
    NOW,
    POLICY,
    ROOT,
    SECOND,
    account,
    deleted,
    prepared,
    request,
    rich,
    root,
    with_locks,
)

COMMIT_PERIOD = 7776000 * SECOND


def answer(
    sender: Account | None,
    *,
    reachable: bool = True,
    min_balance: int = 0,
    policy: Policy = POLICY,
    **fields: Any,
) -> PreparedTransfer | Rejection:
    """What the sender's ladder says to a request with these fields."""
    asked = request(**fields)
    recipient = parse_recipient(asked.recipient)
    return prepare(sender, asked, recipient, reachable, min_balance, policy, NOW)


def prepared_from(sender: Account, **circumstances: Any) -> PreparedTransfer:
    """The prepared transfer; there must be one."""
    transfer = answer(sender, **circumstances)
    assert isinstance(transfer, PreparedTransfer)
    return transfer


# -- identifiers (P3) --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "creditor_id"),
    [
        ("0", 0),
        ("5", 5),
        ("9223372036854775807", MAX_INT64),
        ("9223372036854775808", MIN_INT64),
        ("18446744073709551615", -1),
        ("18446744073709551616", None),
        ("99999999999999999999", None),
        ("100000000000000000000", None),
        ("", None),
        ("05", None),
        ("00", None),
        ("+5", None),
        ("-1", None),
        (" 5", None),
        ("5 ", None),
        ("5\n", None),
        ("1_0", None),
        ("5.0", None),
        ("0x5", None),
        ("٥", None),
    ],
)
def test_an_account_has_one_identifier_only(identifier, creditor_id):
    """An identifier is accepted in its canonical form alone (behaviour 89)."""
    assert parse_recipient(identifier) == creditor_id


# -- PrepareTransfer: the order of the rules ---------------------------------------------------

# Each rung of the ladder with what makes a request violate it, in the order of the rules.
# "sender" holds fields of the sender's account, None stands for no account at all.
VIOLATIONS: dict[str, dict[str, Any]] = {
    "P3": {"recipient": "05"},
    "P4": {"reachable": False},
    "P5": {"sender": None},
    "P7": {"policy": Policy(max_prepared_transfers=3)},
    "P8": {"recipient": str(ALICE)},
    "P9": {"final_interest_rate_ts": T0 - MICROSECOND},
    "P10": {"min_locked_amount": 1001, "max_locked_amount": 5000},
}
ANSWERS = {
    "P3": Rejection(RECIPIENT_IS_UNREACHABLE, 0),
    "P4": Rejection(RECIPIENT_IS_UNREACHABLE, 0),
    "P5": Rejection(SENDER_IS_UNREACHABLE, 0),
    "P7": Rejection(TOO_MANY_TRANSFERS, 300),
    "P8": Rejection(RECIPIENT_SAME_AS_SENDER, 300),
    "P9": Rejection(NEWER_INTEREST_RATE, 300),
    "P10": Rejection(INSUFFICIENT_AVAILABLE_AMOUNT, 300),
}
SENDER = rich(1300, total_locked_amount=300, pending_transfers_count=3)
PAIRS = [
    (first, second)
    for first in VIOLATIONS
    for second in VIOLATIONS
    if list(VIOLATIONS).index(first) <= list(VIOLATIONS).index(second)
    and not (first != second and VIOLATIONS[first].keys() & VIOLATIONS[second].keys())
]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a}-{b}" for a, b in PAIRS])
def test_of_two_reasons_to_reject_the_earlier_one_decides(first, second):
    """Each rule rejects alone, and wins over each later one (behaviours 14 to 18, 21, 22 and 78)."""
    circumstances = {"sender": SENDER} | VIOLATIONS[second] | VIOLATIONS[first]
    sender = circumstances.pop("sender")
    assert answer(sender, **circumstances) == ANSWERS[first]


def test_all_reasons_at_once_resolve_in_the_order_of_the_rules():
    """Taking away one reason after the other uncovers the next rule each time (behaviour 21)."""
    remaining = dict(VIOLATIONS)
    seen = []
    while remaining:
        circumstances: dict[str, Any] = {"sender": SENDER}
        for violation in reversed(remaining.values()):
            circumstances |= violation
        sender = circumstances.pop("sender")
        seen.append(answer(sender, **circumstances))
        del remaining[next(iter(remaining))]
    assert seen == list(ANSWERS.values())


@pytest.mark.parametrize("flags", [0, 1])
def test_a_deleted_sender_does_not_exist(flags):
    """A sender that is marked as deleted is missing for new transfers (behaviour 15)."""
    assert answer(deleted(config_flags=flags)) == Rejection(SENDER_IS_UNREACHABLE, 0)


def test_a_sender_that_is_scheduled_for_deletion_may_send():
    """Bit 0 of the sender is no obstacle."""
    assert prepared_from(rich(config_flags=1)).locked_amount == 100


# -- agent transfers (P4 to P6) ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipient_id", "is_prepared"),
    [
        (AGENT_BOB, True),
        (AGENT_ALICE + 1, False),  # the next subnet
        (BOB, False),  # subnet 0
        (ROOT, False),
        (-1, False),
    ],
)
@pytest.mark.parametrize("reachable", [True, False])
def test_an_agent_moves_money_inside_its_subnet_only(recipient_id, is_prepared, reachable):
    """Within the subnet reachability does not matter, elsewhere nothing helps (behaviours 19, 20 and 105)."""
    outcome = answer(
        rich(creditor_id=AGENT_ALICE),
        reachable=reachable,
        creditor_id=AGENT_ALICE,
        recipient_id=recipient_id,
        coordinator_type="agent",
        max_locked_amount=0,
    )
    if is_prepared:
        assert isinstance(outcome, PreparedTransfer)
    else:
        assert outcome == Rejection(RECIPIENT_IS_UNREACHABLE, 0)


def test_subnet_zero_belongs_to_no_agent():
    """Two ordinary accounts share the subnet 0, and are closed to agents all the same (behaviour 20)."""
    assert answer(rich(), coordinator_type="agent") == Rejection(RECIPIENT_IS_UNREACHABLE, 0)


def test_ids_in_negative_subnets_are_compared_as_unsigned_numbers():
    """Negative creditor ids have subnets as well."""
    outcome = answer(
        rich(creditor_id=-1),
        reachable=False,
        creditor_id=-1,
        recipient_id=-5,
        coordinator_type="agent",
    )
    assert isinstance(outcome, PreparedTransfer)


@pytest.mark.parametrize(
    ("sender", "recipient", "rejection"),
    [
        # P3 before P5
        (None, "05", RECIPIENT_IS_UNREACHABLE),
        # P5 before P6
        (None, str(BOB), SENDER_IS_UNREACHABLE),
        (deleted(AGENT_ALICE), str(BOB), SENDER_IS_UNREACHABLE),
        # P6 before P7 and P9
        (
            rich(creditor_id=AGENT_ALICE, pending_transfers_count=5, last_interest_rate_change_ts=NOW),
            str(BOB),
            RECIPIENT_IS_UNREACHABLE,
        ),
        # P7 and P8 as ever
        (rich(creditor_id=AGENT_ALICE, pending_transfers_count=5), str(AGENT_ALICE), TOO_MANY_TRANSFERS),
        (rich(creditor_id=AGENT_ALICE), str(AGENT_ALICE), RECIPIENT_SAME_AS_SENDER),
    ],
)
def test_the_subnet_of_an_agent_is_checked_right_after_the_sender(sender, recipient, rejection):
    """P6 stands between P5 and P7 (behaviours 20 and 21)."""
    outcome = answer(
        sender,
        reachable=False,
        policy=Policy(max_prepared_transfers=5),
        creditor_id=AGENT_ALICE,
        recipient=recipient,
        coordinator_type="agent",
        final_interest_rate_ts=T0,
    )
    assert isinstance(outcome, Rejection)
    assert outcome.status_code == rejection


@pytest.mark.parametrize("coordinator_type", ["direct", "Agent", "exotic"])
def test_other_types_need_a_recipient_that_is_reachable(coordinator_type):
    """Only `agent` disregards reachability."""
    outcome = answer(rich(), reachable=False, coordinator_type=coordinator_type)
    assert outcome == Rejection(RECIPIENT_IS_UNREACHABLE, 0)


# -- the last rungs (P7 to P10) ----------------------------------------------------------------


@pytest.mark.parametrize(("pending", "is_prepared"), [(2, True), (3, False), (4, False)])
def test_how_many_transfers_may_be_prepared(pending, is_prepared):
    """MAX_PREPARED_TRANSFERS is the largest number that can be waiting (behaviour 18)."""
    sender = rich(pending_transfers_count=pending)
    outcome = answer(sender, policy=Policy(max_prepared_transfers=3))
    assert isinstance(outcome, PreparedTransfer) is is_prepared


@pytest.mark.parametrize(
    ("changed", "final", "is_prepared"),
    [
        (T0, T0, True),
        (T0, T0 - MICROSECOND, False),
        (NOW, NOW, True),
        (NOW, NOW - MICROSECOND, False),
        (NOW, T_FAR, True),
    ],
)
def test_a_newer_interest_rate_prevents_a_transfer(changed, final, is_prepared):
    """The rate may have changed up to, and at, the final moment (behaviour 22)."""
    outcome = answer(rich(last_interest_rate_change_ts=changed), final_interest_rate_ts=final)
    assert isinstance(outcome, PreparedTransfer) is is_prepared


@pytest.mark.parametrize(
    ("principal", "already_locked", "minimum", "maximum", "locks"),
    [
        (100, 0, 0, 200, 100),
        (100, 0, 100, 200, 100),
        (100, 0, 101, 200, None),
        (100, 0, 50, 50, 50),
        (100, 60, 0, 200, 40),
        (100, 60, 41, 200, None),
        (100, 160, 0, 200, 0),  # less than nothing is available
        (100, 160, 1, 200, None),
        (-50, 0, 0, 200, 0),
        (0, 0, 0, 0, 0),
        (0, 0, 1, 1, None),
        (MAX_INT64, 0, MAX_INT64, MAX_INT64, MAX_INT64),
    ],
)
def test_as_much_as_possible_is_locked(principal, already_locked, minimum, maximum, locks):
    """What is locked lies between minimum and maximum, or nothing is (behaviours 16, 23, 29 and 108)."""
    sender = rich(principal, total_locked_amount=already_locked)
    outcome = answer(sender, min_locked_amount=minimum, max_locked_amount=maximum)
    if locks is None:
        assert outcome == Rejection(INSUFFICIENT_AVAILABLE_AMOUNT, already_locked)
    else:
        assert isinstance(outcome, PreparedTransfer)
        assert outcome.locked_amount == locks


@pytest.mark.parametrize(
    ("principal", "min_balance", "minimum", "locks"),
    [
        (0, -100, 200, None),
        (0, -100, 100, 100),
        (-100, -100, 1, None),
        (-99, -100, 1, 1),
        (-150, -100, 1, None),  # the limit was lowered below what is issued
        (-150, -100, 0, 0),
        (-100, -200, 100, 100),
        (0, -MAX_INT64, MAX_INT64, MAX_INT64),
        (0, -123456789, 123456789, 123456789),
        (0, -123456789, 123456790, None),
    ],
)
def test_a_root_account_issues_down_to_its_limit(principal, min_balance, minimum, locks):
    """Issuing stops exactly at the limit (behaviours 27, 28, 92, 107 and 108)."""
    outcome = answer(
        root(principal=principal),
        min_balance=min_balance,
        creditor_id=ROOT,
        coordinator_type="issuing",
        min_locked_amount=minimum,
        max_locked_amount=max(minimum, 1),
    )
    if locks is None:
        assert outcome == Rejection(INSUFFICIENT_AVAILABLE_AMOUNT, 0)
    else:
        assert isinstance(outcome, PreparedTransfer)
        assert outcome.locked_amount == locks


def test_negative_interest_reduces_what_can_be_locked():
    """Of a principal of 200 with an interest of -150, 50 can be locked (behaviour 34)."""
    assert prepared_from(rich(200, interest=-150.0), max_locked_amount=200).locked_amount == 50


def test_a_transfer_from_root_to_root_is_one_to_oneself():
    """The root account is always reachable, and yet cannot pay itself (behaviour 17)."""
    outcome = answer(root(), creditor_id=ROOT, recipient_id=ROOT, coordinator_type="issuing")
    assert outcome == Rejection(RECIPIENT_SAME_AS_SENDER, 0)


# -- a prepared transfer (P11) -----------------------------------------------------------------


def test_a_prepared_transfer_keeps_the_terms_of_its_request():
    """Ids, recipient and terms come from the request, the number from the account (behaviour 23)."""
    sender = rich(1000)
    transfer = prepared_from(sender, coordinator_type="exotic", coordinator_id=-5, coordinator_request_id=9)
    assert transfer == prepared(
        transfer_id=sender.last_transfer_id + 1,
        coordinator_type="exotic",
        coordinator_id=-5,
        coordinator_request_id=9,
        deadline=NOW + COMMIT_PERIOD,
    )


@pytest.mark.parametrize(
    ("ts", "delay_seconds", "deadline"),
    [
        (NOW, MAX_DELAY, NOW + COMMIT_PERIOD),
        (NOW, 0, NOW),
        (NOW - DAY, 60, NOW - DAY + 60 * SECOND),  # has passed already, and is no obstacle
        (NOW, 7776000, NOW + COMMIT_PERIOD),
        (NOW + MICROSECOND, 7776000, NOW + COMMIT_PERIOD),
        (NOW - MICROSECOND, 7776000, NOW + COMMIT_PERIOD - MICROSECOND),
        (T_FAR, MAX_DELAY, NOW + COMMIT_PERIOD),  # cut to T_FAR, not overflown
        (T_FAR + 999_999, MAX_DELAY, NOW + COMMIT_PERIOD),
    ],
)
def test_the_deadline_is_the_earlier_one_of_both_sides(ts, delay_seconds, deadline):
    """The commit period and the request's own delay both count (behaviours 23, 31 and 103)."""
    assert prepared_from(rich(), ts=ts, max_commit_delay=delay_seconds).deadline == deadline


@pytest.mark.parametrize(
    ("now", "expected"),
    [(T_FAR - DAY, T_FAR), (T_FAR - COMMIT_PERIOD, T_FAR), (T_FAR - COMMIT_PERIOD - 1, T_FAR - 1)],
)
def test_a_deadline_never_lies_beyond_the_year_9999(now, expected):
    """Sums beyond the last year are cut to T_FAR (behaviour 103)."""
    transfer = prepare(rich(), request(ts=T_FAR), BOB, True, 0, POLICY, now)
    assert isinstance(transfer, PreparedTransfer)
    assert transfer.deadline == expected


def test_locking_counts_and_is_no_meaningful_change():
    """Sum, count and transfer id move; number and moment of the last change stay."""
    before = with_locks(rich(1000), prepared())
    after = locked(before, prepared(transfer_id=FIRST_TRANSFER_ID + 1, locked_amount=40))
    assert after == replace(
        before,
        total_locked_amount=140,
        pending_transfers_count=2,
        last_transfer_id=FIRST_TRANSFER_ID + 1,
    )


def test_the_sum_of_the_locks_is_saturated():
    """The sum stops at MAX_INT64."""
    after = locked(root(total_locked_amount=MAX_INT64 - 1), prepared(ROOT, locked_amount=MAX_INT64))
    assert after.total_locked_amount == MAX_INT64


def test_unlocking_takes_back_what_was_locked():
    """Sum and count go back; the transfer id is never taken back."""
    transfer = prepared()
    before = with_locks(rich(1000), prepared(locked_amount=30), transfer)
    after = unlocked(before, transfer)
    assert (after.total_locked_amount, after.pending_transfers_count) == (30, 1)
    assert after.last_transfer_id == before.last_transfer_id


def test_the_sum_of_the_locks_never_falls_below_zero():
    """Unlocking more than the sum leaves 0."""
    assert (
        unlocked(account(total_locked_amount=5, pending_transfers_count=1), prepared()).total_locked_amount
        == 0
    )


# -- FinalizeTransfer: the order of the rules --------------------------------------------------

REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "F3": ({"deadline": NOW - MICROSECOND}, TIMEOUT),
    "F4": ({"final_interest_rate_ts": T0 - MICROSECOND}, NEWER_INTEREST_RATE),
    "F5": ({"transfer_note": "x" * 501}, TRANSFER_NOTE_IS_TOO_LONG),
    "F6": ({"committed_amount": 1001}, INSUFFICIENT_AVAILABLE_AMOUNT),
}
REFUSAL_PAIRS = [(a, b) for a in REFUSALS for b in REFUSALS if a <= b]


def status(committed_amount: int = 100, *, note: str = "", policy: Policy = POLICY, **fields: Any) -> str:
    """The status of a commit of a transfer with these fields; 1000 are available besides its lock of 100."""
    transfer = prepared(**fields)
    sender = rich(1000, total_locked_amount=100, pending_transfers_count=1)
    message = builders.finalize(transfer, committed_amount, transfer_note=note)
    return finalize(sender, transfer, message, 0, policy, NOW)


@pytest.mark.parametrize(("first", "second"), REFUSAL_PAIRS, ids=[f"{a}-{b}" for a, b in REFUSAL_PAIRS])
def test_of_two_reasons_to_refuse_a_commit_the_earlier_one_decides(first, second):
    """Each rule refuses alone, and wins over each later one (behaviours 31, 32, 35 and 100)."""
    circumstances = REFUSALS[second][0] | REFUSALS[first][0]
    note = circumstances.pop("transfer_note", "")
    assert status(**{"committed_amount": 100} | circumstances, note=note) == REFUSALS[first][1]


def test_a_dismissal_is_always_possible():
    """Deadline, rate, note and money do not matter for it (behaviours 24 and 77)."""
    transfer = prepared(deadline=T0, final_interest_rate_ts=T0 - 1)
    message = builders.finalize(transfer, 0, transfer_note="x" * 500)
    broke = rich(-500, total_locked_amount=100)
    assert finalize(broke, transfer, message, 0, Policy(transfer_note_max_bytes=0), NOW) == OK


@pytest.mark.parametrize(
    ("deadline", "expected"), [(NOW, OK), (NOW + MICROSECOND, OK), (NOW - MICROSECOND, TIMEOUT)]
)
def test_a_commit_at_the_deadline_succeeds(deadline, expected):
    """A microsecond later it fails (behaviour 31)."""
    assert status(deadline=deadline) == expected


@pytest.mark.parametrize(
    ("final", "expected"), [(T0, OK), (T0 + 1, OK), (T0 - 1, NEWER_INTEREST_RATE), (T_FAR, OK)]
)
def test_a_commit_fails_after_a_newer_interest_rate(final, expected):
    """A change at the final moment itself is accepted (behaviour 35)."""
    assert status(final_interest_rate_ts=final) == expected


@pytest.mark.parametrize(
    ("note", "limit", "expected"),
    [
        ("x" * 500, 500, OK),
        ("x" * 150, 150, OK),
        ("x" * 151, 150, TRANSFER_NOTE_IS_TOO_LONG),
        ("ж" * 75, 150, OK),
        ("ж" * 75 + "x", 150, TRANSFER_NOTE_IS_TOO_LONG),  # 76 characters, 151 bytes
        ("😀" * 37, 148, OK),
        ("😀" * 37, 147, TRANSFER_NOTE_IS_TOO_LONG),
        ("", 0, OK),
        ("x", 0, TRANSFER_NOTE_IS_TOO_LONG),
    ],
)
def test_a_note_is_measured_in_bytes(note, limit, expected):
    """Not its characters but its bytes in UTF-8 are limited (behaviour 100)."""
    assert status(note=note, policy=Policy(transfer_note_max_bytes=limit)) == expected


# -- is the money there? (F6) ------------------------------------------------------------------

# "free" is what is available before the transfer is unlocked.
COMMITS = [
    # (A): the money is really there
    (1000, 1000, 0, 0, OK),
    (1000, 1001, 0, 0, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 1500, 500, 0, OK),
    (1000, 1501, 500, 0, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 1500, 500, 90, OK),  # never stale
    (0, 40, 0, 0, INSUFFICIENT_AVAILABLE_AMOUNT),
    (0, 40, 40, 0, OK),
    (0, 40, 39, 0, INSUFFICIENT_AVAILABLE_AMOUNT),
    # (A): a little is missing, and the commit is a little smaller
    (1000, 995, -5, 10, OK),
    (1000, 996, -5, 10, INSUFFICIENT_AVAILABLE_AMOUNT),
    # (B): only the reservation covers it, decayed at the worst rate
    (1000, 1000, -1000, 0, OK),
    (1000, 1001, -1000, 0, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 998, -1000, 1, OK),
    (1000, 999, -1000, 1, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 980, -1000, 10, OK),
    (1000, 981, -1000, 10, OK),
    (1000, 982, -1000, 10, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 995, -1000, 10, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 944, -1000, 30, OK),
    (1000, 945, -1000, 30, INSUFFICIENT_AVAILABLE_AMOUNT),
    (1000, 842, -1000, 90, OK),
    (1000, 843, -1000, 90, INSUFFICIENT_AVAILABLE_AMOUNT),
    # the clock was set back: the reservation is as good as new
    (1000, 1000, -1000, -1, OK),
    (MAX_INT64, MAX_INT64, 0, 0, OK),
    (MAX_INT64, MAX_INT64, -MAX_INT64, 0, OK),
]


@pytest.mark.parametrize(("lock", "committed", "free", "days", "expected"), COMMITS)
def test_a_commit_needs_money_or_a_reservation_that_still_covers_it(lock, committed, free, days, expected):
    """Either the amount is there (A), or guaranteed (B) (F6, F7, behaviours 29, 30, 32, 35 and 114)."""
    transfer = prepared(locked_amount=lock, prepared_at=NOW - days * DAY)
    sender = rich(max(-MAX_INT64, lock + free), total_locked_amount=lock, pending_transfers_count=1)
    message = builders.finalize(transfer, committed)
    assert finalize(sender, transfer, message, 0, POLICY, NOW) == expected


@pytest.mark.parametrize(
    ("free", "elapsed", "committed", "expected"),
    [
        # The full lock: at once by (B) alone, and later as long as (A) holds.
        (-1, 0, 1000, OK),
        (-1, SECOND, 1000, INSUFFICIENT_AVAILABLE_AMOUNT),
        (-1, SECOND, 999, OK),
        (0, SECOND, 1000, OK),
        (-5, 10 * DAY, 995, OK),
        (-1000, SECOND, 999, OK),
        (-1000, MICROSECOND, 1000, INSUFFICIENT_AVAILABLE_AMOUNT),
    ],
)
def test_the_full_lock_is_certain_at_the_first_moment_only(free, elapsed, committed, expected):
    """When money is missing, the guarantee has shrunk a second later (behaviour 35)."""
    transfer = prepared(locked_amount=1000, prepared_at=NOW - elapsed)
    sender = rich(1000 + free, total_locked_amount=1000, pending_transfers_count=1)
    assert finalize(sender, transfer, builders.finalize(transfer, committed), 0, POLICY, NOW) == expected


@pytest.mark.parametrize(("committed", "expected"), [(1000, OK), (1001, INSUFFICIENT_AVAILABLE_AMOUNT)])
def test_the_root_account_has_no_demurrage(committed, expected):
    """What is locked for issuing is certain, even if the limit was lowered (behaviour 35)."""
    transfer = prepared(ROOT, locked_amount=1000, prepared_at=NOW - 89 * DAY, coordinator_type="issuing")
    sender = root(principal=-500, total_locked_amount=1000, pending_transfers_count=1)
    assert finalize(sender, transfer, builders.finalize(transfer, committed), 0, POLICY, NOW) == expected


@pytest.mark.parametrize(
    ("committed", "expected"), [(100, OK), (150, OK), (151, INSUFFICIENT_AVAILABLE_AMOUNT)]
)
def test_issuing_may_exceed_its_lock_down_to_the_limit(committed, expected):
    """The minimal balance counts at the commit as well (behaviours 27 and 32)."""
    transfer = prepared(ROOT, coordinator_type="issuing")
    sender = with_locks(root(principal=-50), transfer)
    assert finalize(sender, transfer, builders.finalize(transfer, committed), -200, POLICY, NOW) == expected


def test_other_locks_are_not_touched_by_a_big_commit():
    """What is locked for another transfer is not available for this one (behaviour 32)."""
    transfer = prepared(locked_amount=10)
    sender = rich(100, total_locked_amount=70, pending_transfers_count=2)
    assert finalize(sender, transfer, builders.finalize(transfer, 40), 0, POLICY, NOW) == OK
    assert (
        finalize(sender, transfer, builders.finalize(transfer, 41), 0, POLICY, NOW)
        == INSUFFICIENT_AVAILABLE_AMOUNT
    )
