"""The lanes of the chores: what takes long delays nothing that is due within seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import msgspec
import pytest

from swpt_accounts.broker import MemoryTransport
from swpt_accounts.roles.chores.chore import Errand
from swpt_accounts.roles.chores.loop import CHORES
from swpt_accounts.roles.chores.process import ASIDE, work
from swpt_accounts.roles.composition import make_broker
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import Settings, load
from swpt_accounts.storage.partitions import make_partitions
from tests.backstage.builders import POLICY
from tests.backstage.server import locking
from tests.backstage.stories import issue
from tests.backstage.waiting import wait_until

WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%%debtor_summary%%'
"""

CONNECTED = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'swpt_accounts chores'
"""


@pytest.fixture
def settings(stand) -> Settings:
    """Those of a server that announces changes at once."""
    return load(
        {"POSTGRES_URL": stand.postgres_url, "ACCOUNT_UPDATE_DELAY": "0", "ACCOUNT_UPDATE_MIN_INTERVAL": "0"}
    )


@contextmanager
def working(settings: Settings) -> Iterator[None]:
    """The chores at work in threads, on a broker in memory."""
    transport = MemoryTransport()
    transport.declare_topology(settings.protocol_broker_queue, "#")
    stop = Event()
    thread = Thread(target=work, args=(settings, make_broker(settings, transport=transport), stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def test_a_count_that_takes_long_delays_no_announcement(stand, settings):
    """While currencies are counted, and that has no end, changed balances are announced."""
    make_partitions(stand.connection, clock.utcnow())
    stand.replace(
        clock=clock.utcnow,
        policy=msgspec.structs.replace(POLICY, account_update_delay=0, account_update_min_interval=0),
    )
    with (
        locking(stand.postgres_url, "LOCK TABLE debtor_summary IN ACCESS EXCLUSIVE MODE") as lock,
        working(settings),
    ):
        wait_until(lambda: stand.value(WAITING) == 1)
        stand.apply(*issue(now=clock.utcnow()))
        announced = "SELECT count(*) FROM account WHERE last_delayed_update_ts > 0"
        wait_until(lambda: stand.value(announced) == 2)
        assert stand.value(WAITING) == 1
        lock.rollback()
        wait_until(lambda: stand.count("debtor_summary") == 1)


def test_the_end_does_not_wait_for_a_count(stand, settings):
    """What is done aside can be done again; its connection ends with the statement or the process."""
    with locking(stand.postgres_url, "LOCK TABLE debtor_summary IN ACCESS EXCLUSIVE MODE"), working(settings):
        wait_until(lambda: stand.value(WAITING) == 1)
    wait_until(lambda: stand.value(CONNECTED) == 0)


def test_a_lane_that_fails_badly_ends_all(stand, settings):
    """Its error comes out, and the process ends with it: it is started again, and does not limp on."""

    def fail(settings: Settings) -> float:
        raise ZeroDivisionError("a bug")

    sick = Errand("summarize debtors", fail, lambda context: 0)
    chores = (*(chore for chore in CHORES if chore.name not in ASIDE), sick)
    transport = MemoryTransport()
    transport.declare_topology(settings.protocol_broker_queue, "#")
    with pytest.raises(ZeroDivisionError):
        work(settings, make_broker(settings, transport=transport), Event(), chores)


def test_every_chore_aside_is_one():
    """The lane aside names chores that exist, and none that has to be prompt."""
    names = {chore.name for chore in CHORES}
    assert names > ASIDE
    assert not ASIDE & {"announce updates", "relay outbox", "propagate settings", "tend accounts"}
