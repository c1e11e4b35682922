"""What operators must hear of a batch: which accounts, and in which words."""

import pytest

from swpt_accounts.rules.balances import INTEREST_BOUND
from swpt_accounts.rules.book import Alarm
from tests.backstage.builders import ALICE, BOB, DEBTOR, account, batch


@pytest.mark.parametrize(
    ("alarm", "words"),
    [
        (Alarm("principal overflow", (7, 1001)), "principal overflow on account 7/1001"),
        (Alarm("principal overflow", (-7, 0)), "principal overflow on account -7/0"),
        (Alarm("the clock goes back"), "the clock goes back"),
    ],
)
def test_an_alarm_names_the_account_that_it_is_about(alarm, words):
    """If it is about one."""
    assert str(alarm) == words


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (0.0, INTEREST_BOUND, True),
        (0.0, -INTEREST_BOUND, True),
        (0.0, INTEREST_BOUND / 2, False),
        (INTEREST_BOUND, INTEREST_BOUND, False),
        (-INTEREST_BOUND, INTEREST_BOUND, False),
        (INTEREST_BOUND, 0.0, False),
    ],
)
def test_interest_that_had_to_be_cut_is_told_once(before, after, is_told):
    """When it comes to its bound, and not while it stays there (rules.md#numbers-and-time)."""
    book = batch(account(ALICE, interest=before), account(BOB))
    book.store(account(ALICE, interest=after))
    assert book.interest_alarms() == [Alarm("interest out of bounds", (DEBTOR, ALICE))] * is_told


def test_an_account_that_did_not_exist_before_tells_nothing():
    """There is nothing to compare it with."""
    book = batch()
    book.store(account(ALICE, interest=INTEREST_BOUND))
    assert book.interest_alarms() == []
