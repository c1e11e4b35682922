"""New settings of a currency, and accounts that are created while they are carried to all of it.

Who runs at which moment decides, and what else happens on a server hides it: so there is nobody else here.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

import pytest

from swpt_accounts.procedures import Applied
from swpt_accounts.storage import migrations
from swpt_accounts.wire.messages import Message
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import ALICE, BOB, NOW, ROOT, configure
from tests.backstage.housekeeper import housekeeping
from tests.backstage.server import locking
from tests.backstage.stand import Stand, standing, sweep
from tests.backstage.stories import seed
from tests.integration.storage.test_trial import execute

PROPAGATE = "propagate settings"


class Halted:
    """A clock that somebody has to let go on: a batch has read all settings when it asks for the time."""

    def __init__(self, now: Moment = NOW) -> None:
        self.now = now
        self.was_asked = Event()
        self.may_go_on = Event()

    def __call__(self) -> Moment:
        self.was_asked.set()
        assert self.may_go_on.wait(60)
        return self.now


@pytest.fixture(scope="module")
def quiet_database(restartable_postgres) -> Iterator[str]:
    """On a server that nobody else uses."""
    execute(restartable_postgres.url(), "CREATE DATABASE quiet")
    url = restartable_postgres.url("quiet")
    migrations.upgrade(url)
    yield url
    execute(restartable_postgres.url(), "DROP DATABASE quiet WITH (FORCE)")


@pytest.fixture
def workers(quiet_database) -> Iterator[list[Stand]]:
    """Connections of several workers to a database without rows."""
    sweep(quiet_database)
    with ExitStack() as stack:
        yield [stack.enter_context(standing(quiet_database)) for _ in range(3)]


def new_account(stand: Stand) -> Message:
    """An account that was never there."""
    stand.execute("DELETE FROM account WHERE creditor_id = %s", BOB)
    return configure(BOB)


def revived_account(stand: Stand) -> Message:
    """An account that was deleted."""
    stand.execute("UPDATE account SET deleted = true WHERE creditor_id = %s", BOB)
    return configure(BOB, seqnum=1)


def in_its_own_time(
    pool: ThreadPoolExecutor, worker: Stand, message: Message
) -> tuple[Future[Applied], Halted]:
    """A batch that has read all it needs, and waits."""
    halted = Halted()
    worker.replace(clock=halted)
    future = pool.submit(worker.insist, message)
    assert halted.was_asked.wait(60)
    return future, halted


@pytest.mark.parametrize("creation", [new_account, revived_account])
def test_an_account_that_is_created_meanwhile_gets_the_new_rate(
    workers: list[Stand], quiet_database: str, creation: Callable[[Stand], Message]
) -> None:
    """Its creator has begun after the change did, read the old settings, and ends after the whole pass."""
    stand, issuer, creator = workers
    seed(stand)
    message = creation(stand)
    change = configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=9)
    with housekeeping(quiet_database) as keeper, ThreadPoolExecutor(2) as pool:
        keeper.do(PROPAGATE)
        assert stand.count("settings_propagation") == 0, "nothing is left of the beginning"
        issuing, issuers_clock = in_its_own_time(pool, issuer, change)
        creating, creators_clock = in_its_own_time(pool, creator, message)
        issuers_clock.may_go_on.set()
        issuing.result(60)
        keeper.do(PROPAGATE)
        creators_clock.may_go_on.set()
        creating.result(60)
        keeper.do(PROPAGATE)
    assert stand.count("settings_propagation") == 0
    assert {stand.account(one).interest_rate for one in (ALICE, BOB)} == {5.0}


def test_a_quiet_database_needs_one_pass(workers: list[Stand], quiet_database: str) -> None:
    """Nobody runs who could have read the old settings; and who comes later reads the new ones."""
    stand = workers[0]
    seed(stand)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=9))
    with housekeeping(quiet_database) as keeper:
        assert keeper.do(PROPAGATE) > 0
    assert stand.count("settings_propagation") == 0


def test_who_came_later_is_not_waited_for(workers: list[Stand], quiet_database: str) -> None:
    """A transaction that has begun after the first look at the job has read the new settings."""
    stand = workers[0]
    seed(stand)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=9))
    with housekeeping(quiet_database) as keeper:
        with locking(quiet_database, "SELECT pg_current_xact_id()"):
            keeper.do(PROPAGATE)
            assert stand.count("settings_propagation") == 1
        with locking(quiet_database, "SELECT pg_current_xact_id()"):
            keeper.do(PROPAGATE)
            assert stand.count("settings_propagation") == 0
