"""What must be true is said where it enters: a bug of ours is loud, before anything is stored."""

import pytest

from swpt_accounts.rules.facts import Payment
from swpt_accounts.wire.numbers import MAX_UINT64, MIN_INT64, i64
from tests.backstage.builders import ALICE, BOB, DEBTOR, NOW, account, batch, owner

PAYMENT = Payment("direct", NOW)


def test_nothing_is_no_transfer():
    """An amount of zero would take a number and move nothing."""
    book = batch(account())
    with pytest.raises(AssertionError, match=r"^every transfer moves something$"):
        book.change(owner(book, ALICE), 0, BOB, PAYMENT, announce=False)


@pytest.mark.parametrize(("amount", "knows_sender"), [(0, True), (-5, True), (5, False)])
def test_the_journal_takes_only_transfers_of_ours(amount, knows_sender):
    """From one account to another, of which at least one is here."""
    book = batch(account())
    sender = owner(book, ALICE) if knows_sender else None
    with pytest.raises(AssertionError):
        book.enter(sender, None, (DEBTOR, ALICE, BOB), amount, PAYMENT)


@pytest.mark.parametrize("number", [MIN_INT64 - 1, MAX_UINT64 + 1])
def test_an_id_has_64_bits(number):
    """What is checked at every door is true behind it."""
    with pytest.raises(AssertionError):
        i64(number)
