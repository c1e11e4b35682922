"""Two-phase transfers in a batch: what is locked, moved and announced (rules.md#preparing-a-transfer)."""

from typing import Any

import pytest

from swpt_accounts.events import (
    AccountTransfer,
    AccountUpdate,
    FinalizedTransfer,
    PendingBalanceChange,
    PreparedTransfer,
    RejectedTransfer,
)
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.policy import Policy
from swpt_accounts.wire.codes import (
    INSUFFICIENT_AVAILABLE_AMOUNT,
    NEWER_INTEREST_RATE,
    OK,
    RECIPIENT_IS_UNREACHABLE,
    TIMEOUT,
    TRANSFER_NOTE_IS_TOO_LONG,
)
from swpt_accounts.wire.moments import T0, T_FAR
from tests.backstage.builders import (
    AGENT_ALICE,
    AGENT_BOB,
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    FIRST_TRANSFER_ID,
    HOUR,
    NOW,
    ROOT,
    SECOND,
    SHARD,
    YEAR,
    account,
    applied,
    batch,
    day_of,
    deleted,
    emitted,
    finalize,
    foreign_creditor,
    kinds,
    local_creditor,
    only,
    owner,
    prepared,
    request,
    rich,
    root,
    text,
    with_locks,
)

CAROL = 1003


def bank(transfer: Any, sender: Any, *others: Any, **circumstances: Any) -> Book:
    """A batch in which the sender has exactly this one prepared transfer."""
    return batch(with_locks(sender, transfer), *others, prepared=[transfer], **circumstances)


# -- preparing ---------------------------------------------------------------------------------


def test_a_prepared_transfer_is_announced_with_all_its_terms():
    """The answer echoes the request, and shows lock, deadline and demurrage (behaviours 23 and 79)."""
    sender = rich(100, created_at=NOW)
    book = applied(
        batch(sender, reachable=[BOB]),
        request(max_locked_amount=200, final_interest_rate_ts=T_FAR, coordinator_request_id=-9),
    )
    assert only(book.events) == PreparedTransfer(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        transfer_id=FIRST_TRANSFER_ID,
        coordinator_type="direct",
        coordinator_id=ALICE,
        coordinator_request_id=-9,
        locked_amount=100,
        recipient=str(BOB),
        prepared_at=text(NOW),
        demurrage_rate=-50.0,
        deadline=text(NOW + 90 * DAY),
        final_interest_rate_ts="9999-12-31T23:59:59+00:00",
        ts=text(NOW),
    )
    after = owner(book, ALICE)
    assert (after.total_locked_amount, after.pending_transfers_count) == (100, 1)
    assert (after.last_change_seqnum, after.update_pending_since) == (sender.last_change_seqnum, T0)


@pytest.mark.parametrize("recipient", ["18446744073709551615", "0", "1002"])
def test_a_recipient_is_echoed_as_it_was_received(recipient):
    """The text of the request comes back unchanged (behaviour 23)."""
    book = applied(batch(rich(), reachable=[-1, BOB]), request(recipient=recipient))
    assert only(emitted(book, PreparedTransfer)).recipient == recipient


def test_a_rejection_echoes_its_coordinator():
    """Coordinator type, id and request come back, the sum of the locks besides (behaviours 14 and 78)."""
    sender = rich(1000, total_locked_amount=300, pending_transfers_count=1)
    asked = request(
        coordinator_type="exotic", coordinator_id=-3, coordinator_request_id=4, min_locked_amount=701,
        max_locked_amount=800,
    )  # fmt: skip
    book = applied(batch(sender, reachable=[BOB]), asked)
    assert only(book.events) == RejectedTransfer(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        coordinator_type="exotic",
        coordinator_id=-3,
        coordinator_request_id=4,
        status_code=INSUFFICIENT_AVAILABLE_AMOUNT,
        total_locked_amount=300,
        ts=text(NOW),
    )
    assert book.changed_accounts() == []


def test_a_missing_sender_is_not_created():
    """A rejection leaves nothing behind (behaviours 15 and 16)."""
    book = applied(batch(reachable=[BOB]), request())
    assert kinds(book) == ["RejectedTransfer"]
    assert book.accounts == {}


def test_the_root_account_can_send_only_if_it_exists():
    """Nothing can be issued in a currency without a root account."""
    book = applied(batch(account(BOB)), request(ROOT, coordinator_type="issuing"))
    assert only(emitted(book, RejectedTransfer)).status_code == "SENDER_IS_UNREACHABLE"


def test_requests_of_one_sender_see_the_locks_of_earlier_ones():
    """Of 100, the third request for 40 gets the remaining 20 (behaviour 23)."""
    book = applied(
        batch(rich(100), reachable=[BOB]),
        *(request(max_locked_amount=40, coordinator_request_id=n) for n in range(4)),
    )
    answers = emitted(book, PreparedTransfer)
    assert [answer.locked_amount for answer in answers] == [40, 40, 20, 0]
    first = answers[0].transfer_id
    assert [answer.transfer_id for answer in answers] == [first, first + 1, first + 2, first + 3]


@pytest.mark.parametrize(
    ("at", "ts"),
    [(NOW + DAY, NOW + DAY), (NOW, NOW), (NOW - HOUR, NOW)],
    ids=["later", "at once", "clock set back"],
)
def test_a_repeated_request_locks_nothing_again(at, ts):
    """The same transfer is announced, never dated before its preparation (behaviour 71)."""
    transfer = prepared(locked_amount=60, deadline=NOW + DAY)
    book = bank(transfer, rich(100), now=at)
    repeated = request(min_locked_amount=5000, max_locked_amount=5000, recipient="nobody")
    answer = only(emitted(applied(book, repeated), PreparedTransfer))
    assert (answer.transfer_id, answer.locked_amount) == (transfer.transfer_id, 60)
    assert (answer.recipient, answer.deadline) == (str(BOB), text(NOW + DAY))
    assert (answer.prepared_at, answer.ts) == (text(NOW), text(ts))
    assert (book.changed_accounts(), book.new_transfers, book.removed_transfers) == ([], {}, [])


def test_a_repeated_request_is_answered_whatever_has_become_of_its_parties():
    """A transfer that is prepared is never reported as rejected (behaviour 71)."""
    transfer = prepared(coordinator_type="agent")
    book = bank(transfer, rich(100), deleted(BOB))
    assert kinds(applied(book, request(coordinator_type="agent"))) == ["PreparedTransfer"]


def test_duplicates_of_one_batch_lock_once():
    """The second copy finds what the first one prepared (behaviour 71)."""
    book = applied(batch(rich(100), reachable=[BOB]), request(), request(), request())
    answers = emitted(book, PreparedTransfer)
    assert len(answers) == 3
    assert answers[0] == answers[1] == answers[2]
    assert owner(book, ALICE).pending_transfers_count == 1
    assert len(book.new_transfers) == 1


def test_a_repeated_request_after_finalization_is_a_new_one():
    """A new transfer id is taken, also within one batch (behaviour 72)."""
    transfer = prepared()
    book = bank(transfer, rich(100), reachable=[BOB])
    applied(book, finalize(transfer), request())
    assert only(emitted(book, PreparedTransfer)).transfer_id == transfer.transfer_id + 1


@pytest.mark.parametrize(
    "other",
    [
        {"coordinator_type": "exotic"},
        {"coordinator_id": BOB, "coordinator_type": "exotic"},
        {"coordinator_request_id": 2},
    ],
)
def test_another_key_is_another_request(other):
    """Type, coordinator and request number together name a request (behaviour 73)."""
    book = applied(batch(rich(100), reachable=[BOB]), request(max_locked_amount=30))
    applied(book, request(**{"max_locked_amount": 30} | other))
    first, second = emitted(book, PreparedTransfer)
    assert second.transfer_id == first.transfer_id + 1
    assert owner(book, ALICE).total_locked_amount == 60


@pytest.mark.parametrize("root_account", [[], [root(config_flags=1)], [deleted(ROOT)]])
def test_the_root_account_is_always_reachable(root_account):
    """It accepts transfers even when it is missing, scheduled for deletion or deleted (behaviour 33)."""
    book = applied(batch(rich(), *root_account), request(recipient_id=ROOT))
    assert kinds(book) == ["PreparedTransfer"]


@pytest.mark.parametrize("bob", [[], [account(BOB, config_flags=1)], [deleted(BOB)]])
def test_others_have_to_exist_and_be_open(bob):
    """A missing, closing or deleted recipient is not reachable (behaviours 14, 21 and 49)."""
    book = applied(batch(rich(0), *bob), request(min_locked_amount=5))
    assert only(emitted(book, RejectedTransfer)).status_code == RECIPIENT_IS_UNREACHABLE


# -- finalizing --------------------------------------------------------------------------------


def test_a_commit_moves_the_amount_and_unlocks_the_rest():
    """40 of 100 are moved, both hear of it, and 60 can be locked again (behaviours 25 and 39)."""
    transfer = prepared(coordinator_request_id=5)
    book = bank(transfer, rich(100), account(BOB))
    commit = finalize(transfer, 40, transfer_note="for you", transfer_note_format="x.y-Z9")
    applied(book, commit, request(max_locked_amount=100, coordinator_request_id=6))

    assert only(emitted(book, FinalizedTransfer)) == FinalizedTransfer(
        debtor_id=DEBTOR,
        creditor_id=ALICE,
        transfer_id=transfer.transfer_id,
        coordinator_type="direct",
        coordinator_id=ALICE,
        coordinator_request_id=5,
        committed_amount=40,
        status_code=OK,
        total_locked_amount=0,
        prepared_at=text(NOW),
        ts=text(NOW),
    )
    common: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creation_date": day_of(NOW - DAY),
        "transfer_number": 1,
        "previous_transfer_number": 0,
        "coordinator_type": "direct",
        "sender": str(ALICE),
        "recipient": str(BOB),
        "transfer_note": "for you",
        "transfer_note_format": "x.y-Z9",
        "committed_at": text(NOW),
        "ts": text(NOW),
    }
    assert emitted(book, AccountTransfer) == [
        AccountTransfer(creditor_id=ALICE, acquired_amount=-40, principal=60, **common),
        AccountTransfer(creditor_id=BOB, acquired_amount=40, principal=40, **common),
    ]
    assert only(emitted(book, PreparedTransfer)).locked_amount == 60
    assert emitted(book, AccountUpdate) == []


def test_a_committed_transfer_is_written_into_the_journal():
    """The entry names both parties with their principals and numbers."""
    transfer = prepared()
    book = applied(bank(transfer, rich(100), account(BOB)), finalize(transfer, 40))
    entry = only(book.entries)
    assert (entry.sender_creditor_id, entry.recipient_creditor_id, entry.amount) == (ALICE, BOB, 40)
    assert (entry.sender_principal, entry.recipient_principal) == (60, 40)
    assert (entry.sender_transfer_number, entry.recipient_transfer_number) == (1, 1)
    assert (entry.transfer_id, entry.committed_at) == (transfer.transfer_id, NOW)


def test_the_least_amount_is_moved_as_any_other():
    """A commit of 1 is no dismissal."""
    transfer = prepared()
    book = applied(bank(transfer, rich(100), account(BOB)), finalize(transfer, 1))
    assert (owner(book, ALICE).principal, owner(book, BOB).principal) == (99, 1)


def test_the_journal_says_who_has_coordinated_a_transfer():
    """By type, id and the request, with which a client finds it again."""
    transfer = prepared(coordinator_type="trade", coordinator_id=77, coordinator_request_id=88)
    book = applied(bank(transfer, rich(100), account(BOB)), finalize(transfer, 40))
    entry = only(book.entries)
    assert (entry.coordinator_type, entry.coordinator_id, entry.coordinator_request_id) == ("trade", 77, 88)


def test_a_commit_leaves_both_updates_pending_with_new_numbers():
    """Each party takes one number, and announces its balance later (behaviours 25 and 96)."""
    transfer = prepared()
    book = applied(bank(transfer, rich(100), account(BOB)), finalize(transfer, 40))
    for creditor_id in (ALICE, BOB):
        after = owner(book, creditor_id)
        assert (after.last_change_seqnum, after.last_change_ts) == (2, NOW)
        assert after.update_pending_since == NOW
        assert (after.last_transfer_number, after.last_transfer_committed_at) == (1, NOW)


REFUSALS = [
    ({"deadline": NOW - 1}, 100, "", TIMEOUT),
    ({"final_interest_rate_ts": T0 - 1}, 100, "", NEWER_INTEREST_RATE),
    ({}, 100, "x" * 201, TRANSFER_NOTE_IS_TOO_LONG),
    ({}, 101, "", INSUFFICIENT_AVAILABLE_AMOUNT),
    ({}, 0, "x" * 201, OK),
    ({"deadline": NOW - 1, "final_interest_rate_ts": T0 - 1}, 0, "", OK),
]


@pytest.mark.parametrize(("terms", "amount", "note", "status"), REFUSALS)
def test_a_dismissal_and_a_failed_commit_only_unlock(terms, amount, note, status):
    """One FinalizedTransfer over 0, and no change to be announced (behaviours 24, 31, 77, 78 and 100)."""
    transfer = prepared(**terms)
    other = prepared(transfer_id=FIRST_TRANSFER_ID + 1, locked_amount=30, coordinator_request_id=2)
    sender = with_locks(rich(130), transfer, other)
    book = batch(
        sender,
        account(BOB),
        prepared=[transfer, other],
        policy=Policy(transfer_note_max_bytes=200),
    )
    answer = only(applied(book, finalize(transfer, amount, transfer_note=note)).events)
    assert isinstance(answer, FinalizedTransfer)
    assert (answer.status_code, answer.committed_amount, answer.total_locked_amount) == (status, 0, 30)
    after = owner(book, ALICE)
    assert (after.principal, after.last_change_seqnum, after.update_pending_since) == (130, 1, T0)
    assert (after.total_locked_amount, after.pending_transfers_count) == (30, 1)
    assert book.removed_transfers == [(DEBTOR, ALICE, transfer.transfer_id)]
    assert book.entries == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"debtor_id": DEBTOR + 1},
        {"creditor_id": BOB},
        {"transfer_id": FIRST_TRANSFER_ID + 1},
        {"coordinator_type": "Direct"},
        {"coordinator_id": BOB},
        {"coordinator_request_id": 2},
    ],
)
def test_all_six_keys_have_to_match(wrong):
    """A message that differs in one is ignored, and does not spoil the right one behind it (behaviour 74)."""
    transfer = prepared()
    book = bank(transfer, rich(100), account(BOB))
    applied(book, finalize(transfer, 40, **wrong))
    assert (book.events, book.changed_accounts()) == ([], [])
    assert book.ignored == [("FinalizeTransfer", "F1")]
    assert only(emitted(applied(book, finalize(transfer, 40)), FinalizedTransfer)).committed_amount == 40


def test_an_unknown_transfer_is_ignored():
    """Nothing is emitted (behaviour 37)."""
    book = applied(batch(rich()), finalize(prepared(), 40))
    assert (book.events, book.ignored) == ([], [("FinalizeTransfer", "F1")])


@pytest.mark.parametrize(("amounts", "moved"), [([40, 40, 40], 40), ([0, 40], 0), ([40, 0], 40), ([7, 8], 7)])
def test_the_first_finalization_decides(amounts, moved):
    """Copies and contradictions behind it find nothing (behaviours 36 and 75)."""
    transfer = prepared()
    book = bank(transfer, rich(100), account(BOB))
    applied(book, *(finalize(transfer, amount) for amount in amounts))
    assert only(emitted(book, FinalizedTransfer)).committed_amount == moved
    assert owner(book, ALICE).principal == 100 - moved
    assert owner(book, BOB).principal == moved


def test_a_transfer_can_be_prepared_and_committed_in_one_batch():
    """It never reaches the database, but its id is used up."""
    book = applied(batch(rich(100, created_at=NOW), account(BOB)), request())
    (transfer,) = book.new_transfers.values()
    applied(book, finalize(transfer, 100))
    assert (book.new_transfers, book.removed_transfers) == ({}, [])
    assert owner(book, ALICE).last_transfer_id == FIRST_TRANSFER_ID
    assert owner(book, BOB).principal == 100


def test_nothing_locked_and_nothing_there_moves_nothing():
    """A commit of 40 on an empty account fails (behaviour 29)."""
    transfer = prepared(locked_amount=0)
    book = applied(bank(transfer, account(), account(BOB)), finalize(transfer, 40))
    answer = only(emitted(book, FinalizedTransfer))
    assert (answer.status_code, answer.committed_amount) == (INSUFFICIENT_AVAILABLE_AMOUNT, 0)
    assert kinds(book) == ["FinalizedTransfer"]


def test_money_that_arrives_after_the_preparation_can_be_committed():
    """Nothing was locked, 40 come in the same batch, and 40 go (behaviour 30)."""
    mine = prepared(locked_amount=0)
    yours = prepared(BOB, ALICE, coordinator_id=BOB, locked_amount=40)
    book = batch(with_locks(account(), mine), with_locks(rich(40, BOB), yours), prepared=[mine, yours])
    applied(book, finalize(yours, 40), finalize(mine, 40))
    assert [answer.status_code for answer in emitted(book, FinalizedTransfer)] == [OK, OK]
    assert (owner(book, ALICE).principal, owner(book, BOB).principal) == (0, 40)


def test_many_commits_of_one_sender_show_the_running_principal():
    """Each principal is the one before plus the amount, and the numbers have no gaps (behaviour 76)."""
    transfers = [
        prepared(
            transfer_id=FIRST_TRANSFER_ID + n,
            coordinator_request_id=n,
            locked_amount=10,
            recipient_creditor_id=BOB if n % 2 else CAROL,
        )
        for n in range(20)
    ]
    book = batch(with_locks(rich(500), *transfers), account(BOB), account(CAROL), prepared=transfers)
    applied(book, *(finalize(transfer, n + 1) for n, transfer in enumerate(transfers)))
    assert len(emitted(book, FinalizedTransfer)) == 20
    for creditor_id, start in ((ALICE, 500), (BOB, 0), (CAROL, 0)):
        principal, number = start, 0
        for event in emitted(book, AccountTransfer):
            if event.creditor_id == creditor_id:
                principal += event.acquired_amount
                assert event.principal == principal
                assert (event.previous_transfer_number, event.transfer_number) == (number, number + 1)
                number += 1
        assert owner(book, creditor_id).principal == principal
        assert owner(book, creditor_id).last_transfer_number == number


def test_interest_is_brought_up_to_date_before_the_principal_moves():
    """A commit after a year keeps the interest of the year (S5)."""
    transfer = prepared(locked_amount=1000, prepared_at=NOW - SECOND)
    sender = rich(1000, interest_rate=10.0, last_change_ts=NOW - YEAR)
    book = applied(bank(transfer, sender, account(BOB)), finalize(transfer, 1000))
    after = owner(book, ALICE)
    assert after.principal == 0
    assert after.interest == pytest.approx(100.0, abs=1e-10)


def test_interest_that_was_earned_can_be_sent():
    """A commit may take the principal below zero as long as the interest covers it (behaviour 46)."""
    transfer = prepared(locked_amount=0)
    sender = rich(1000, interest_rate=10.0, last_change_ts=NOW - YEAR - SECOND)
    book = applied(bank(transfer, sender, account(BOB)), finalize(transfer, 1100))
    assert only(emitted(book, FinalizedTransfer)).status_code == OK
    assert owner(book, ALICE).principal == -100


def test_the_moment_of_finalization_is_never_before_the_preparation():
    """A clock that was set back shows no contradiction."""
    transfer = prepared(prepared_at=NOW + HOUR)
    book = applied(bank(transfer, rich(100), account(BOB)), finalize(transfer, 100))
    assert only(emitted(book, FinalizedTransfer)).ts == text(NOW + HOUR)
    for event in emitted(book, AccountTransfer):
        assert (event.committed_at, event.ts) == (text(NOW + HOUR), text(NOW))
    assert owner(book, BOB).last_transfer_committed_at == NOW + HOUR


# -- recipients --------------------------------------------------------------------------------


def test_issuing_is_announced_to_the_recipient_only():
    """200 are issued: the root account falls to -200, and gets no AccountTransfer (behaviour 26)."""
    transfer = prepared(ROOT, coordinator_type="issuing", coordinator_id=DEBTOR, locked_amount=200)
    book = applied(bank(transfer, root(), account(BOB)), finalize(transfer, 200))
    assert only(emitted(book, AccountTransfer)).creditor_id == BOB
    assert (owner(book, ROOT).principal, owner(book, BOB).principal) == (-200, 200)
    assert owner(book, ROOT).last_transfer_number == 0
    assert owner(book, ROOT).update_pending_since == NOW


def test_a_transfer_to_the_root_account_creates_it():
    """Only the sender gets AccountTransfer; the root account announces itself (behaviours 33 and 43)."""
    transfer = prepared(recipient_creditor_id=ROOT)
    book = applied(bank(transfer, rich(100)), finalize(transfer, 40))
    assert only(emitted(book, AccountTransfer)).recipient == "0"
    update = only(emitted(book, AccountUpdate))
    assert (update.creditor_id, update.principal, update.last_change_seqnum) == (ROOT, 40, 1)
    assert update.config_data == ""


def test_an_agent_creates_the_account_that_it_pays():
    """The new account announces itself once, with the money on it (behaviour 43)."""
    transfer = prepared(AGENT_ALICE, AGENT_BOB, coordinator_type="agent")
    book = applied(bank(transfer, rich(100, AGENT_ALICE)), finalize(transfer, 40))
    update = only(emitted(book, AccountUpdate))
    assert (update.creditor_id, update.principal, update.last_change_seqnum) == (AGENT_BOB, 40, 1)
    assert (update.last_transfer_number, update.last_transfer_committed_at) == (1, text(NOW))
    assert (update.config_flags, update.negligible_amount) == (0, 0.0)
    assert owner(book, AGENT_BOB).update_pending_since == T0
    assert [account.creditor_id for account in book.created_accounts()] == [AGENT_BOB]


def test_an_agent_pays_an_account_that_is_scheduled_for_deletion():
    """The payment lands, and is announced whatever the negligible amount is (behaviour 105)."""
    transfer = prepared(AGENT_ALICE, AGENT_BOB, coordinator_type="agent")
    closing = account(AGENT_BOB, config_flags=1, negligible_amount=1e30)
    book = applied(bank(transfer, rich(100, AGENT_ALICE), closing), finalize(transfer, 40))
    assert [event.creditor_id for event in emitted(book, AccountTransfer)] == [AGENT_ALICE, AGENT_BOB]


def test_a_prepared_transfer_can_be_committed_to_an_account_that_closes_meanwhile():
    """Reachability is not checked again (behaviours 99 and 106)."""
    transfer = prepared()
    book = applied(
        bank(transfer, rich(100), account(BOB, config_flags=1, principal=5)), finalize(transfer, 40)
    )
    assert owner(book, BOB).principal == 45
    assert owner(book, BOB).is_scheduled_for_deletion


@pytest.mark.parametrize(
    ("negligible_amount", "amount", "parties"),
    [(40.0, 40, [ALICE]), (40.0, 41, [ALICE, BOB]), (16777216.0, 16777217, [ALICE, BOB]), (1e30, 5, [ALICE])],
)
def test_small_incoming_transfers_are_not_announced(negligible_amount, amount, parties):
    """The principal moves, the numbers do not; always announced to the sender (behaviours 38 and 90)."""
    transfer = prepared(locked_amount=amount)
    sender = rich(amount, negligible_amount=1e30)
    book = bank(transfer, sender, account(BOB, negligible_amount=negligible_amount))
    applied(book, finalize(transfer, amount))
    assert [event.creditor_id for event in emitted(book, AccountTransfer)] == parties
    bob = owner(book, BOB)
    assert (bob.principal, bob.last_transfer_number) == (amount, len(parties) - 1)
    assert (bob.last_change_seqnum, bob.update_pending_since) == (2, NOW)


def test_a_suppressed_transfer_shows_in_the_principal_of_the_next_one():
    """The chain of numbers has no gap, the principals have (behaviour 38)."""
    small = prepared(locked_amount=10)
    big = prepared(locked_amount=90, transfer_id=FIRST_TRANSFER_ID + 1, coordinator_request_id=2)
    book = batch(
        with_locks(rich(100), small, big), account(BOB, negligible_amount=10.0), prepared=[small, big]
    )
    applied(book, finalize(small, 10), finalize(big, 90))
    announced_to_bob = only([event for event in emitted(book, AccountTransfer) if event.creditor_id == BOB])
    assert (announced_to_bob.transfer_number, announced_to_bob.previous_transfer_number) == (1, 0)
    assert (announced_to_bob.acquired_amount, announced_to_bob.principal) == (90, 100)


# -- recipients on other shards (rules.md#credits-from-other-shards) ---------------------------


def test_a_credit_for_another_shard_leaves_as_a_message():
    """The debit is done here; the credit names the transfer and the moment.

    See rules.md#credits-from-other-shards.
    """
    near, far = local_creditor(), foreign_creditor()
    transfer = prepared(near, far, coordinator_type="exotic", prepared_at=NOW - DAY)
    book = bank(transfer, rich(100, near), policy=Policy(realm=SHARD))
    applied(book, finalize(transfer, 40, transfer_note="hi", transfer_note_format="f"))
    assert only(emitted(book, PendingBalanceChange)) == PendingBalanceChange(
        debtor_id=DEBTOR,
        creditor_id=far,
        change_id=transfer.transfer_id,
        coordinator_type="exotic",
        transfer_note="hi",
        transfer_note_format="f",
        committed_at=text(NOW),
        principal_delta=40,
        other_creditor_id=near,
    )
    assert only(emitted(book, AccountTransfer)).creditor_id == near
    assert owner(book, near).principal == 60
    assert (DEBTOR, far) not in book.accounts
    assert only(book.entries).recipient_principal is None


def test_transfers_within_a_shard_send_no_credits():
    """Debit and credit are one step (behaviour 95)."""
    near, neighbour = local_creditor(), local_creditor(start=1500)
    transfer = prepared(near, neighbour)
    book = bank(transfer, rich(100, near), account(neighbour), policy=Policy(realm=SHARD))
    assert emitted(applied(book, finalize(transfer, 40)), PendingBalanceChange) == []
    assert owner(book, neighbour).principal == 40


def test_without_the_settings_of_its_currency_nothing_is_issued():
    """A limit that nobody knows permits nothing."""
    book = batch(root(), account(BOB))
    book.currencies.clear()
    wanted = request(
        ROOT, BOB, coordinator_type="issuing", coordinator_id=DEBTOR, min_locked_amount=1, max_locked_amount=1
    )
    rejected = only(emitted(applied(book, wanted), RejectedTransfer))
    assert rejected.status_code == "INSUFFICIENT_AVAILABLE_AMOUNT"
