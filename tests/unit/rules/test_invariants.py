"""The invariants V1 to V7 and V9 to V13, by tables of accounts that keep or break them."""

import msgspec
import pytest

from swpt_accounts.rules.invariants import AccountFacts, AnnouncedNumbers, Ledger, Opening, violations
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
    ],
)
def test_each_broken_invariant_is_named(changes, broken):
    """A sound account passes, and each number that does not fit breaks its own rule."""
    account = msgspec.structs.replace(SOUND, **changes)
    assert [violation.rule for violation in violations(account)] == broken


@pytest.mark.parametrize(
    ("last", "announced", "restorations", "is_sound"),
    [
        (3 + JUMP, AnnouncedNumbers(3, 3, 3), [NOW + 1], True),
        (4 + JUMP, AnnouncedNumbers(4, 4, 4 + JUMP), [NOW + 1], True),
        (4 + 2 * JUMP, AnnouncedNumbers(4, 4, 4 + JUMP), [NOW + 1, NOW + 2], True),
        (3, AnnouncedNumbers(3, 3, 3), [NOW + 1], True),  # a restoration that is not done with it yet
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
