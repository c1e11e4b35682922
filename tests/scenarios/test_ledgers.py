"""Stories of ledgers: what owners see of their accounts, and how it holds together."""

from datetime import timedelta

import pytest

from .currency import ALICE, BOB, CAROL, T0, account_id, instant


def test_a_transfer_is_announced_to_both_parties(currency):
    """Parties, note, format, number, moment and principal stand in both messages (behaviour 39)."""
    currency.rich(ALICE, 100, negligible_amount=1000.0)
    currency.open(BOB)
    words = {"transfer_note": 'Благодаря! "\\/\n\t€ 😀 \u2028', "transfer_note_format": "-cX.9z"}
    finalized = currency.pay(ALICE, BOB, 40, **words)
    for creditor_id, amount, principal in ((ALICE, -40, 60), (BOB, 40, 40)):
        transfer = currency.take("AccountTransfer", creditor_id=creditor_id)
        assert transfer.has(
            creation_date=transfer.ts[:10],
            transfer_number=1,
            previous_transfer_number=0,
            coordinator_type="direct",
            sender=account_id(ALICE),
            recipient=account_id(BOB),
            acquired_amount=amount,
            principal=principal,
            committed_at=finalized.ts,
            **words,
        )
        assert instant(transfer.ts) >= instant(transfer.committed_at)


def test_small_incoming_transfers_are_not_announced(currency):
    """They change the principal and take no number; outgoing ones are always announced (behaviour 38)."""
    currency.rich(ALICE, 100)
    currency.open(BOB, negligible_amount=10.5)
    for amount in (10, 11, 1):
        currency.pay(ALICE, BOB, amount)
    assert [currency.take("AccountTransfer", creditor_id=ALICE).acquired_amount for _ in range(3)] == [
        -10,
        -11,
        -1,
    ]
    assert currency.take("AccountTransfer", creditor_id=BOB).has(
        transfer_number=1, acquired_amount=11, principal=21
    )
    currency.pay(BOB, ALICE, 1)
    sent = currency.take("AccountTransfer", creditor_id=BOB)
    assert sent.has(transfer_number=2, previous_transfer_number=1, acquired_amount=-1, principal=21)
    currency.take("AccountTransfer", creditor_id=ALICE)
    currency.silent(besides=("AccountUpdate",))
    assert currency.open(BOB, negligible_amount=10.5).has(
        last_transfer_number=2, last_transfer_committed_at=sent.committed_at, principal=21
    )


@pytest.mark.parametrize(
    ("negligible_amount", "amount", "is_announced"),
    [
        (16777216.0, 16777216, False),
        (16777216.0, 16777217, True),
        (9007199254740992.0, 9007199254740993, True),
        (9007199254740992.0, 9007199254740992, False),
        (0.0, 1, True),
        (0.999, 1, True),
        (1e30, 2**62, False),
    ],
)
def test_negligible_is_an_exact_word(currency, negligible_amount, amount, is_announced):
    """An integer is compared with a float without rounding (behaviour 90)."""
    currency.open_root()
    currency.open(ALICE, negligible_amount=negligible_amount)
    currency.issue(ALICE, amount)
    currency.silent(besides=() if not is_announced else ("AccountTransfer", "AccountUpdate"))
    assert len([event for event in currency.inbox if event.type == "AccountTransfer"]) == is_announced


def test_many_commits_at_once_say_the_running_principal(currency):
    """Each principal is the one before plus the amount, and the numbers have no gaps (behaviour 76)."""
    currency.rich(ALICE, 1000)
    currency.open(BOB)
    prepared = [currency.prepared(ALICE, BOB) for _ in range(30)]
    for number, transfer in enumerate(prepared, 1):
        currency.agent.send(currency.finalization(transfer, number))
    for transfer in prepared:
        assert currency.finalized(transfer).status_code == "OK"
    for creditor_id, start, told_before, sign in ((ALICE, 1000, 1, -1), (BOB, 0, 0, 1)):
        for amount in range(1, 31):
            transfer = currency.take("AccountTransfer", creditor_id=creditor_id)
            assert transfer.has(
                transfer_number=told_before + amount,
                previous_transfer_number=told_before + amount - 1,
                acquired_amount=sign * amount,
                principal=start + sign * sum(range(amount + 1)),
            )


def test_updates_belong_to_transfers_that_were_announced(currency):
    """Number and moment of the last transfer are those of an AccountTransfer, or none (behaviour 81)."""
    currency.open_root()
    assert currency.open(ALICE).has(last_transfer_number=0, last_transfer_committed_at=T0)
    for number in (1, 2, 3):
        currency.issue(ALICE, number)
        event = currency.take("AccountTransfer")
        assert event.transfer_number == number
        assert currency.open(ALICE).has(
            last_transfer_number=number, last_transfer_committed_at=event.committed_at
        )


def test_a_state_has_one_number(currency):
    """States with equal numbers are equal; the moment of the last change never decreases (behaviour 80)."""
    currency.open_root()
    updates = [currency.open(ALICE)]
    for amount in range(1, 6):
        currency.issue(ALICE, amount)
        updates.append(currency.open(ALICE, config_flags=2 * amount))
    numbers = [update.last_change_seqnum for update in updates]
    moments = [instant(update.last_change_ts) for update in updates]
    assert numbers == sorted(set(numbers))
    assert moments == sorted(moments)
    currency.take("AccountTransfer", transfer_number=5)
    currency.issue(ALICE, 6)
    delayed = currency.take("AccountUpdate", creditor_id=ALICE, principal=21)
    assert delayed.last_change_seqnum == numbers[-1] + 1
    assert instant(delayed.ts) > instant(delayed.last_change_ts) >= moments[-1]


def test_changes_of_a_balance_are_announced_together(currency):
    """One update comes a second after the first change; the next one has to wait a minute (behaviour 96)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    currency.open(CAROL)
    first = currency.pay(ALICE, BOB, 10)
    last = currency.pay(ALICE, BOB, 5)
    update = currency.take("AccountUpdate", creditor_id=BOB)
    assert update.has(principal=15, last_change_seqnum=3, last_transfer_number=2)
    assert instant(update.last_change_ts) == instant(last.ts)
    waited = instant(update.ts) - instant(first.ts)
    assert timedelta(seconds=1) <= waited < timedelta(seconds=3)
    assert currency.take("AccountUpdate", creditor_id=ALICE).principal == 85
    currency.pay(ALICE, BOB, 1)
    currency.pay(ALICE, CAROL, 1)
    currency.take("AccountUpdate", creditor_id=CAROL, principal=1)
    currency.silent(besides=("AccountTransfer",))
    assert currency.open(BOB).has(principal=16, last_change_seqnum=5)
