"""Stories of finalizing: transfers are committed, dismissed, or fail; each of them once."""

import pytest

from .currency import ALICE, BOB, CAROL, MAX_INT64, ROOT, account_id, instant


@pytest.fixture
def rich(currency):
    """A currency in which ALICE has 100, and BOB has an empty account."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    return currency


def test_a_dismissal_only_unlocks(rich, chores_done):
    """FinalizedTransfer over nothing, and no AccountTransfer or AccountUpdate ever (behaviour 24)."""
    prepared = rich.prepared(ALICE, BOB, 100)
    finalized = rich.finalize(prepared, 0, transfer_note="x" * 500, transfer_note_format="any")
    assert finalized.has(
        status_code="OK",
        committed_amount=0,
        total_locked_amount=0,
        prepared_at=prepared.prepared_at,
        coordinator_type="direct",
        coordinator_id=ALICE,
        coordinator_request_id=prepared.coordinator_request_id,
    )
    chores_done()
    rich.silent()
    assert rich.prepared(ALICE, BOB, 100).locked_amount == 100
    assert rich.open(ALICE).has(last_change_seqnum=4, principal=100)


def test_a_commit_moves_the_amount_and_frees_the_rest(rich):
    """40 of the locked 100 are moved, both parties hear of it, and 60 can be locked again (behaviour 25)."""
    prepared = rich.prepared(ALICE, BOB, 100)
    finalized = rich.commit(prepared, 40)
    assert finalized.total_locked_amount == 0
    assert instant(finalized.ts) >= instant(finalized.prepared_at)
    sent = rich.take("AccountTransfer", creditor_id=ALICE)
    received = rich.take("AccountTransfer", creditor_id=BOB)
    assert sent.has(acquired_amount=-40, principal=60, committed_at=finalized.ts)
    assert received.has(acquired_amount=40, principal=40, committed_at=finalized.ts)
    again = rich.prepared(ALICE, BOB, min_locked_amount=0, max_locked_amount=100)
    assert again.locked_amount == 60
    rich.silent(besides=("AccountUpdate",))


def test_nothing_locked_and_no_money(rich):
    """An empty account prepares a lock of 0, and commits in vain (behaviour 29)."""
    prepared = rich.prepared(BOB, ALICE)
    assert prepared.locked_amount == 0
    finalized = rich.finalize(prepared, 40)
    assert finalized.has(
        status_code="INSUFFICIENT_AVAILABLE_AMOUNT", committed_amount=0, total_locked_amount=0
    )
    rich.silent()
    assert rich.open(ALICE).principal == 100
    assert rich.open(BOB).principal == 0


def test_money_may_arrive_after_the_preparation(rich):
    """With nothing locked, what has come in between can be committed (behaviour 30)."""
    prepared = rich.prepared(BOB, ALICE)
    rich.pay(ALICE, BOB, 40)
    rich.commit(prepared, 40)
    assert [rich.take("AccountTransfer", creditor_id=BOB).principal for _ in range(2)] == [40, 0]


def test_a_commit_after_the_deadline_fails(rich):
    """TIMEOUT moves nothing and unlocks everything (behaviour 31)."""
    prepared = rich.prepared(ALICE, BOB, 100, max_commit_delay=0)
    finalized = rich.finalize(prepared, 100)
    assert finalized.has(status_code="TIMEOUT", committed_amount=0, total_locked_amount=0)
    rich.silent()
    assert rich.prepared(ALICE, BOB, 100).locked_amount == 100


def test_a_dismissal_after_the_deadline_succeeds(rich):
    """Letting go is always possible (behaviour 77)."""
    prepared = rich.prepared(ALICE, BOB, 100, max_commit_delay=0)
    assert rich.finalize(prepared, 0).has(status_code="OK", committed_amount=0, total_locked_amount=0)
    rich.silent()


def test_locks_of_others_are_not_touched(rich):
    """A commit may exceed its lock by what is free, and not by one more (behaviour 32)."""
    rich.prepared(ALICE, BOB, 30)
    in_vain = rich.prepared(ALICE, BOB, 10)
    assert rich.finalize(in_vain, 71).has(status_code="INSUFFICIENT_AVAILABLE_AMOUNT", total_locked_amount=30)
    rich.silent()
    rich.commit(rich.prepared(ALICE, BOB, 10), 70)
    assert rich.take("AccountTransfer", creditor_id=BOB).principal == 70


def test_returned_money_is_announced_to_the_sender_only(rich):
    """The root account gets the money and no AccountTransfer (behaviour 33)."""
    rich.pay(ALICE, ROOT, 30, transfer_note="back")
    sent = rich.take("AccountTransfer", creditor_id=ALICE)
    assert sent.has(recipient="0", acquired_amount=-30, principal=70, coordinator_type="direct")
    rich.silent(besides=("AccountUpdate",))
    assert rich.open_root().principal == -70


def test_the_root_account_is_a_recipient_before_it_exists(currency):
    """A transfer to it is prepared in a currency that nobody has configured (behaviour 33)."""
    currency.open(ALICE)
    assert currency.prepared(ALICE, ROOT).recipient == "0"
    currency.silent()


def test_a_transfer_is_finalized_once(rich):
    """Of the copies of a FinalizeTransfer all but one are ignored (behaviour 36)."""
    prepared = rich.prepared(ALICE, BOB, 100)
    message = rich.finalization(prepared, 100)
    for _ in range(3):
        rich.agent.send(message)
    rich.finalized(prepared)
    rich.agent.send(message)
    rich.take("AccountTransfer", creditor_id=ALICE)
    rich.take("AccountTransfer", creditor_id=BOB)
    rich.silent(besides=("AccountUpdate",))


def test_an_unknown_transfer_is_ignored(rich):
    """Nothing is said about a transfer that was never prepared (behaviour 37)."""
    prepared = rich.prepared(ALICE, BOB, 10)
    rich.finalize(prepared, 0)
    for change in ({"transfer_id": 1}, {"transfer_id": -5}, {"transfer_id": MAX_INT64}, {}):
        rich.agent.send(rich.finalization(prepared, 10, **change))
    rich.agent.send(rich.finalization(prepared, 10, creditor_id=CAROL, coordinator_id=CAROL))
    rich.silent()


def test_a_request_after_the_finalization_is_a_new_one(rich):
    """The repetition comes too late, and gets a transfer of its own (behaviour 72)."""
    request = rich.request(ALICE, BOB, 10)
    first = rich.answer(request, "PreparedTransfer")
    rich.commit(first, 10)
    rich.agent.send(request)
    second = rich.answer(request, "PreparedTransfer")
    assert second.transfer_id == first.transfer_id + 1
    rich.agent.send(rich.finalization(first, 10))
    rich.commit(second, 5)
    rich.take("AccountTransfer", creditor_id=BOB, principal=15)


@pytest.mark.parametrize(
    "change",
    [
        {"debtor_id": 1},
        {"creditor_id": BOB},
        {"transfer_id": 1},
        {"coordinator_type": "agent"},
        {"coordinator_id": BOB},
        {"coordinator_request_id": -1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_all_six_keys_must_match(rich, change):
    """A message with one other key is ignored, and does not spoil the right one behind it (behaviour 74)."""
    prepared = rich.prepared(ALICE, BOB, 100)
    rich.agent.send(rich.finalization(prepared, 0) | change)
    rich.agent.send(rich.finalization(prepared, 100))
    assert rich.finalized(prepared).has(status_code="OK", committed_amount=100)
    assert rich.take("AccountTransfer", creditor_id=BOB).principal == 100
    rich.take("AccountTransfer", creditor_id=ALICE)
    rich.silent(besides=("AccountUpdate",))


@pytest.mark.parametrize("amounts", [(0, 100), (100, 0), (30, 70)])
def test_the_first_decision_counts(rich, amounts):
    """What contradicts it comes too late: no commit after a dismissal (behaviour 75)."""
    prepared = rich.prepared(ALICE, BOB, 100)
    for amount in amounts:
        rich.agent.send(rich.finalization(prepared, amount))
    assert rich.finalized(prepared).has(status_code="OK", committed_amount=amounts[0])
    rich.silent(besides=("AccountUpdate", "AccountTransfer"))
    assert rich.open(BOB).principal == amounts[0]


def test_finalizations_say_what_stays_locked(rich):
    """The sum of the locks is announced without the lock that has just gone (behaviour 78)."""
    one, two, three = (rich.prepared(ALICE, BOB, amount) for amount in (20, 30, 40))
    assert rich.finalize(one, 0).total_locked_amount == 70
    assert rich.finalize(two, 81).has(status_code="INSUFFICIENT_AVAILABLE_AMOUNT", total_locked_amount=40)
    assert rich.finalize(three, 15).total_locked_amount == 0


def test_a_recipient_that_closes_is_still_paid(rich):
    """What was prepared before the account was scheduled for deletion can be committed (behaviour 106)."""
    prepared = rich.prepared(ALICE, BOB, 40)
    rich.open(BOB, config_flags=1)
    assert rich.rejected(ALICE, BOB).status_code == "RECIPIENT_IS_UNREACHABLE"
    rich.commit(prepared, 40)
    assert rich.take("AccountTransfer", creditor_id=BOB).has(principal=40, sender=account_id(ALICE))
