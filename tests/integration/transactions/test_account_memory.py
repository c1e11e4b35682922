"""What a worker remembers of accounts is never older than what is stored, whoever has changed them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from swpt_accounts.rules.accounts import replace
from swpt_accounts.storage import connections
from swpt_accounts.transactions.account_memory import UNKNOWN, AccountMemory
from tests.backstage.builders import ALICE, BOB, DEBTOR, ROOT, configure, finalize, prepared, request
from tests.backstage.server import locking
from tests.backstage.stand import Stand, standing
from tests.backstage.stories import issue, seed
from tests.backstage.waiting import wait_until

LOCK_ALICE = f"SELECT 1 FROM account WHERE creditor_id = {ALICE} FOR UPDATE"
BLOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


@pytest.fixture
def other(stand, database):
    """Another worker."""
    with standing(database) as found:
        yield found


def remembered(stand: Stand, creditor_id: int = ALICE):
    """The version and the account that the worker remembers; None if it does not."""
    return stand.context.memory.recall(stand.connection, [(DEBTOR, creditor_id)]).get((DEBTOR, creditor_id))


def version(stand: Stand, creditor_id: int = ALICE) -> int:
    """The version of the row that is stored."""
    return int(stand.value("SELECT xmin::text FROM account WHERE creditor_id = %s", creditor_id))


def test_what_is_written_is_remembered_as_it_is_stored(stand):
    """After each batch the worker knows its accounts, bit by bit, and the versions of their rows."""
    seed(stand)
    stand.apply(request(), configure(BOB, negligible_amount=-0.0, seqnum=5))
    for creditor_id in (ALICE, BOB):
        assert remembered(stand, creditor_id) == (version(stand, creditor_id), stand.account(creditor_id))


def test_a_known_account_is_locked_and_not_read(stand):
    """The columns that are remembered do not travel: a lie about the version of a row is believed."""
    seed(stand)
    stand.apply(request())
    known = remembered(stand)
    assert known is not None
    stand.execute("UPDATE account SET principal = 5 WHERE creditor_id = %s", ALICE)
    stand.context.memory.keep(version(stand), [known[1]])
    stand.apply(configure(ALICE, seqnum=9))
    assert stand.account(ALICE).principal == known[1].principal != 5


def test_what_another_worker_has_changed_is_read_again(stand, other):
    """Two workers that move money of the same account by turns lose nothing."""
    stand.apply(*issue(ALICE, 100), configure(BOB))
    for serial in range(2, 10):
        worker = (stand, other)[serial % 2]
        worker.apply(*issue(ALICE, 10, serial))
        assert stand.account(ALICE).principal == 100 + 10 * (serial - 1)
    assert stand.account(ROOT).principal == -180


def test_what_changes_while_the_lock_is_waited_for_is_read_again(stand, other):
    """The version is compared after the lock, not when the waiting begins."""
    stand.apply(*issue(ALICE, 100), configure(BOB))
    assert remembered(stand)[0] == version(stand)
    with locking(stand.postgres_url, LOCK_ALICE) as lock, ThreadPoolExecutor(1) as pool:
        applied = pool.submit(stand.apply, *issue(ALICE, 10, 2))
        wait_until(lambda: other.value(BLOCKED) == 1, "a blocked worker")
        with lock.cursor() as cursor:
            cursor.execute("UPDATE account SET principal = 700 WHERE creditor_id = %s", [ALICE])
        lock.commit()
        applied.result()
    assert stand.account(ALICE).principal == 710
    assert remembered(stand) == (version(stand), stand.account(ALICE))


def test_what_is_rolled_back_is_not_remembered(stand):
    """A batch that fails at its very end leaves the memory as it was."""
    stand.apply(*issue(ALICE, 100), configure(BOB))
    before = remembered(stand)
    with locking(stand.postgres_url, "LOCK TABLE outbox IN SHARE MODE"):
        stand.connection.cursor().execute("SET lock_timeout = '50ms'")
        stand.connection.commit()
        with pytest.raises(Exception, match="lock timeout"):
            stand.apply(*issue(ALICE, 10, 2))
    assert remembered(stand) == before
    stand.apply(*issue(ALICE, 10, 2))
    assert stand.account(ALICE).principal == 110


def test_a_purged_account_that_comes_back_is_a_new_one(stand, other):
    """Nothing of the former account of the same name is left in the memory."""
    stand.apply(*issue(ALICE, 100), configure(BOB))
    other.execute("DELETE FROM account WHERE creditor_id = %s", ALICE)
    other.apply(configure(ALICE))
    stand.apply(*issue(ALICE, 10, 2))
    assert stand.account(ALICE).principal == 10
    other.execute("DELETE FROM account WHERE creditor_id = %s", ALICE)
    stand.apply(finalize(prepared(), 1), request())
    assert remembered(stand, BOB) is not None
    assert stand.value("SELECT count(*) FROM account WHERE creditor_id = %s", ALICE) == 0


def test_another_connection_remembers_nothing(stand, database):
    """It may lead to another server, where the same ids stand for other transactions."""
    stand.apply(*issue(ALICE, 100))
    assert remembered(stand) is not None
    connection = connections.connect(database, "another connection of a test")
    try:
        assert stand.context.memory.recall(connection, [(DEBTOR, ALICE)]) == {}
    finally:
        connection.close()
    assert remembered(stand) is None


def test_the_memory_has_a_size(stand):
    """The accounts that were used last are known, and never more than twice as many as it should hold."""
    stand.apply(*issue(ALICE, 100))
    account = stand.account(ALICE)
    memory, keys = AccountMemory(size=10), []
    memory.recall(stand.connection, [])
    for number in range(1000):
        one = replace(account, creditor_id=number)
        memory.keep(100 + number, [one])
        keys.append((DEBTOR, number))
        known = memory.recall(stand.connection, keys)
        assert known.keys() >= set(keys[-10:])
        assert len(known) < 20 or len(known) == len(keys)
        assert known[keys[-1]] == (100 + number, one)


def test_rows_without_a_version_of_their_own_are_not_remembered(stand):
    """An id that stands for no transaction marks many versions of a row, so it proves nothing."""
    stand.apply(*issue(ALICE, 100))
    account, memory = stand.account(ALICE), AccountMemory()
    memory.recall(stand.connection, [])
    for number in (UNKNOWN, 1, 2):
        memory.keep(number, [account])
    assert memory.recall(stand.connection, [(DEBTOR, ALICE)]) == {}
