"""Chores beside each other and beside workers: nobody works twice, and none waits for another."""

import threading
from contextlib import ExitStack
from threading import Event

import pytest

from swpt_accounts.events import AccountTransfer
from swpt_accounts.roles.chores.loop import CHORES
from tests.backstage.audit import find_violations
from tests.backstage.builders import DAY, DEBTOR, NOW, ROOT, SECOND, configure
from tests.backstage.housekeeper import Housekeeper, housekeeping, only_chore, populate
from tests.backstage.server import locking

TEND = "tend accounts"
MANY = 2500


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
    populate(stand, MANY)
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
            keeper = stack.enter_context(housekeeping(stand.postgres_url, chores=only_chore(TEND)))
            keeper.chores.turn(Event())
            positions += stand.rows("SELECT position FROM chore WHERE name = %s", TEND)
            if processes == 1:
                stack.close()
    assert positions == [([DEBTOR, 10047],), ([DEBTOR, 10097],)]
    with housekeeping(stand.postgres_url, chores=only_chore(TEND)) as keeper:
        assert keeper.do(TEND) == 0
    query = "SELECT position, pass_started_at, last_started_at, last_rows FROM chore WHERE name = %s"
    assert stand.rows(query, TEND) == [(None, None, NOW, 0)]


def test_heartbeats_do_not_lock_the_root_account(stand, keeper):
    """Money can be issued meanwhile; only a step that pays interest has to wait for the root account."""
    populate(stand, 50, interest=0.0)
    stand.execute("UPDATE account SET last_update_ts = last_update_ts - %s WHERE creditor_id > 0", 8 * DAY)
    keeper.chores.enroll()
    with locking(stand.postgres_url, "SELECT * FROM account WHERE creditor_id = 0 FOR UPDATE"):
        assert keeper.do(TEND) == 51


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
