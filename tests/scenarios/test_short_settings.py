"""Stories on a server with two workers, short intervals and low limits."""

from datetime import timedelta

from .currency import ALICE, BOB, instant


def test_only_so_many_transfers_wait(short_currency):
    """With two prepared ones the third is refused, until one of them is finalized (behaviour 18)."""
    short_currency.rich(ALICE, 100)
    short_currency.open(BOB)
    one = short_currency.prepared(ALICE, BOB, 30)
    short_currency.prepared(ALICE, BOB, 40)
    assert short_currency.rejected(ALICE, BOB, 1).has(
        status_code="TOO_MANY_TRANSFERS", total_locked_amount=70
    )
    assert short_currency.rejected(ALICE, ALICE, 1).status_code == "TOO_MANY_TRANSFERS"
    short_currency.finalize(one, 0)
    short_currency.prepared(ALICE, BOB, 1)


def test_a_note_may_be_too_long(short_currency):
    """More bytes than announced make a commit fail, and unlock; a dismissal may be wordy (behaviour 100)."""
    assert short_currency.rich(ALICE, 100).transfer_note_max_bytes == 150
    short_currency.open(BOB)
    in_vain = short_currency.finalize(
        short_currency.prepared(ALICE, BOB, 10), 10, transfer_note="ю" * 75 + "x"
    )
    assert in_vain.has(status_code="TRANSFER_NOTE_IS_TOO_LONG", committed_amount=0, total_locked_amount=0)
    dismissed = short_currency.finalize(short_currency.prepared(ALICE, BOB, 10), 0, transfer_note="x" * 500)
    assert dismissed.has(status_code="OK", committed_amount=0)
    short_currency.pay(ALICE, BOB, 10, transfer_note="ю" * 75)
    assert short_currency.take("AccountTransfer", creditor_id=BOB).has(transfer_note="ю" * 75, principal=10)


def test_the_next_changes_are_announced_when_the_interval_is_over(short_currency):
    """Both of them come in one update, the interval after the one before (behaviour 96)."""
    short_currency.rich(ALICE, 100)
    short_currency.open(BOB)
    first = short_currency.pay(ALICE, BOB, 10)
    early = short_currency.take("AccountUpdate", creditor_id=BOB)
    assert early.principal == 10
    assert timedelta(seconds=0.25) <= instant(early.ts) - instant(first.ts) < timedelta(seconds=2.25)
    short_currency.pay(ALICE, BOB, 5)
    short_currency.pay(ALICE, BOB, 1)
    late = short_currency.take("AccountUpdate", creditor_id=BOB)
    assert late.has(principal=16, last_change_seqnum=4)
    assert timedelta(seconds=2) <= instant(late.ts) - instant(early.ts) < timedelta(seconds=4)
