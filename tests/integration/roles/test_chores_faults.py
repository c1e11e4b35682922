"""Chores that fail, and rows that break the rules: what fails stops nothing else."""

import logging
from threading import Event
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest

from swpt_accounts.events import AccountUpdate, PreparedTransfer
from swpt_accounts.roles.chores.chore import Errand, Pass, Progress, StepContext
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, NOW, ROOT, SECOND, configure
from tests.backstage.builders import request as wanted
from tests.backstage.housekeeper import housekeeping, populate
from tests.backstage.stand import Stand
from tests.backstage.stories import clear_outbox, issue
from tests.backstage.waiting import wait_until

TEND = "tend accounts"
OTHER = DEBTOR + 1


# -- failures ----------------------------------------------------------------------------------


def test_a_chore_that_fails_stops_no_other(stand, caplog):
    """It raises an alarm, and so does a pass; all others have their turn."""
    done = []

    def fail(*_: Any) -> Any:
        raise ZeroDivisionError("a bug")

    def work(context: StepContext) -> int:
        done.append("work")
        return 0

    def walk(cursor: Any, position: Any, context: StepContext) -> Progress:
        done.append("walk")
        return Progress(0, None)

    chores = (
        Errand("sick errand", lambda settings: 1.0, fail),
        Pass("sick pass", lambda settings: 1.0, fail),
        Errand("errand", lambda settings: 1.0, work),
        Pass("pass", lambda settings: 1.0, walk),
    )
    with housekeeping(stand.postgres_url, chores=chores) as keeper:
        keeper.chores.turn(Event())
    assert done == ["work", "walk"]
    alarms = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert [alarm[:32] for alarm in alarms] == [
        "ALARM: the chore 'sick errand' f",
        "ALARM: the chore 'sick pass' fai",
    ]
    assert stand.rows("SELECT name, position FROM chore WHERE pass_started_at IS NOT NULL") == []


def test_a_chore_that_seems_to_lose_the_database_lets_the_others_go_first(stand):
    """An outage that only one chore has is not taken for one of all."""
    done = []

    def fail(context: StepContext) -> int:
        with context.connection, context.connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return 0

    def work(context: StepContext) -> int:
        done.append("work")
        return 0

    chores = Errand("sick", lambda settings: 9.0, fail), Errand("fine", lambda settings: 9.0, work)
    with housekeeping(stand.postgres_url, chores=chores) as keeper:
        assert keeper.chores.turn(Event()) > 0
        assert done == []
        keeper.chores.turn(Event())
        assert done == ["work"]


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM a_table_that_is_gone", "SET ROLE pg_monitor; UPDATE chore SET period_seconds = 1"],
    ids=["no table", "no right"],
)
def test_what_the_database_refuses_to_one_chore_is_an_alarm_and_no_outage(stand, caplog, statement):
    """It is there, and the others have their turn at once: to wait would help nobody."""
    done = []

    def fail(context: StepContext) -> int:
        with context.connection, context.connection.cursor() as cursor:
            cursor.execute(statement)
        return 0

    def work(context: StepContext) -> int:
        done.append("work")
        return 0

    chores = Errand("sick", lambda settings: 9.0, fail), Errand("fine", lambda settings: 9.0, work)
    with housekeeping(stand.postgres_url, chores=chores) as keeper:
        keeper.chores.turn(Event())
    assert done == ["work"]
    [alarm] = [record.getMessage() for record in caplog.records]
    assert alarm == "ALARM: the chore 'sick' fails; the others go on"


def test_chores_come_back_when_their_connection_is_cut(stand, keeper):
    """The step at hand is rolled back, and done by the next turn on a new connection."""
    populate(stand, 10)
    keeper.now += DAY
    keeper.chores.enroll()
    stand.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'swpt_accounts chores'"
    )
    with pytest.raises(psycopg2.Error):
        keeper.do(TEND)
    assert keeper.chores.turn(Event()) > 0
    keeper.chores.turn(Event())
    assert stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == 10


def test_an_account_that_breaks_the_rules_is_passed_over(stand, keeper, caplog):
    """One alarm for it at each pass; the accounts before and behind it are tended."""
    populate(stand, 20)
    stand.execute("UPDATE account SET created_at = 9e18::int8 WHERE creditor_id = 10010")
    keeper.now += 8 * DAY
    assert keeper.do(TEND) == 21
    assert stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == 19
    [alarm] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert alarm == f"ALARM: account 10010 of debtor {DEBTOR} can not be tended; the others are"


def spoil(stand: Stand, creditor_id: int) -> str:
    """Let the rules fail for an account; the beginning of the alarm."""
    stand.execute("UPDATE account SET created_at = 9e18::int8 WHERE creditor_id = %s", creditor_id)
    return f"ALARM: account {creditor_id} of debtor {DEBTOR} can not be "


def test_an_account_that_can_not_be_announced_stops_no_other(stand, keeper, caplog):
    """The others are announced when they are due; it raises an alarm, and has another try later."""
    populate(stand, 20, interest=0.0)
    stand.execute("DELETE FROM account_update_due")
    stand.execute("UPDATE account SET update_pending_since = %s WHERE creditor_id >= 10000", NOW)
    stand.execute(
        "INSERT INTO account_update_due SELECT debtor_id, creditor_id, %s FROM account"
        " WHERE update_pending_since > 0 AND creditor_id >= 10000",
        NOW,
    )
    alarm = spoil(stand, 10010)
    keeper.now += DAY
    keeper.do("announce updates")
    announced = {event.creditor_id for event in stand.events() if isinstance(event, AccountUpdate)}
    assert announced == set(range(10000, 10020)) - {10010}
    later = keeper.now + 60 * SECOND
    assert stand.rows("SELECT creditor_id, due_at FROM account_update_due") == [(10010, later)]
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line == alarm + "announced; the others are"


def test_an_account_that_can_not_take_a_new_rate_stops_no_other(stand, keeper, caplog):
    """The job goes on to its end; what is left of it is one alarm for each of its two passes."""
    populate(stand, 20, interest=0.0)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=8))
    alarm = spoil(stand, 10010)
    wait_until(lambda: keeper.do("propagate settings") == 0 == stand.count("settings_propagation"))
    changed = stand.rows("SELECT creditor_id FROM account WHERE creditor_id >= 10000 AND interest_rate = 5")
    assert {creditor_id for (creditor_id,) in changed} == set(range(10000, 10020)) - {10010}
    lines = {record.getMessage() for record in caplog.records if record.levelno == logging.ERROR}
    assert lines == {alarm + "brought to the settings of its currency; the others are"}


def test_a_transfer_that_can_not_be_announced_stops_no_other(stand, keeper, caplog):
    """All others that wait for long are announced again."""
    stand.apply(*issue(ALICE, 1000), configure(BOB))
    stand.apply(wanted(ALICE, BOB), wanted(ALICE, BOB, coordinator_request_id=2))
    stand.execute("UPDATE prepared_transfer SET deadline = 9e18::int8 WHERE coordinator_request_id = 2")
    clear_outbox(stand)
    keeper.now += 8 * DAY
    keeper.do("send reminders")
    [event] = [event for event in stand.events() if isinstance(event, PreparedTransfer)]
    assert event.coordinator_request_id != 2
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line == f"ALARM: account {ALICE} of debtor {DEBTOR} can not be reminded; the others are"


# -- a root configuration that can not be read -------------------------------------------------


@pytest.fixture
def garbage(stand, caplog, request: pytest.FixtureRequest):
    """Two currencies, the root configuration of the first of which is spoilt."""
    stand.apply(*issue(ALICE, 1000))
    stand.apply(configure(ROOT, debtor_id=OTHER), configure(ALICE, debtor_id=OTHER))
    stand.apply(configure(ROOT, debtor_id=OTHER, config_data='{"rate":5}', seqnum=1))
    stand.execute("UPDATE account SET interest = 9.5, interest_rate = 2 WHERE creditor_id = %s", ALICE)
    stand.execute(
        "INSERT INTO root_configuration VALUES (%s, %s) ON CONFLICT (debtor_id)"
        " DO UPDATE SET config_data = excluded.config_data",
        DEBTOR,
        request.node.name,  # a text of its own for each test: a process complains once about each
    )
    clear_outbox(stand)
    return caplog


def test_a_spoilt_root_configuration_stops_no_chore(stand, keeper, garbage, request):
    """One alarm; its accounts keep their rate and go on; the other currency gets its rate."""
    keeper.now += 8 * DAY
    keeper.do()
    mine, other = stand.account(ALICE), stand.account(ALICE, OTHER)
    assert (mine.interest_rate, other.interest_rate) == (2.0, 5.0)
    assert mine.principal > 1000
    # The last pass of a job waits for the transactions of everybody on the server.
    wait_until(lambda: keeper.do("propagate settings") == 0 == stand.count("settings_propagation"))
    updates = [e for e in stand.events() if isinstance(e, AccountUpdate) and e.creditor_id == ROOT]
    assert {(e.debtor_id, e.config_data) for e in updates} == {
        (DEBTOR, request.node.name),
        (OTHER, '{"rate":5}'),
    }
    [alarm] = [record.getMessage() for record in garbage.records if record.levelno == logging.ERROR]
    assert alarm.startswith(f"ALARM: the stored root configuration of debtor {DEBTOR} can not be read")


def test_a_spoilt_root_configuration_stops_no_messages(stand, garbage):
    """Accounts pay and new ones open; only new money has to wait for a new configuration."""
    stand.apply(configure(BOB), wanted(coordinator_request_id=5), configure(BOB, debtor_id=OTHER))
    issuing = wanted(ROOT, ALICE, coordinator_type="issuing", coordinator_id=DEBTOR, min_locked_amount=1)
    applied = stand.apply(issuing)
    assert stand.account(BOB).interest_rate == 0.0
    assert stand.account(BOB, OTHER).interest_rate == 5.0
    assert stand.count("prepared_transfer") == 1
    assert applied.rejections == {"INSUFFICIENT_AVAILABLE_AMOUNT": 1}
    stand.apply(configure(ROOT, negligible_amount=1e30, config_data='{"rate":7}', seqnum=5))
    stand.apply(issuing, configure(1003))
    assert stand.count("prepared_transfer") == 2
    assert stand.account(1003).interest_rate == 7.0
