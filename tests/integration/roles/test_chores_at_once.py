"""Chores with much to do at once: nobody waits long, and the memory stays small."""

from itertools import pairwise
from threading import Event
from typing import Any, ClassVar

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import pytest

from swpt_accounts.broker import MemoryPublisher, MemoryTransport
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import DAY, NOW, ROOT, SECOND, configure
from tests.backstage.housekeeper import Housekeeper, housekeeping, only_chore, populate
from tests.backstage.server import locking
from tests.backstage.stand import Stand
from tests.backstage.waiting import wait_until

TEND = "tend accounts"


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
    with housekeeping(stand.postgres_url, chores=only_chore("propagate settings")) as keeper:
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
    with housekeeping(stand.postgres_url, chores=only_chore("propagate settings")) as keeper:
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


def test_propagation_lets_transfers_breathe(stand):
    """A turn carries new settings to a part of the accounts, and asks for a rest longer than its work."""
    populate(stand, 900, interest=0.0)
    stand.apply(configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=8))
    query = "SELECT count(*) FROM account WHERE interest_rate = 5"
    with housekeeping(stand.postgres_url, chores=only_chore("propagate settings")) as keeper:
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
    with housekeeping(stand.postgres_url, chores=only_chore(chore), **{setting: "3000"}) as keeper:
        assert keeper.chores.turn(Event()) > 0
    with housekeeping(stand.postgres_url, chores=only_chore(chore), **{setting: "3000"}) as keeper:
        keeper.now += 1600 * SECOND
        assert keeper.chores.turn(Event()) == 0
