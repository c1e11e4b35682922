"""Chores under bad conditions: what fails stops nothing else, and nobody works twice."""

import logging
import threading
from contextlib import ExitStack
from itertools import pairwise
from threading import Event
from typing import Any, ClassVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest

from swpt_accounts.broker import MemoryPublisher, MemoryTransport
from swpt_accounts.events import AccountTransfer, AccountUpdate, PreparedTransfer
from swpt_accounts.roles.chores.chore import Chore, Errand, Pass, Progress, StepContext
from swpt_accounts.roles.chores.loop import CHORES
from swpt_accounts.wire.moments import Moment
from tests.backstage.audit import find_violations
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, NOW, ROOT, SECOND, configure
from tests.backstage.builders import request as wanted
from tests.backstage.housekeeper import Housekeeper, housekeeping
from tests.backstage.server import locking
from tests.backstage.stand import Stand
from tests.backstage.stories import clear_outbox, issue
from tests.backstage.waiting import wait_until

TEND = "tend accounts"
OTHER = DEBTOR + 1
MANY = 2500


def populate(stand: Stand, count: int = MANY, interest: float = 7.5) -> None:
    """A root account, and accounts with money that have earned interest."""
    stand.apply(*issue(ALICE, 1000))
    columns = [
        column
        for (column,) in stand.rows(
            "SELECT attname FROM pg_attribute WHERE attrelid ="
            " 'account'::regclass AND attnum > 0 ORDER BY attnum"
        )
    ]
    changed = {"creditor_id": "n", "principal": "100", "interest": "%s"}
    stand.execute(
        f"INSERT INTO account SELECT {', '.join(changed.get(c, c) for c in columns)}"
        " FROM account, generate_series(10000, 9999 + %s) AS n WHERE creditor_id = %s",
        interest,
        count,
        ALICE,
    )
    stand.execute("UPDATE account SET principal = -1000 - 100 * %s WHERE creditor_id = 0", count)
    clear_outbox(stand)


def only(name: str) -> tuple[Chore, ...]:
    """The chore of this name."""
    return tuple(chore for chore in CHORES if chore.name == name)


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


# -- much at once ------------------------------------------------------------------------------


class CountingCursor(psycopg2.extensions.cursor):
    """Remembers how many rows were read at once."""

    sizes: ClassVar[list[int]] = []

    def fetchall(self) -> list[Any]:
        """Read them."""
        rows: list[Any] = super().fetchall()
        self.sizes.append(len(rows))
        return rows


def ask_for_new_settings(stand: Stand, issuers: int) -> None:
    """Jobs of debtors without accounts, always ten at the same moment."""
    stand.execute(
        "INSERT INTO settings_propagation (debtor_id, requested_at)"
        " SELECT n, %s + n / 10 FROM generate_series(1, %s) AS n",
        NOW,
        issuers,
    )


def test_many_issuers_at_once_are_served_one_after_another(stand):
    """The first of them first, and no step reads the jobs of all."""
    ask_for_new_settings(stand, 100)
    CountingCursor.sizes.clear()
    with housekeeping(stand.postgres_url, chores=only("propagate settings")) as keeper:
        keeper.chores.enroll()
        keeper.chores._connection.cursor_factory = CountingCursor
        keeper.chores.turn(Event())
        assert stand.rows("SELECT min(debtor_id) FROM settings_propagation WHERE barrier IS NULL") == [(2,)]
        wait_until(lambda: keeper.do("propagate settings") == 0 == stand.count("settings_propagation"))
    assert max(CountingCursor.sizes) == 20


def test_settings_that_change_nothing_are_no_long_step(stand):
    """However many accounts have the settings already, a step reads some of them, and the next goes on."""
    populate(stand, 5000, interest=0.0)
    stand.execute("UPDATE account SET interest_rate = 5 WHERE creditor_id >= 10000 AND creditor_id <> 14000")
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=8))
    with housekeeping(stand.postgres_url, chores=only("propagate settings")) as keeper:
        positions: list[Any] = [None]
        while positions[-1] != 0:
            keeper.chores.turn(Event())
            keeper.chores._look_at["propagate settings"] = 0.0
            positions.append(
                stand.value("SELECT coalesce(max(next_creditor_id), 0) FROM settings_propagation")
            )
    assert stand.value("SELECT count(*) FROM account WHERE interest_rate = 5") == 5002 - 1
    steps = [later - one for one, later in pairwise(positions[1:]) if one > 10000 and later]
    assert len(steps) >= 1
    assert max(steps) <= 20 * 500


def test_issuers_that_have_to_wait_keep_no_other_waiting(stand, keeper):
    """Jobs that wait for old transactions, or fail, are passed over, however many there are."""
    ask_for_new_settings(stand, 100)
    with locking(stand.postgres_url, "SELECT pg_current_xact_id()"):
        keep_issuers_waiting(stand, keeper)


def keep_issuers_waiting(stand, keeper) -> None:
    """The first fifty wait for the open transaction, all others fail but the last one, in its last pass."""
    stand.execute(
        "UPDATE settings_propagation SET barrier = pg_current_xact_id()::text::int8"
        " WHERE debtor_id <= 50;"
        "UPDATE settings_propagation SET barrier = 1, is_final_pass = true, next_creditor_id = -1"
        " WHERE debtor_id = 100"
    )
    stand.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a bug'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON settings_propagation FOR EACH ROW"
        " WHEN (OLD.debtor_id BETWEEN 51 AND 99) EXECUTE FUNCTION refuse()"
    )

    def is_served() -> bool:
        with pytest.raises(psycopg2.errors.RaiseException):
            keeper.do("propagate settings")
        return not stand.rows("SELECT * FROM settings_propagation WHERE debtor_id = 100")

    try:
        wait_until(is_served)
        assert stand.count("settings_propagation") == 99
    finally:
        stand.execute("DROP FUNCTION refuse CASCADE")


def test_who_waits_for_the_end_finds_one(stand):
    """However fast more becomes due: what was due when he began is done, and not what came later."""

    class Hurried(Housekeeper):
        """Finds some time gone by whenever he looks at the clock."""

        def clock(self) -> Moment:
            """A moment later."""
            self.now += SECOND // 20
            return self.now

    stand.execute(
        "INSERT INTO account_update_due SELECT 1, n, %s + n * %s FROM generate_series(1, 1000) AS n",
        NOW,
        SECOND // 20,
    )
    keeper = Hurried(stand.postgres_url)
    try:
        handled = keeper.do("announce updates")
    finally:
        keeper.close()
    assert 0 < handled < 10
    assert stand.count("account_update_due") == 1000 - handled


# -- side by side ------------------------------------------------------------------------------


def side_by_side(keepers: list[Housekeeper], *names: str) -> None:
    """All of them do these chores at the same time."""
    errors: list[BaseException] = []

    def work(keeper: Housekeeper) -> None:
        try:
            keeper.do(*names)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(keeper,)) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(50)
        assert not thread.is_alive()
    assert errors == []


def test_two_processes_on_the_same_rows(stand):
    """Every account is paid once, and nobody waits for a deadlock."""
    populate(stand)
    with ExitStack() as stack:
        keepers = [stack.enter_context(housekeeping(stand.postgres_url)) for _ in range(2)]
        for keeper in keepers:
            keeper.now += DAY
        side_by_side(keepers)
    paid = stand.rows(
        "SELECT recipient_creditor_id, count(*), sum(amount) FROM journal"
        " WHERE coordinator_type = 'interest' GROUP BY recipient_creditor_id"
    )
    assert len(paid) == MANY
    assert {row[1:] for row in paid} == {(1, 7)}
    assert stand.value("SELECT sum(principal) FROM account") == 0
    transfers = [e.creditor_id for e in stand.events() if isinstance(e, AccountTransfer)]
    assert len(transfers) == len(set(transfers)) == MANY


def test_chores_and_workers_on_the_same_rows(stand):
    """Propagation, interest and a worker's configurations meet; each waits for its turn, none fails."""
    populate(stand, 1500)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=8))
    failures: list[BaseException] = []

    def configure_all() -> None:
        try:
            for start in range(10000, 11500, 100):
                stand.insist(*(configure(c, seqnum=9) for c in range(start + 99, start - 1, -1)))
        except BaseException as error:
            failures.append(error)

    with ExitStack() as stack:
        keepers = [stack.enter_context(housekeeping(stand.postgres_url)) for _ in range(2)]
        for keeper in keepers:
            keeper.now += 2 * SECOND
        worker = threading.Thread(target=configure_all)
        worker.start()
        side_by_side(keepers, "propagate settings", TEND, "announce updates")
        worker.join(50)
    assert failures == []
    query = (
        "SELECT count(*) FROM account WHERE creditor_id >= 10000 AND interest_rate = 5 AND principal = 107"
    )
    assert stand.value(query) == 1500
    assert stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == 1500
    broken = [v for v in find_violations(stand.postgres_url) if v[0].startswith(("V", "every"))]
    assert broken == []


def test_a_pass_waits_for_nobody(stand, keeper):
    """Another process that has the pass in hand keeps us from it, but not from other chores."""
    populate(stand, 5)
    stand.execute("DELETE FROM settings_propagation")
    keeper.now += DAY
    keeper.chores.enroll()
    with locking(stand.postgres_url, "SELECT * FROM chore WHERE name = 'tend accounts' FOR UPDATE"):
        keeper.chores.turn(Event())
        names = {name for (name,) in stand.rows("SELECT name FROM chore WHERE last_started_at IS NOT NULL")}
    assert names == {chore.name for chore in CHORES} - {TEND}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_pass_is_shared_step_by_step(stand, processes):
    """The position is in the database: another process goes on there, beside the first or after it."""
    populate(stand, 3000, interest=0.0)
    positions = []
    with ExitStack() as stack:
        for _ in range(2):
            keeper = stack.enter_context(housekeeping(stand.postgres_url, chores=only(TEND)))
            keeper.chores.turn(Event())
            positions += stand.rows("SELECT position FROM chore WHERE name = %s", TEND)
            if processes == 1:
                stack.close()
    assert positions == [([DEBTOR, 10047],), ([DEBTOR, 10097],)]
    with housekeeping(stand.postgres_url, chores=only(TEND)) as keeper:
        assert keeper.do(TEND) == 0
    query = "SELECT position, pass_started_at, last_started_at, last_rows FROM chore WHERE name = %s"
    assert stand.rows(query, TEND) == [(None, None, NOW, 0)]


def test_the_diary_shows_how_it_went(stand, keeper):
    """Every chore has its row: period, last start and end, rows, seconds."""
    populate(stand, 150)
    keeper.now += DAY
    keeper.do()
    columns = "name, period_seconds, last_started_at, last_finished_at, last_rows, last_seconds >= 0"
    diary = {row[0]: row[1:] for row in stand.rows(f"SELECT {columns} FROM chore")}
    assert diary.keys() == {chore.name for chore in CHORES}
    assert diary[TEND] == (28800.0, keeper.now, keeper.now, 150, True)
    assert all(row[1] == row[2] == keeper.now for row in diary.values())


def test_a_changed_period_is_in_force_at_once(stand):
    """The diary shows the period of the settings of now."""
    for seconds in ("60", "90"):
        with housekeeping(stand.postgres_url, ACCOUNTS_SCAN_INTERVAL=seconds) as keeper:
            keeper.chores.enroll()
        assert stand.value("SELECT period_seconds FROM chore WHERE name = %s", TEND) == float(seconds)


class SilentPublisher(MemoryPublisher):
    """Takes events, and never learns what has become of them."""

    def __init__(self) -> None:
        super().__init__(MemoryTransport())
        self.taken = 0

    def publish(self, envelopes, on_settled) -> None:
        """Take them."""
        self.taken += len(envelopes)

    def pending(self) -> int:
        """All of them."""
        return self.taken


def test_chores_that_can_wait_do_not_fill_the_memory(stand):
    """While the broker does not answer, no more than some thousands of heartbeats are on their way."""
    populate(stand, 12_000, interest=0.0)
    stand.execute("UPDATE account SET last_update_ts = last_update_ts - %s", 8 * DAY)
    publisher = SilentPublisher()
    with housekeeping(stand.postgres_url, publisher=publisher) as keeper:
        keeper.now += DAY
        keeper.chores.turn(Event())
        # The pass is late from now on, and does not rest, however slow this machine is.
        keeper.now += DAY
        for _ in range(1000):
            Event().wait(min(keeper.chores.turn(Event()), 0.01))
            if publisher.taken > 10_000:
                break
        taken = publisher.taken
        assert 10_000 < taken <= 10_500
        for _ in range(50):
            Event().wait(0.02)
            keeper.chores.turn(Event())
        assert publisher.taken <= taken + 2, "what can not wait goes on"


def test_heartbeats_do_not_lock_the_root_account(stand, keeper):
    """Money can be issued meanwhile; only a step that pays interest has to wait for the root account."""
    populate(stand, 50, interest=0.0)
    stand.execute("UPDATE account SET last_update_ts = last_update_ts - %s WHERE creditor_id > 0", 8 * DAY)
    keeper.chores.enroll()
    with locking(stand.postgres_url, "SELECT * FROM account WHERE creditor_id = 0 FOR UPDATE"):
        assert keeper.do(TEND) == 51


def test_propagation_lets_transfers_breathe(stand):
    """A turn carries new settings to a part of the accounts, and asks for a rest longer than its work."""
    populate(stand, 900, interest=0.0)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=8))
    query = "SELECT count(*) FROM account WHERE interest_rate = 5"
    with housekeeping(stand.postgres_url, chores=only("propagate settings")) as keeper:
        keeper.chores.enroll()
        rest = keeper.chores.turn(Event())
        assert 0 < stand.value(query) < 900
        assert rest > 0
        assert stand.value("SELECT count(*) FROM chore WHERE last_rows > 0") == 1, "it shows that it goes on"
        keeper.do("propagate settings")
        assert stand.value(query) == 901


@pytest.mark.parametrize(
    ("chore", "setting"),
    [("propagate settings", "SETTINGS_PROPAGATION_TIME"), (TEND, "ACCOUNTS_SCAN_INTERVAL")],
)
def test_who_is_late_does_not_rest(stand, chore, setting):
    """When half of the time is over, the next step follows at once."""
    populate(stand, 900, interest=0.0)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=8))
    with housekeeping(stand.postgres_url, chores=only(chore), **{setting: "3000"}) as keeper:
        assert keeper.chores.turn(Event()) > 0
    with housekeeping(stand.postgres_url, chores=only(chore), **{setting: "3000"}) as keeper:
        keeper.now += 1600 * SECOND
        assert keeper.chores.turn(Event()) == 0
