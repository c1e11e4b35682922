"""What was refused is written down beside the answer."""

from swpt_accounts.events import FinalizedTransfer, RejectedTransfer
from swpt_accounts.rules.refusals import Refusal
from swpt_accounts.wire.codes import (
    INVALID_CONFIGURATION,
    RECIPIENT_IS_UNREACHABLE,
    TIMEOUT,
)
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


def test_a_dismissal_and_a_success_are_no_refusals():
    """Also a dismissal after the deadline: it asked for nothing, and got it."""
    late = prepared(deadline=NOW - DAY)
    timely = prepared(transfer_id=late.transfer_id + 1, coordinator_request_id=2)
    book = batch(with_locks(rich(1000), late, timely), account(BOB), prepared=[late, timely])
    applied(book, finalize(late, 0), finalize(timely, 5), configure(BOB, seqnum=9))
    assert len(emitted(book, FinalizedTransfer)) == 2
    assert book.refusals == []
