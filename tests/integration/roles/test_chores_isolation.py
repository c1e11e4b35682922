"""What the tables refuse for one account stops no other account of the step."""

import logging

import psycopg2
import pytest

from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.audit import find_violations
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, NOW, ROOT, configure, request
from tests.backstage.stand import Stand
from tests.backstage.stories import clear_outbox, issue, seed

TEND = "tend accounts"
POOR = 900
"""An account that comes before ALICE in the order of the keys."""


def alarms(caplog) -> list[str]:
    """What was logged as an error."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def principals(stand: Stand) -> dict[int, int]:
    """The principals by account."""
    return dict(stand.rows("SELECT creditor_id, principal FROM account"))


@pytest.mark.parametrize("full", [POOR, ALICE, BOB])
def test_an_account_that_the_tables_refuse_is_left_out(stand, keeper, caplog, full):
    """One alarm for it; the others of the step are paid their interest, once, and the pass ends."""
    stand.apply(*issue(ALICE, 1000), configure(POOR), configure(BOB))
    stand.execute("UPDATE account SET interest = 5.5 WHERE creditor_id <> 0")
    # There is no number for another transfer.
    stand.execute("UPDATE account SET last_transfer_number = %s WHERE creditor_id = %s", MAX_INT64, full)
    clear_outbox(stand)
    keeper.now += DAY
    assert keeper.do(TEND) == 2
    paid = {POOR: 5, ALICE: 1005, BOB: 5, ROOT: -1010}
    assert principals(stand) == paid | {full: paid[full] - 5}
    assert stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == 2
    assert stand.count("outbox") == 1
    assert alarms(caplog) == [f"ALARM: account {full} of debtor {DEBTOR} can not be tended; the others are"]
    assert stand.value("SELECT count(*) FROM chore WHERE name = %s AND position IS NULL", TEND) == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_an_interest_beyond_all_bounds_is_paid(stand, keeper, sign):
    """The largest amount there is, although the way from one end of the range to the other is longer."""
    seed(stand)
    stand.execute("UPDATE account SET principal = %s WHERE creditor_id IN (0, %s)", -sign, ALICE)
    stand.execute("UPDATE account SET interest = %s WHERE creditor_id = %s", sign * 2.0**63, ALICE)
    keeper.now += DAY
    keeper.do(TEND)
    alice = stand.account(ALICE)
    assert (alice.principal, alice.interest) == (sign * (MAX_INT64 - 1), 0.0)
    assert stand.value("SELECT amount FROM journal WHERE coordinator_type = 'interest'") == MAX_INT64


def test_interest_that_was_cut_is_an_alarm(stand, keeper, caplog):
    """Also when it is no message that brings the interest to its bound."""
    seed(stand)
    stand.execute(
        "UPDATE account SET principal = %s, interest = 9e18, interest_rate = 100, last_change_ts = %s"
        " WHERE creditor_id = %s",
        MAX_INT64,
        NOW,
        ALICE,
    )
    stand.apply(configure(ROOT, config_data='{"rate":50}', negligible_amount=1e30, seqnum=9))
    keeper.now += 30 * DAY
    keeper.do(TEND)
    assert stand.account(ALICE).interest == 2.0**63
    assert f"ALARM: interest out of bounds on account {DEBTOR}/{ALICE}" in alarms(caplog)


def test_a_root_account_waits_also_for_those_who_left_before_it(stand, keeper):
    """Emptied by the deletion of its last creditor, it is still the recipient of a transfer (rule D5)."""
    stand.apply(*issue(-1, 5)[:3], configure(BOB))
    stand.apply(issue(-1, 5)[3], request(BOB, ROOT))
    stand.apply(
        configure(ROOT, config_flags=1, negligible_amount=1e30, seqnum=5),
        configure(-1, config_flags=1, negligible_amount=9.0, seqnum=5),
    )
    assert principals(stand) == {ROOT: -5, -1: 5, BOB: 0}
    keeper.now = NOW + 8 * DAY
    keeper.do(TEND)
    assert stand.account(-1).is_deleted
    assert principals(stand) == {ROOT: 0, -1: 0, BOB: 0}
    assert not stand.account(ROOT).is_deleted
    stand.execute("UPDATE prepared_transfer SET deadline = %s", keeper.now - 1)
    keeper.now += 8 * DAY
    keeper.do(TEND)
    assert stand.account(ROOT).is_deleted
    assert [found for found in find_violations(stand.postgres_url) if found[0] != "nothing waits"] == []


def test_the_only_account_of_a_step_is_left_out_too(stand, keeper, caplog):
    """Nothing is left to do then, and the pass ends."""
    stand.apply(*issue(ALICE, 1000))
    stand.execute(
        "UPDATE account SET interest = 5.5, last_transfer_number = %s WHERE creditor_id <> 0", MAX_INT64
    )
    clear_outbox(stand)
    keeper.now += DAY
    assert keeper.do(TEND) == 0
    assert principals(stand) == {ROOT: -1000, ALICE: 1000}
    assert stand.count("outbox") == 0
    assert len(alarms(caplog)) == 1


def test_a_fault_of_ours_is_no_accounts_fault(stand, keeper):
    """When so many accounts of a step fail, the chore fails, loudly, and blames none of them."""
    stand.apply(*issue(ALICE, 1000), *(configure(creditor_id) for creditor_id in range(2000, 2010)))
    stand.execute(
        "UPDATE account SET interest = 5.5, last_transfer_number = %s WHERE creditor_id <> 0", MAX_INT64
    )
    keeper.now += DAY
    with pytest.raises(psycopg2.errors.NumericValueOutOfRange):
        keeper.do(TEND)
    assert stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == 0


def test_many_accounts_have_few_to_blame(stand, keeper, caplog):
    """Two of two hundred are found, and the others are paid in the same step."""
    stand.apply(*issue(ALICE, 1000), *(configure(creditor_id) for creditor_id in range(2000, 2190)))
    stand.execute("UPDATE account SET interest = 5.5 WHERE creditor_id <> 0")
    stand.execute("UPDATE account SET last_transfer_number = %s WHERE creditor_id IN (2003, 2150)", MAX_INT64)
    keeper.now += DAY
    assert keeper.do(TEND) == 191 - 2
    assert [alarm.split()[2] for alarm in alarms(caplog)] == ["2003", "2150"]
    assert stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == 191 - 2
