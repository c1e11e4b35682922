"""Closing a month of the journal in which something was odd: an overflow, a clock, a rest of the server."""

import logging

import msgspec
import pytest

from swpt_accounts.operators.operations.closing import close_month
from swpt_accounts.operators.operations.journal import tidy
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.partitions import DEFAULT, Month, make_partitions
from swpt_accounts.transactions.columns import JOURNAL_COLUMNS
from swpt_accounts.wire.moments import to_datetime
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    NOW,
    SHARD,
    configure,
    credit,
    foreign_creditor,
    month_later,
)
from tests.backstage.months import (
    CAROL,
    FIRST,
    LATER,
    SECOND,
    checked,
    openings,
    partitions,
    pay,
    seal_all,
    three_months,
)

DAVE = 1004
COLUMNS = ", ".join(JOURNAL_COLUMNS[1:])
NOTES = "SELECT sender_creditor_id, transfer_note FROM journal WHERE coordinator_type = 'opening' ORDER BY 1"


@pytest.fixture
def stand(postgres_url):
    """Three months with payments in each."""
    with three_months(postgres_url) as stand:
        yield stand


@pytest.fixture
def close(stand, owner, order, tmp_path):
    """Closes a month, when all is sealed."""

    def close(month, **options):
        seal_all(stand)
        archive = tmp_path / str(month)
        return close_month(owner, month, archive, closed_before=LATER, order=order, **options)

    return close


# -- overflows -----------------------------------------------------------------------------------


def make_rich(stand, creditor_id=DAVE):
    """An account that has nearly all that there can be, by an opening balance."""
    stand.replace(clock=lambda: NOW)
    stand.apply(configure(creditor_id))
    rich = (MAX_INT64 - 10, creditor_id)
    stand.execute("UPDATE account SET principal = %s WHERE creditor_id = %s", *rich)
    names = "debtor_id, creditor_id, creditor_id, 0, principal, principal, created_at, created_at, 0, 0"
    stand.execute(
        f"INSERT INTO journal (applied_at, {COLUMNS}) SELECT created_at, {names}, created_at, 0, 0, 0,"
        " 'opening', '', '' FROM account WHERE creditor_id = %s",
        creditor_id,
    )


def overflow(stand, months=0):
    """Dave gets more than there can be, and pays a part of it."""
    moment = NOW + 30 if months == 0 else month_later(months) + 5 * DAY
    pay(stand, 31, moment, 100, recipient_id=DAVE)
    pay(stand, 32, moment + 1, 5, sender_id=DAVE)
    assert stand.account(DAVE).is_overflown


def test_an_account_that_has_overflown_goes_on_from_its_last_entry(stand, close):
    """The note of its opening balance says so, month after month, and its numbers are checked as before."""
    make_rich(stand)
    overflow(stand)
    seal_all(stand)
    assert checked(stand) == (5, [])
    close(FIRST)
    assert openings(stand)[-1][1:] == (DAVE, MAX_INT64 - 5, MAX_INT64 - 5, 2)
    assert (DAVE, "overflown") in stand.rows(NOTES)
    assert (BOB, "") in stand.rows(NOTES)
    assert checked(stand) == (5, [])
    pay(stand, 33, month_later(1) + 6 * DAY, 7, sender_id=DAVE)
    close(SECOND)
    assert openings(stand)[-1][1:] == (DAVE, MAX_INT64 - 12, MAX_INT64 - 12, 3)
    assert (DAVE, "overflown") in stand.rows(NOTES)
    assert checked(stand) == (5, [])
    raised = "UPDATE account SET last_transfer_number = last_transfer_number + 1 WHERE creditor_id = %s"
    stand.execute(raised, DAVE)
    assert [rule for rule, _ in checked(stand)[1]] == ["V4"]


def test_an_overflow_in_a_later_month_does_not_matter_yet(stand, close):
    """Until then its entries add up as those of others."""
    make_rich(stand)
    overflow(stand, months=1)
    close(FIRST)
    assert openings(stand)[-1][1:] == (DAVE, MAX_INT64 - 10, MAX_INT64 - 10, 0)
    assert (DAVE, "") in stand.rows(NOTES)
    assert checked(stand) == (5, [])
    close(SECOND)
    assert (DAVE, "overflown") in stand.rows(NOTES)
    assert checked(stand) == (5, [])


def test_a_mark_that_was_set_by_hand_hides_nothing(stand, close):
    """The journal has not come to a bound: the month stays, as with any other wrong balance."""
    stand.execute(
        "UPDATE account SET overflown = true, principal = principal + 7 WHERE creditor_id = %s", BOB
    )
    with pytest.raises(OperatorError, match=f"V12: account {BOB}"):
        close(FIRST)


# -- clocks --------------------------------------------------------------------------------------


def strays(stand):
    """How many rows the default partition has."""
    return stand.count(DEFAULT)


def test_what_comes_into_a_closed_month_gets_a_place_and_leaves_with_the_next_month(
    stand, close, owner, order, tmp_path, caplog
):
    """The alarm names the command that helps; nothing is missed and nothing is seen twice."""
    close(FIRST)
    pay(stand, 40, NOW + 30)
    assert strays(stand) == 1
    with caplog.at_level(logging.ERROR):
        make_partitions(owner, month_later(2))
    assert f"holds rows of {FIRST}: run `swpt-accounts journal tidy`" in caplog.text
    [moved] = tidy(owner, order=order)
    assert (moved.name, moved.rows, strays(stand)) == (FIRST.name, 1, 0)
    caplog.clear()
    make_partitions(owner, month_later(2))
    assert caplog.text == ""
    pay(stand, 41, month_later(-1) + DAY)
    assert strays(stand) == 1, "another one, which nobody has moved"
    seal_all(stand)
    assert checked(stand) == (4, [])
    rows = stand.value("SELECT count(*) FROM journal WHERE applied_at < %s", month_later(2))
    closed = close(SECOND)
    assert closed.row_count == rows == (tmp_path / str(SECOND)).read_bytes().count(b"\n")
    assert stand.count(closed.table_name) == rows
    assert (strays(stand), FIRST.name in partitions(stand)) == (0, False)
    assert {(ALICE, 6), (BOB, 5)} < {(row[1], row[4]) for row in openings(stand)}, "all are numbered"
    assert checked(stand) == (4, [])
    seal_all(stand)
    assert checked(stand) == (4, [])


def test_a_place_in_a_closed_month_is_no_month_to_be_closed(stand, close, owner, order):
    """Neither the closed one nor one of before: the refusal says with which month its rows leave."""
    close(FIRST)
    before = Month(to_datetime(month_later(-1)))
    for moment in (NOW + 30, month_later(-1) + DAY):
        pay(stand, moment % 1000, moment)
    assert len(tidy(owner, order=order)) == 2
    with pytest.raises(OperatorError, match="is closed already"):
        close(FIRST)
    with pytest.raises(OperatorError, match=f"leaves it with the next month that is closed, {SECOND}"):
        close(before)
    assert checked(stand) == (4, [])


def test_a_month_long_before_all_others_can_be_closed(stand, close, owner, order):
    """Between it and the next one nothing has happened, and there are no partitions."""
    before = Month(to_datetime(month_later(-3)))
    pay(stand, 40, month_later(-3) + DAY)
    tidy(owner, order=order)
    seal_all(stand)
    assert checked(stand) == (4, [])
    with pytest.raises(OperatorError, match=f"older months come first: close {before}"):
        close(FIRST)
    assert close(before).row_count == 1
    assert checked(stand) == (4, [])
    close(FIRST)
    assert checked(stand) == (4, [])
    assert [row[:3] for row in openings(stand)][-1] == (month_later(1), CAROL, 0)


def test_months_without_a_place_are_tidied_before(stand, close, owner, order):
    """A month that the default partition holds rows of does not leave with the one before it."""
    pay(stand, 40, month_later(-3) + DAY)
    tidy(owner, order=order)
    pay(stand, 41, month_later(-2) + DAY)
    before = Month(to_datetime(month_later(-3)))
    with pytest.raises(OperatorError, match="`swpt-accounts journal tidy` gives them their places"):
        close(before)
    tidy(owner, order=order)
    assert close(before).row_count == 1
    assert checked(stand) == (4, [])


def test_rows_in_the_wrong_place_are_no_month_yet(stand, close, owner, order):
    """A month that only the default partition holds rows of has to be tidied before."""
    stand.execute(f"ALTER TABLE journal DETACH PARTITION {FIRST.name}")
    stand.execute(f"ALTER TABLE {FIRST.name} RENAME TO aside")
    stand.execute("DELETE FROM seal")
    stand.execute(f"INSERT INTO journal (applied_at, {COLUMNS}) SELECT applied_at, {COLUMNS} FROM aside")
    with pytest.raises(OperatorError, match="has no month"):
        close(FIRST)
    tidy(owner, order=order)
    close(FIRST)
    assert checked(stand) == (4, [])


def test_a_credit_that_a_late_clock_has_applied_stays_as_long_as_the_registry_knows_it(stand, close):
    """So the journal has every credit of the registry, whenever it was applied (V15)."""
    close(FIRST)
    other = foreign_creditor()
    stand.replace(policy=msgspec.structs.replace(stand.context.policy, realm=SHARD))
    stand.replace(clock=lambda: NOW + 40)
    stand.apply(credit(ALICE, 70, other_creditor_id=other, committed_at=month_later(2) + DAY))
    assert stand.count("registered_balance_change") == 1
    seal_all(stand)
    assert [one for one in checked(stand, SHARD)[1] if one[0] == "V15"] == []
    with pytest.raises(OperatorError, match="the registry still knows"):
        close(SECOND)
    stand.execute("DELETE FROM registered_balance_change")
    close(SECOND)
