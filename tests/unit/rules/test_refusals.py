"""What was refused is written down beside the answer."""

import msgspec
import pytest

from swpt_accounts.events import FinalizedTransfer, RejectedTransfer
from swpt_accounts.rules.refusals import Refusal
from swpt_accounts.wire.codes import (
    INSUFFICIENT_AVAILABLE_AMOUNT,
    INVALID_CONFIGURATION,
    RECIPIENT_IS_UNREACHABLE,
    TIMEOUT,
)
from swpt_accounts.wire.moments import T_FAR
from swpt_accounts.wire.numbers import MIN_INT64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    NOW,
    account,
    applied,
    batch,
    configure,
    emitted,
    finalize,
    only,
    prepared,
    request,
    rich,
    with_locks,
)


def test_each_refusal_has_the_names_of_its_request():
    """In the order of the messages: a transfer, a commit that came too late, a configuration."""
    transfer = prepared(deadline=NOW - DAY)
    book = applied(
        batch(with_locks(rich(1000), transfer), account(BOB), prepared=[transfer]),
        request(recipient="999", coordinator_request_id=2),
        finalize(transfer, 5),
        configure(BOB, config_data="x", config_flags=3, negligible_amount=7.0, seqnum=9),
    )
    rejected, finalized = only(emitted(book, RejectedTransfer)), only(emitted(book, FinalizedTransfer))
    assert book.refusals == [
        Refusal(
            "transfer",
            RECIPIENT_IS_UNREACHABLE,
            DEBTOR,
            ALICE,
            rejected.coordinator_type,
            rejected.coordinator_id,
            rejected.coordinator_request_id,
            None,
            rejected.total_locked_amount,
            recipient="999",
            min_locked_amount=0,
            max_locked_amount=100,
            available_amount=900,
            pending_transfers_count=1,
            max_prepared_transfers=book.policy.max_prepared_transfers,
            final_interest_rate_ts=T_FAR,
            last_interest_rate_change_ts=rich(1000).last_interest_rate_change_ts,
        ),
        Refusal(
            "commit",
            TIMEOUT,
            DEBTOR,
            ALICE,
            finalized.coordinator_type,
            finalized.coordinator_id,
            finalized.coordinator_request_id,
            transfer.transfer_id,
            finalized.total_locked_amount,
            recipient=str(BOB),
            committed_amount=5,
            locked_amount=transfer.locked_amount,
            available_amount=900,
            transfer_note_bytes=len(finalize(transfer, 5).transfer_note),
            transfer_note_max_bytes=book.policy.transfer_note_max_bytes,
            prepared_at=transfer.prepared_at,
            deadline=NOW - DAY,
            final_interest_rate_ts=transfer.final_interest_rate_ts,
            last_interest_rate_change_ts=rich(1000).last_interest_rate_change_ts,
        ),
        Refusal(
            "configuration",
            INVALID_CONFIGURATION,
            DEBTOR,
            BOB,
            config_ts=configure(BOB).ts,
            config_seqnum=9,
            config_flags=3,
            negligible_amount=7.0,
            config_data="x",
        ),
    ]


@pytest.mark.parametrize(
    "balance, locked, wanted, available",
    [
        (1000, 300, 701, 700),
        (0, 0, 1, 0),
        # what can be spent may be less than nothing
        (-50, 0, 1, -50),
        # and no number is too long for its column
        (-(2**63 - 1), 300, 1, MIN_INT64),
    ],
)
def test_a_refusal_tells_what_was_there(balance, locked, wanted, available):
    """What was wanted, and what could be spent beside everything that was locked."""
    sender = msgspec.structs.replace(rich(0), principal=balance, total_locked_amount=locked)
    book = applied(
        batch(sender, account(BOB)), request(min_locked_amount=wanted, max_locked_amount=2**63 - 1)
    )
    told_of = only(book.refusals)
    assert told_of.code == INSUFFICIENT_AVAILABLE_AMOUNT
    assert (told_of.min_locked_amount, told_of.max_locked_amount) == (wanted, 2**63 - 1)
    assert (told_of.available_amount, told_of.total_locked_amount) == (available, locked)


def test_a_sender_that_does_not_exist_has_no_numbers():
    """Those of the request are kept, also a recipient that is no id."""
    refusal = only(applied(batch(), request(recipient="\x1b nobody")).refusals)
    assert (refusal.recipient, refusal.min_locked_amount) == ("\x1b nobody", 0)
    assert (refusal.available_amount, refusal.pending_transfers_count) == (None, None)


def test_a_dismissal_and_a_success_are_no_refusals():
    """Also a dismissal after the deadline: it asked for nothing, and got it."""
    late = prepared(deadline=NOW - DAY)
    timely = prepared(transfer_id=late.transfer_id + 1, coordinator_request_id=2)
    book = batch(with_locks(rich(1000), late, timely), account(BOB), prepared=[late, timely])
    applied(book, finalize(late, 0), finalize(timely, 5), configure(BOB, seqnum=9))
    assert len(emitted(book, FinalizedTransfer)) == 2
    assert book.refusals == []
