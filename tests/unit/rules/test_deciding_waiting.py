"""Requests whose recipients live on another shard: they wait, and go on (rules.md#waiting-requests)."""

import msgspec
import pytest

from swpt_accounts.events import PreparedTransfer, RejectedTransfer
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.deciding import answer_waiting
from swpt_accounts.rules.facts import request_key
from swpt_accounts.rules.policy import Policy
from swpt_accounts.wire.codes import (
    INSUFFICIENT_AVAILABLE_AMOUNT,
    NEWER_INTEREST_RATE,
    RECIPIENT_IS_UNREACHABLE,
    SENDER_IS_UNREACHABLE,
    TOO_MANY_TRANSFERS,
)
from tests.backstage.builders import (
    AGENT_ALICE,
    AGENT_BOB,
    DAY,
    DEBTOR,
    NOW,
    ROOT,
    SHARD,
    account,
    applied,
    batch,
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
)

NEAR, FAR = local_creditor(), foreign_creditor()
POLICY = Policy(realm=SHARD)


def shard(*accounts, **circumstances) -> Book:
    """A batch on one of two shards."""
    return batch(*accounts, policy=POLICY, **circumstances)


def wanted(sender: int = NEAR, recipient: int = FAR, **fields):
    """A request for a transfer to the other shard."""
    return request(sender, recipient, **fields)


def test_a_request_for_another_shard_waits_without_a_word():
    """It is neither prepared nor rejected, nothing is locked, and nothing is sent (P4, behaviour 70)."""
    asked = wanted()
    book = applied(shard(rich(100, NEAR)), asked)
    assert book.new_waiting == {request_key(asked): asked}
    assert book.events == []
    assert book.refusals == []
    assert book.changed_accounts() == []


def test_a_request_waits_also_if_its_sender_could_not_pay():
    """An unreachable recipient wins over every problem of the sender, so the other shard comes first (P4)."""
    for sender in ([], [deleted(NEAR)], [rich(0, NEAR)]):
        book = applied(shard(*sender), wanted(min_locked_amount=100))
        assert len(book.new_waiting) == 1
        assert book.events == []


@pytest.mark.parametrize(
    "changes", [{}, {"max_locked_amount": 7}, {"recipient": foreign_creditor(start=2500)}]
)
def test_a_repeated_request_is_dropped_while_the_first_one_waits(changes):
    """The first one gets the answer, whatever the repetition says (P1)."""
    first = wanted()
    for known in ({}, {request_key(first): first}):
        book = shard(rich(100, NEAR))
        book.waiting |= known
        applied(book, *([] if known else [first]), wanted(**changes))
        assert book.new_waiting == ({} if known else {request_key(first): first})
        assert book.ignored == [("PrepareTransfer", "P1")]
        assert book.events == []


def test_the_same_request_of_another_type_is_another_one():
    """Type and ids of the coordinator are parts of the key (P1)."""
    others = wanted(coordinator_type="exotic"), wanted(coordinator_request_id=2)
    book = applied(shard(rich(100, NEAR)), wanted(), *others)
    assert len(book.new_waiting) == 3


def test_who_has_just_said_yes_is_not_asked_again():
    """A positive answer may be used again for ten seconds (P4)."""
    book = applied(shard(rich(100, NEAR), reachable=[FAR]), wanted())
    assert kinds(book) == ["PreparedTransfer"]
    assert book.new_waiting == {}


def test_a_row_that_a_split_has_left_here_says_nothing():
    """On this shard is what the realm owns, and not what has a row (P4)."""
    book = applied(shard(rich(100, NEAR), account(FAR)), wanted())
    assert len(book.new_waiting) == 1


def test_the_root_account_is_reachable_wherever_it_lives():
    """Nobody is asked about it (P4, behaviour 65)."""
    here = [number for number in range(1, 99) if SHARD.owns(number, NEAR)]
    debtor = next(number for number in here if not SHARD.owns(number, ROOT))
    sender = rich(100, NEAR, debtor_id=debtor)
    book = applied(shard(sender), wanted(recipient=ROOT, debtor_id=debtor))
    assert kinds(book) == ["PreparedTransfer"]


def test_nobody_asks_for_an_agent():
    """Neither existence nor bit 0 of the recipient matters for type agent (P4, behaviour 105)."""
    realm = next(one for one in (SHARD, SHARD._replace(prefix=1)) if one.owns(DEBTOR, AGENT_ALICE))
    asked = request(AGENT_ALICE, AGENT_BOB, coordinator_type="agent")
    book = applied(batch(rich(100, AGENT_ALICE), policy=Policy(realm=realm)), asked)
    assert kinds(book) == ["PreparedTransfer"]


def test_a_recipient_that_is_no_number_is_not_asked_for():
    """P3 stands before P4."""
    asked = msgspec.structs.replace(wanted(), recipient="05")
    book = applied(shard(rich(100, NEAR)), asked)
    assert only(emitted(book, RejectedTransfer)).status_code == RECIPIENT_IS_UNREACHABLE


def test_a_prepared_transfer_answers_its_repetition_although_the_recipient_is_elsewhere():
    """P2 stands before P4: nobody has to be asked again."""
    transfer = prepared(NEAR, FAR)
    sender = rich(100, NEAR, pending_transfers_count=1, total_locked_amount=transfer.locked_amount)
    book = applied(shard(sender, prepared=[transfer]), wanted())
    assert only(emitted(book, PreparedTransfer)).transfer_id == transfer.transfer_id
    assert book.new_waiting == {}


# -- answers -----------------------------------------------------------------------------------


def test_after_a_yes_the_transfer_is_prepared_as_of_now():
    """The ladder goes on at P5, at the moment of the answer (behaviour 70)."""
    book = shard(rich(100, NEAR), now=NOW + DAY)
    answer_waiting(book, wanted(max_locked_amount=60), is_reachable=True)
    answer = only(emitted(book, PreparedTransfer))
    assert (answer.locked_amount, answer.recipient) == (60, str(FAR))
    (transfer,) = book.new_transfers.values()
    assert transfer.prepared_at == NOW + DAY
    assert owner(book, NEAR).total_locked_amount == 60


@pytest.mark.parametrize(
    ("sender", "fields", "says_yes", "code", "total"),
    [
        # the other shard decides first
        (None, {}, False, RECIPIENT_IS_UNREACHABLE, 0),
        (rich(9, NEAR, total_locked_amount=3), {}, False, RECIPIENT_IS_UNREACHABLE, 0),
        # then the sender, as it is now
        (None, {}, True, SENDER_IS_UNREACHABLE, 0),
        (deleted(NEAR), {}, True, SENDER_IS_UNREACHABLE, 0),
        (rich(9, NEAR), {"min_locked_amount": 10}, True, INSUFFICIENT_AVAILABLE_AMOUNT, 0),
        (
            rich(9, NEAR, total_locked_amount=3, pending_transfers_count=1),
            {"min_locked_amount": 7},
            True,
            INSUFFICIENT_AVAILABLE_AMOUNT,
            3,
        ),
        (
            rich(9, NEAR, last_interest_rate_change_ts=NOW),
            {"final_interest_rate_ts": NOW - 1},
            True,
            NEWER_INTEREST_RATE,
            0,
        ),
    ],
)  # fmt: skip
def test_what_has_changed_meanwhile_counts(sender, fields, says_yes, code, total):
    """A request that has waited is judged by the state at its answer (P4 to P11)."""
    book = shard(*([] if sender is None else [sender]))
    answer_waiting(book, wanted(**fields), is_reachable=says_yes)
    answer = only(emitted(book, RejectedTransfer))
    assert (answer.status_code, answer.total_locked_amount) == (code, total)
    assert [refusal.code for refusal in book.refusals] == [code]
    assert book.new_transfers == {}


def test_answers_of_one_batch_see_the_locks_of_earlier_ones():
    """Three requests for 40 of 100 get 40, 40 and 20 (rule S7)."""
    book = batch(rich(100, NEAR), policy=Policy(realm=SHARD, max_prepared_transfers=3))
    for number in range(4):
        answer_waiting(book, wanted(max_locked_amount=40, coordinator_request_id=number), is_reachable=True)
    assert [answer.locked_amount for answer in emitted(book, PreparedTransfer)] == [40, 40, 20]
    assert only(emitted(book, RejectedTransfer)).status_code == TOO_MANY_TRANSFERS


def test_a_transfer_that_has_waited_is_finalized_like_any_other():
    """The credit goes to the other shard; reachability is not asked again (F7)."""
    book = shard(rich(100, NEAR))
    answer_waiting(book, wanted(), is_reachable=True)
    (transfer,) = book.new_transfers.values()
    applied(book, finalize(transfer, 100))
    assert kinds(book) == ["PreparedTransfer", "FinalizedTransfer", "AccountTransfer", "PendingBalanceChange"]
