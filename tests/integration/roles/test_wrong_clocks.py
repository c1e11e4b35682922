"""The clock stands 100 days ahead for a while, and is right again: what it has written stops nothing."""

from typing import Any, TypeVar

import pytest

from swpt_accounts.events import AccountTransfer, AccountUpdate, Event, PreparedTransfer
from tests.backstage.audit import find_violations
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    MINUTE,
    NOW,
    ROOT,
    SECOND,
    configure,
    finalize,
    prepared,
    request,
)
from tests.backstage.housekeeper import Housekeeper, housekeeping
from tests.backstage.stand import Stand, standing
from tests.backstage.stories import clear_outbox, seed
from tests.backstage.waiting import wait_until

AHEAD = 100 * DAY
WAITING = 31
E = TypeVar("E", bound=Event)


class Machine:
    """A machine with a worker and the chores on one clock, which may be wrong."""

    def __init__(self, stand: Stand, keeper: Housekeeper) -> None:
        self.stand = stand
        self.keeper = keeper
        self.is_ahead_by = 0
        self.now = NOW
        stand.replace(clock=self.clock)
        self.serial = 0

    def clock(self) -> int:
        """What the machine takes for the present."""
        return self.now + self.is_ahead_by

    def wait(self, duration: int) -> None:
        """Time goes by, on every clock."""
        self.now += duration

    def do(self, *names: str) -> int:
        """Do chores, whether their time has come or not."""
        self.keeper.now = self.clock()
        return self.keeper.do(*names)

    def pay(self, amount: int = 1) -> None:
        """ALICE pays BOB."""
        self.serial += 1
        number = self.serial
        self.stand.apply(request(ALICE, BOB, coordinator_request_id=1000 + number, ts=self.clock()))
        [transfer_id] = self.stand.rows(
            "SELECT transfer_id FROM prepared_transfer WHERE coordinator_request_id = %s", 1000 + number
        )[0]
        transfer = prepared(ALICE, BOB, coordinator_request_id=1000 + number, transfer_id=transfer_id)
        self.stand.apply(finalize(transfer, amount, ts=self.clock()))

    def emitted(self, kind: type[E], *creditor_ids: int) -> list[E]:
        """The events of a kind in the outbox, of these accounts; all are gone then."""
        events = [event for event in self.stand.events() if isinstance(event, kind)]
        clear_outbox(self.stand)
        return [event for event in events if not creditor_ids or event.creditor_id in creditor_ids]


@pytest.fixture
def machine(postgres_url):
    """A machine with money, whose clock was 100 days ahead for twelve seconds, and is right again."""
    with standing(postgres_url) as stand, housekeeping(postgres_url) as keeper:
        seed(stand)
        machine = Machine(stand, keeper)
        stand.apply(request(ALICE, BOB, coordinator_request_id=WAITING))
        machine.do()
        machine.wait(HOUR)
        machine.is_ahead_by = AHEAD
        machine.pay()
        machine.do()
        machine.wait(12 * SECOND)
        machine.do()
        machine.pay()
        stand.apply(request(ALICE, BOB, coordinator_request_id=WAITING + 1, ts=machine.clock()))
        machine.is_ahead_by = 0
        clear_outbox(stand)
        yield machine


def violations(machine: Machine) -> list[Any]:
    """Broken invariants, apart from what is still waiting."""
    return [found for found in find_violations(machine.stand.postgres_url) if found[0] != "nothing waits"]


def test_what_was_pending_is_announced_within_its_usual_time(machine):
    """The change of the last second as well, for which the clock had settled a moment far ahead."""
    machine.wait(MINUTE)
    machine.do("announce updates")
    updates = machine.emitted(AccountUpdate)
    assert {update.creditor_id for update in updates} == {ALICE, BOB}
    assert machine.stand.count("account_update_due") == 0


def test_new_changes_are_announced_as_usual(machine):
    """A second after the change, and a minute after the one before; however often."""
    machine.wait(MINUTE)
    machine.do("announce updates")
    machine.emitted(AccountUpdate)
    for _ in range(3):
        machine.wait(MINUTE)
        machine.pay()
        machine.wait(SECOND)
        machine.do("announce updates")
        assert {update.creditor_id for update in machine.emitted(AccountUpdate)} == {ALICE, BOB}


def test_a_row_that_is_left_over_keeps_no_change_from_its_announcement(machine):
    """An account that was announced for another reason still has its row of due updates, far ahead."""
    machine.stand.apply(configure(BOB, ts=machine.clock(), seqnum=5))
    assert machine.stand.value("SELECT max(due_at) FROM account_update_due") > NOW + AHEAD
    clear_outbox(machine.stand)
    machine.pay()
    for _ in range(70):
        machine.wait(SECOND)
        machine.do("announce updates")
    assert machine.emitted(AccountUpdate, BOB)


def test_heartbeats_and_reminders_go_on(machine):
    """At once, and then once a week; the other transfer was prepared an hour ago, and has time."""
    machine.do("tend accounts", "send reminders")
    first = machine.stand.events()
    assert {e.creditor_id for e in first if isinstance(e, AccountUpdate)} == {ROOT, ALICE, BOB}
    assert len([e for e in first if isinstance(e, PreparedTransfer)]) == 1
    clear_outbox(machine.stand)
    machine.wait(DAY)
    assert machine.do("tend accounts", "send reminders") == 0
    machine.wait(7 * DAY)
    machine.do("tend accounts", "send reminders")
    again = machine.stand.events()
    assert {e.creditor_id for e in again if isinstance(e, AccountUpdate)} == {ROOT, ALICE, BOB}
    assert len([e for e in again if isinstance(e, PreparedTransfer)]) == 2


def test_messages_are_dated_and_numbered_in_order(machine):
    """For clients it looks as if all happened at the far moment: nothing decreases, no number is missing."""
    machine.wait(MINUTE)
    machine.do("announce updates")
    before = machine.stand.account(BOB)
    clear_outbox(machine.stand)
    machine.pay(5)
    [transfer] = machine.emitted(AccountTransfer, BOB)
    after = machine.stand.account(BOB)
    assert transfer.previous_transfer_number == before.last_transfer_number
    assert after.last_change_ts == before.last_change_ts > machine.clock()
    assert after.last_change_seqnum == before.last_change_seqnum + 1
    assert after.interest == before.interest
    assert violations(machine) == []


def test_an_account_is_deleted_after_its_quiet_time(machine):
    """Its owner asked for it while the clock was wrong: a week after it is right, not sooner."""
    machine.is_ahead_by = AHEAD
    machine.stand.apply(configure(BOB + 1, config_flags=1, ts=machine.clock()))
    machine.is_ahead_by = 0
    machine.do("tend accounts")
    machine.wait(7 * DAY - 1)
    machine.do("tend accounts")
    assert not machine.stand.account(BOB + 1).is_deleted
    machine.wait(1)
    machine.do("tend accounts")
    assert machine.stand.account(BOB + 1).is_deleted


def test_what_the_broker_did_not_take_is_tried_again(machine):
    """A row whose next attempt was settled while the clock was wrong goes like all others."""
    stand = machine.stand
    stand.apply(configure(BOB, ts=machine.clock(), seqnum=5))
    stand.execute(
        "UPDATE outbox SET publisher_key = NULL, attempts = 1, last_failure = 'returned',"
        " next_attempt_at = %s",
        NOW + AHEAD,
    )
    assert machine.do("relay outbox") == 1
    assert stand.value("SELECT publisher_key FROM outbox") == machine.keeper.outbox.publisher_key


@pytest.mark.parametrize("barrier", [1 << 40, None], ids=["of another cluster", "of the wrong time"])
def test_settings_reach_their_accounts(machine, barrier):
    """A barrier of another cluster, from which the database was restored, is none; nor is a far request."""
    stand = machine.stand
    config_data = '{"type":"RootConfigData","rate":7.0}'
    machine.is_ahead_by = 9 * DAY
    stand.apply(configure(ROOT, negligible_amount=1e30, config_data=config_data, ts=machine.clock()))
    machine.is_ahead_by = 0
    stand.execute("UPDATE settings_propagation SET barrier = %s, requested_at = %s", barrier, NOW + AHEAD)
    # Its last pass waits for the transactions of whoever else uses the server.
    wait_until(lambda: machine.do("propagate settings") == 0 == stand.count("settings_propagation"))
    assert {stand.account(one).interest_rate for one in (ALICE, BOB)} == {7.0}


def test_chores_begin_in_their_periods(machine):
    """A pass that was begun ahead ends and is begun again in time; an order from ahead is done once."""
    stand = machine.stand
    stand.execute("UPDATE chore SET last_started_at = %s, requested_at = %s", NOW + AHEAD, NOW + AHEAD)
    stand.execute("UPDATE chore SET pass_started_at = %s WHERE name = 'tend accounts'", NOW + AHEAD)
    machine.do()
    # The order was given while its pass was under way: it is for the next one.
    machine.do("tend accounts")
    far = "SELECT name FROM chore WHERE greatest(last_started_at, pass_started_at, requested_at) > %s"
    assert stand.rows(far, machine.clock()) == []
    assert stand.rows("SELECT name FROM chore WHERE requested_at IS NOT NULL") == []


def test_what_operators_see_is_kept_as_long_as_usual(machine):
    """Settled dead letters and refusals count from now; sessions that never would have ended are over."""
    stand = machine.stand
    stand.execute(
        "INSERT INTO dead_letter (received_at, state, reason, detail, queue, exchange, routing_key,"
        " properties, body_size, body_sha256, settled_at)"
        " VALUES (%s, 'discarded', 'bad_json', '', '', '', '', '', 0, '', %s)",
        NOW + AHEAD,
        NOW + AHEAD,
    )
    stand.execute("INSERT INTO delivery_attempt VALUES ('a', 1, %s)", NOW + AHEAD)
    stand.execute("INSERT INTO admin_session VALUES ('a', 1, %s, %s)", NOW + AHEAD, NOW)
    stand.execute(
        "INSERT INTO refusal (refused_at, kind, code, debtor_id, creditor_id)"
        " VALUES (%s, 'transfer', '', 1, 1)",
        NOW + AHEAD,
    )
    machine.do("remove dead letters", "remove refusals")
    assert stand.count("admin_session") == stand.count("delivery_attempt") == 0
    assert stand.value("SELECT settled_at FROM dead_letter") == machine.clock()
    assert stand.value("SELECT refused_at FROM refusal") == machine.clock()
    machine.wait(91 * DAY)
    machine.do("remove dead letters", "remove refusals")
    assert stand.count("dead_letter") == stand.count("refusal") == 0


def test_the_sums_of_a_currency_that_is_gone_are_forgotten(machine):
    """Also those that were counted ahead."""
    machine.stand.execute(
        "INSERT INTO debtor_summary SELECT %s, %s, 0, 0, 0, 0, 0, 0, 0", DEBTOR + 1, NOW + AHEAD
    )
    machine.do("summarize debtors")
    assert machine.stand.rows("SELECT debtor_id FROM debtor_summary") == [(DEBTOR,)]
