"""After a restore from a backup: counters raised once, accounts announced, in steps that survive a stop."""

import re
from contextlib import contextmanager

import psycopg2
import pytest

from swpt_accounts.events import AccountTransfer, AccountUpdate
from swpt_accounts.operators.operations.restoration import raise_counters
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage import connections
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    NOW,
    ROOT,
    configure,
    finalize,
    prepared,
    request,
    text,
)
from tests.backstage.stories import clear_outbox, issue, seed

JUMP = 2**20
RESTORED_TRANSFER_ID = (NOW // 1_000_000 << 40) // 86400
"""Day and part of day of the restoration, times 2^40; the example of the specification is a unit test."""


def restore(stand, order, moment=NOW, *, is_forced=False, steps=None):
    """Run the command; it is stopped after so many steps."""
    left = [10**9 if steps is None else steps]

    def is_stopping():
        left[0] -= 1
        return left[0] <= 0

    return raise_counters(
        stand.connection,
        moment,
        is_forced=is_forced,
        context=stand.context,
        order=order,
        is_stopping=is_stopping,
    )


def numbers(stand):
    """The counters of all accounts."""
    return stand.rows(
        "SELECT creditor_id, last_transfer_id, last_transfer_number, last_change_seqnum FROM account"
        " ORDER BY creditor_id"
    )


def test_every_counter_is_raised_and_every_account_is_announced(stand, order, audit):
    """The numbers of the specification, one AccountUpdate for each account, and two rows of the audit."""
    seed(stand)
    before = {row[0]: row for row in numbers(stand)}
    result = restore(stand, order)
    assert (result.restored_at, result.accounts, result.announced, result.is_finished) == (NOW, 3, 3, True)
    for creditor_id, transfer_id, number, seqnum in numbers(stand):
        assert transfer_id == RESTORED_TRANSFER_ID
        assert number == (0 if creditor_id == ROOT else before[creditor_id][2] + JUMP)
        assert seqnum == before[creditor_id][3] + JUMP + 1
    updates = stand.events()
    assert [type(update) for update in updates] == [AccountUpdate] * 3
    shown = {
        update.creditor_id: (update.last_transfer_number, update.last_change_seqnum) for update in updates
    }
    assert shown == {row[0]: row[2:] for row in numbers(stand)}
    moment = text(NOW)
    assert audit() == [("restored begins", moment, ""), ("restored ends", moment, "3 accounts")]


def test_a_restoration_hides_no_alarm(stand, order, near_the_bound, alarms):
    """Interest that is cut when an account is announced anew is an alarm like any other."""
    seed(stand)
    near_the_bound(ALICE)
    restore(stand, order)
    assert stand.account(ALICE).interest == 2.0**63
    assert alarms() == [f"ALARM: interest out of bounds on account {DEBTOR}/{ALICE}"]


def test_the_next_transfer_goes_on_behind_the_jump(stand, order):
    """A transfer that is prepared after the restore has an id that was never announced before it."""
    seed(stand)
    restore(stand, order)
    clear_outbox(stand)
    stand.apply(request(ALICE, BOB))
    [event] = stand.events()
    assert event.transfer_id == RESTORED_TRANSFER_ID + 1
    clear_outbox(stand)
    stand.apply(finalize(prepared(ALICE, BOB, transfer_id=event.transfer_id), 100))
    transfers = [event for event in stand.events() if isinstance(event, AccountTransfer)]
    announced = {event.creditor_id: event.transfer_number for event in transfers}
    assert announced == {ALICE: JUMP + 2, BOB: JUMP + 1}


def test_a_second_run_for_the_same_moment_changes_nothing(stand, order):
    """A finished restoration is done, however often the command is repeated."""
    seed(stand)
    restore(stand, order)
    after = numbers(stand)
    result = restore(stand, order)
    assert (result.accounts, result.announced, result.is_finished) == (3, 0, True)
    assert numbers(stand) == after


def test_it_goes_on_where_it_was_stopped(stand, order, monkeypatch):
    """After a stop, or a crash, each account is still raised exactly once."""
    monkeypatch.setattr("swpt_accounts.operators.operations.restoration._STEP", 1)
    seed(stand)
    stopped = restore(stand, order, steps=2)
    assert (stopped.accounts, stopped.announced, stopped.is_finished) == (2, 2, False)
    assert [row[1] == RESTORED_TRANSFER_ID for row in numbers(stand)] == [True, True, False]
    result = restore(stand, order)
    assert (result.accounts, result.announced, result.is_finished) == (3, 1, True)
    assert {row[2] for row in numbers(stand)} == {0, JUMP, JUMP + 1}
    assert [row[3] for row in numbers(stand)].count(JUMP + 2) == 1


def test_an_unfinished_restoration_is_not_forgotten(stand, order, monkeypatch):
    """Another moment, or none, is refused until the restoration that was stopped is finished."""
    monkeypatch.setattr("swpt_accounts.operators.operations.restoration._STEP", 1)
    seed(stand)
    restore(stand, order, NOW - HOUR, steps=1)
    for moment in (None, NOW):
        with pytest.raises(OperatorError, match=re.escape(f"go on with --moment {text(NOW - HOUR)}")):
            restore(stand, order, moment)
    restore(stand, order, NOW - HOUR)
    assert restore(stand, order, None).restored_at == NOW


def test_deleted_accounts_are_raised_in_silence(stand, order):
    """No AccountUpdate is sent for an account that is marked as deleted."""
    stand.apply(*issue(ALICE), configure(BOB))
    stand.execute("UPDATE account SET deleted = true WHERE creditor_id = %s", BOB)
    clear_outbox(stand)
    result = restore(stand, order)
    assert (result.accounts, result.announced) == (3, 2)
    assert BOB not in {event.creditor_id for event in stand.events()}
    assert stand.account(BOB).last_transfer_id == RESTORED_TRANSFER_ID


ROLES = ["worker", "chores", "outbox", "waiting room", "gate", "web", "admin"]


@contextmanager
def at_work(stand, name):
    """A session that is named like this."""
    connection = connections.connect(stand.postgres_url, f"swpt_accounts {name}")
    try:
        yield
    finally:
        connection.close()


@pytest.mark.parametrize("name", ROLES)
def test_it_refuses_while_the_server_works(stand, order, audit, name):
    """A session of any role keeps it from starting, and nothing is begun that another moment would meet."""
    seed(stand)
    with (
        at_work(stand, name),
        pytest.raises(OperatorError, match=rf"the server works on this database \({name}\)"),
    ):
        restore(stand, order)
    assert stand.account(ALICE).last_transfer_id < RESTORED_TRANSFER_ID
    assert stand.count("restoration") == 0
    assert audit() == []
    assert restore(stand, order, None).is_finished


def test_whoever_forces_it_is_not_asked_who_works(stand, order):
    """With `--force` the session of a worker is in nobody's way."""
    seed(stand)
    with at_work(stand, "worker"):
        assert restore(stand, order, is_forced=True).is_finished


@pytest.mark.parametrize("name", ["operator", "split", "healthcheck", "watch"])
def test_who_only_looks_is_not_in_the_way(stand, order, name):
    """Another operator at a terminal, or a healthcheck, changes nothing by itself."""
    seed(stand)
    with at_work(stand, name):
        assert restore(stand, order).is_finished


def test_counters_that_are_ahead_stay(stand, order):
    """A restoration moment in the past never takes a counter back."""
    seed(stand)
    before = numbers(stand)
    restore(stand, order, NOW - 2 * DAY)
    assert [row[1] for row in numbers(stand)] == [row[1] for row in before]


def test_another_account_waits_for_its_lock_only(stand, order):
    """A step locks accounts in key order like a batch, and waits for a transaction that has one."""
    seed(stand)
    with psycopg2.connect(stand.postgres_url) as other, other.cursor() as cursor:
        cursor.execute("SELECT 1 FROM account WHERE debtor_id = %s FOR UPDATE", [DEBTOR])
        stand.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            restore(stand, order)
    other.close()
    assert restore(stand, order).accounts == 3
