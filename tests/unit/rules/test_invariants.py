"""The invariants V1 to V7 and V9 to V13, by tables of accounts that keep or break them."""

import msgspec
import pytest

from swpt_accounts.rules.invariants import (
    AccountFacts,
    AnnouncedNumbers,
    Ledger,
    Opening,
    Violation,
    lost_account,
    repeated_transfer,
    stray_transfers,
    unbalanced,
    violations,
)
from swpt_accounts.wire.moments import parse_timestamp
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import ALICE, DEBTOR, NOW, ROOT

JUMP = 2**20

SOUND = AccountFacts(
    debtor_id=DEBTOR,
    creditor_id=ALICE,
    created_at=NOW,
    principal=1000,
    interest=0.5,
    interest_rate=5.0,
    has_debtor_info=True,
    is_deleted=False,
    is_overflown=False,
    last_transfer_number=3,
    last_transfer_id=50,
    total_locked_amount=100,
    pending_transfers_count=2,
    transfers=2,
    locked_amount=100,
    greatest_transfer_id=50,
    announced=AnnouncedNumbers(3, 3, 3),
)
EMPTY = {
    "principal": 0,
    "interest": 0.0,
    "total_locked_amount": 0,
    "locked_amount": 0,
    "pending_transfers_count": 0,
    "transfers": 0,
    "greatest_transfer_id": None,
}
ROOT_ACCOUNT = {
    "creditor_id": ROOT,
    "interest_rate": 0.0,
    "has_debtor_info": False,
    "last_transfer_number": 0,
    "announced": AnnouncedNumbers(),
}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, []),
        # V1: the sum saturates like the account
        ({"total_locked_amount": 99}, ["V1"]),
        ({"locked_amount": 2**70, "total_locked_amount": MAX_INT64}, []),
        # V2
        ({"pending_transfers_count": 1}, ["V2"]),
        # V4
        ({"last_transfer_number": 4}, ["V4"]),
        ({"announced": None, "last_transfer_number": 77}, []),
        ({"announced": AnnouncedNumbers(3, 2, 3)}, ["V4"]),
        ({"announced": AnnouncedNumbers(3, 3, 4)}, ["V4"]),
        # V5
        ({"is_deleted": True, **EMPTY}, []),
        ({"is_deleted": True, **EMPTY, "interest": 0.1}, ["V5"]),
        # V6
        ({"greatest_transfer_id": 51}, ["V6"]),
        ({"greatest_transfer_id": None, "last_transfer_id": 0}, []),
        # V7
        (ROOT_ACCOUNT, []),
        (ROOT_ACCOUNT | {"interest_rate": 1.0}, ["V7"]),
        (ROOT_ACCOUNT | {"has_debtor_info": True}, ["V7"]),
        (ROOT_ACCOUNT | {"last_transfer_number": 1, "announced": None}, ["V7"]),
        # V9, by the whole journal or from an opening balance on
        ({"ledger": Ledger(moved=1000)}, []),
        ({"ledger": Ledger(moved=999)}, ["V9"]),
        ({"ledger": Ledger(moved=-100), "opening": Opening(1100)}, []),
        ({"ledger": Ledger(moved=-101), "opening": Opening(1100)}, ["V9"]),
        # V4 for accounts whose numbers go on from an opening balance
        ({"opening": Opening(1000, 1)}, ["V4"]),
        (
            {
                "opening": Opening(1000, 77),
                "last_transfer_number": 80,
                "announced": AnnouncedNumbers(3, 3, 80),
            },
            [],
        ),
        ({"opening": Opening(1000, 3), "announced": AnnouncedNumbers()}, []),
        # V10
        ({"ledger": Ledger(moved=1000, is_chain=False)}, ["V10"]),
        # V12: an overflow makes or loses money, and is seen in the journal
        ({"is_overflown": True, "ledger": Ledger(moved=7, is_chain=False)}, ["V12"]),
        ({"is_overflown": True, "ledger": Ledger(moved=7, is_chain=False, has_touched_bound=True)}, []),
        ({"ledger": Ledger(moved=1000, has_touched_bound=True)}, []),
        # V13
        ({"is_update_pending": True}, ["V13"]),
        ({"is_update_pending": True, "is_update_due": True}, []),
        ({"is_update_due": True}, []),
        # all that is wrong is reported
        ({"total_locked_amount": 0, "pending_transfers_count": 0}, ["V1", "V2"]),
        ({"total_locked_amount": 0, "ledger": Ledger(), "is_update_pending": True}, ["V1", "V9", "V13"]),
    ],
)
def test_each_broken_invariant_is_named(changes, broken):
    """A sound account passes, and each number that does not fit breaks its own rule."""
    account = msgspec.structs.replace(SOUND, **changes)
    found = list(violations(account))
    assert [violation.rule for violation in found] == broken
    assert {(one.debtor_id, one.creditor_id) for one in found} <= {(account.debtor_id, account.creditor_id)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"total_locked_amount": 99}, "99 is locked, its transfers lock 100"),
        ({"pending_transfers_count": 1}, "1 transfers, found 2"),
        ({"last_transfer_number": 4}, "last transfer number 4, but the journal has 3 transfers"),
        ({"announced": AnnouncedNumbers(3, 2, 3)}, "3 transfers share 2 numbers"),
        ({"announced": AnnouncedNumbers(3, 3, 4)}, "transfer number 4 is beyond the last, 3"),
        ({"is_deleted": True, **EMPTY, "interest": 0.1}, "deleted, but not empty"),
        ({"greatest_transfer_id": 51}, "transfer 51 is beyond 50"),
        (
            ROOT_ACCOUNT | {"interest_rate": 1.0},
            "a root account with interest rate, debtor info or transfer numbers",
        ),
        ({"ledger": Ledger(moved=999)}, "the principal is 1000, by the journal 999"),
        (
            {"ledger": Ledger(moved=1000, is_chain=False)},
            "principals in the journal do not follow from each other",
        ),
        (
            {"is_overflown": True, "ledger": Ledger()},
            "marked as overflown, but by the journal no principal has come to its bound",
        ),
        ({"is_update_pending": True}, "its balance has changed, and nobody is told to announce it"),
    ],
)
def test_a_broken_invariant_is_told_in_words(changes, text):
    """With the numbers that do not fit."""
    [violation] = violations(msgspec.structs.replace(SOUND, **changes))
    assert violation.text == text


@pytest.mark.parametrize(
    ("last", "announced", "restorations", "is_sound"),
    [
        (3 + JUMP, AnnouncedNumbers(3, 3, 3), [NOW + 1], True),
        (4 + JUMP, AnnouncedNumbers(4, 4, 4 + JUMP), [NOW + 1], True),
        (4 + 2 * JUMP, AnnouncedNumbers(4, 4, 4 + JUMP), [NOW + 1, NOW + 2], True),
        (3, AnnouncedNumbers(3, 3, 3), [NOW + 1], True),  # a restoration that is not done with it yet
        (3 + JUMP, AnnouncedNumbers(3, 3, 3), [NOW], True),  # of the moment of its creation
        (3 + JUMP, AnnouncedNumbers(3, 3, 3), [], False),
        (3 + JUMP, AnnouncedNumbers(3, 3, 3), [NOW - 1], False),  # before its creation
        (3 + 2 * JUMP, AnnouncedNumbers(3, 3, 3), [NOW + 1], False),
        (4 + JUMP, AnnouncedNumbers(3, 3, 3), [NOW + 1], False),
    ],
)
def test_only_a_restoration_lets_transfer_numbers_jump(last, announced, restorations, is_sound):
    """Each restoration that an account has seen may have left out 2^20 numbers, and nothing else may."""
    account = msgspec.structs.replace(SOUND, last_transfer_number=last, announced=announced)
    assert (list(violations(account, restorations)) == []) == is_sound


@pytest.mark.parametrize(
    ("total", "emitted", "applied", "text"),
    [
        (3, 0, 0, "the principals add up to 3, not to 0"),
        (3, 5, 0, "the principals add up to 3, not to -5: 5 has left for other shards, 0 has come"),
        (3, 0, 5, "the principals add up to 3, not to 5: 0 has left for other shards, 5 has come"),
        (3, 5, 7, "the principals add up to 3, not to 2: 5 has left for other shards, 7 has come"),
    ],
)
def test_a_currency_that_does_not_add_up_says_by_how_much(total, emitted, applied, text):
    """V3: with several shards, what has left and what has come is counted."""
    assert unbalanced(DEBTOR, total, emitted, applied) == Violation("V3", DEBTOR, None, text)


@pytest.mark.parametrize(
    ("tell", "told", "rule", "text"),
    [
        (
            lost_account,
            (parse_timestamp("2026-11-21T10:00:00Z"), 30),
            "V9",
            "created 2026-11-21T10:00:00+00:00 and gone, by the journal with 30",
        ),
        (repeated_transfer, (50, 2), "V11", "transfer 50 is in the journal 2 times"),
        (stray_transfers, (4,), "V2", "no account, but 4 prepared transfers"),
    ],
    ids=["lost account", "repeated transfer", "stray transfers"],
)
def test_what_belongs_to_no_account_is_told_in_words(tell, told, rule, text):
    """Whoever reads it knows the rule, the account and what was found."""
    assert tell(DEBTOR, ALICE, *told) == Violation(rule, DEBTOR, ALICE, text)
