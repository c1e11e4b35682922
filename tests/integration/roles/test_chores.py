"""The periodic work on a real database: what each chore finds, does and leaves (rules.md#periodic-work)."""

from typing import Any, TypeVar

import msgspec
import pytest

from swpt_accounts.events import AccountPurge, AccountTransfer, AccountUpdate, Event, PreparedTransfer, decode
from swpt_accounts.storage.outbox.rows import unpack
from swpt_accounts.storage.partitions import MONTHS_AHEAD
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.audit import find_violations
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    FIRST_TRANSFER_ID,
    HOUR,
    NOW,
    ROOT,
    SECOND,
    configure,
    day_of,
    finalize,
    journal_of,
    month_later,
    only,
    prepared,
    request,
    text,
)
from tests.backstage.housekeeper import Housekeeper, housekeeping
from tests.backstage.stand import Stand
from tests.backstage.stories import clear_outbox, issue, seed

TEND = "tend accounts"

E = TypeVar("E", bound=Event)


def emitted(stand: Stand, kind: type[E], creditor_id: int | None = None) -> list[E]:
    """What is in the outbox, of a kind and of an account; the oldest first."""
    events = [event for event in stand.events() if isinstance(event, kind)]
    return [event for event in events if creditor_id in (None, event.creditor_id)]


def violations(stand: Stand) -> list[Any]:
    """Broken invariants, apart from what is still waiting."""
    return [found for found in find_violations(stand.postgres_url) if found[0] != "nothing waits"]


def wait_and_tend(stand: Stand, keeper: Housekeeper, days: float, *names: str) -> int:
    """Let days pass, do these chores (or tend to the accounts), and keep only what they emit."""
    clear_outbox(stand)
    keeper.now += round(days * DAY)
    return keeper.do(*(names or (TEND,)))


# -- interest, rates, heartbeats ---------------------------------------------------------------


def test_interest_is_paid_after_a_month(stand, keeper):
    """Principal, interest, journal and messages agree; the books balance (behaviours 41, 47 and 57)."""
    stand.apply(
        *issue(ALICE, 10**6), configure(ROOT, config_data='{"rate":5}', negligible_amount=1e30, seqnum=9)
    )
    assert keeper.do("propagate settings") >= 1
    assert wait_and_tend(stand, keeper, 30) == 2
    transfer = only(emitted(stand, AccountTransfer))
    assert (transfer.coordinator_type, transfer.acquired_amount, transfer.principal) == (
        "interest",
        4015,
        10**6 + 4015,
    )
    alice = stand.account(ALICE)
    assert alice.principal == 10**6 + 4015
    assert alice.interest == pytest.approx(0.446068191015, abs=1e-6)
    assert alice.last_capitalization_ts == keeper.now
    assert stand.account(ROOT).principal == -alice.principal
    assert violations(stand) == []
    assert wait_and_tend(stand, keeper, 0) == 0, "once is enough"
    assert stand.events() == []


def test_an_interest_payment_is_announced_by_the_next_updates(stand, keeper):
    """The pending update of both accounts is sent when it is due (rules.md#balance-changes)."""
    seed(stand, 1000)
    assert wait_and_tend(stand, keeper, 1, "announce updates") == 2
    stand.execute("UPDATE account SET interest = 5.5 WHERE creditor_id = %s", ALICE)
    assert wait_and_tend(stand, keeper, 3) == 1
    assert emitted(stand, AccountUpdate) == []
    assert wait_and_tend(stand, keeper, 0, "announce updates") == 0
    keeper.now += SECOND
    assert keeper.do("announce updates") == 2
    assert [(e.creditor_id, e.principal) for e in emitted(stand, AccountUpdate)] == [
        (ROOT, -1005),
        (ALICE, 1005),
    ]
    assert stand.count("account_update_due") == 0


def test_silent_accounts_send_heartbeats(stand, keeper):
    """One each week, newer and otherwise identical; not the deleted ones (behaviour 57)."""
    seed(stand)
    assert wait_and_tend(stand, keeper, 6.9) == 0
    assert wait_and_tend(stand, keeper, 0.2) == 3
    first = emitted(stand, AccountUpdate)
    assert wait_and_tend(stand, keeper, 6.9) == 0
    assert wait_and_tend(stand, keeper, 0.2) == 3
    ts = text(keeper.now)
    assert emitted(stand, AccountUpdate) == [msgspec.structs.replace(event, ts=ts) for event in first]


def test_grown_settings_reach_every_account(stand):
    """With a new number each, within a heartbeat (behaviour 111)."""
    seed(stand)
    stand.execute("UPDATE server_record SET commit_period = commit_period + 1, settings_version = 2")
    with housekeeping(stand.postgres_url) as keeper:
        keeper.do("announce updates")
        numbers = {c: stand.account(c).last_change_seqnum for c in (ROOT, ALICE, BOB)}
        assert wait_and_tend(stand, keeper, 8) == 3
        for event in emitted(stand, AccountUpdate):
            assert event.commit_period == 7776001
            grown = numbers[event.creditor_id] + 1
            assert event.last_change_seqnum == grown == stand.account(event.creditor_id).last_change_seqnum


def test_a_put_off_rate_is_applied_by_the_next_pass_after_its_time(stand, keeper):
    """Eight days after the last change, although no message reminds of it (behaviour 54, rule R6)."""
    for seqnum, rate in ((8, 5), (9, 6)):
        stand.apply(*issue()[:2], configure(ROOT, config_data=f'{{"rate":{rate}}}', seqnum=seqnum))
        keeper.do("propagate settings")
    assert stand.account(ALICE).interest_rate == 5.0
    assert wait_and_tend(stand, keeper, 7.99) > 0, "a heartbeat"
    assert stand.account(ALICE).interest_rate == 5.0
    wait_and_tend(stand, keeper, 0.01)
    assert (stand.account(ALICE).interest_rate, stand.account(ALICE).previous_interest_rate) == (6.0, 5.0)
    assert only(emitted(stand, AccountUpdate, ALICE)).interest_rate == 6.0


def test_settings_that_were_read_days_ago_are_not_applied(stand, keeper):
    """A process that has read them before reads them again in each step, and so never late (behaviour 56)."""
    stand.apply(configure(ROOT, config_data='{"info":{"iri":"old"}}'), configure(ALICE))
    keeper.do("propagate settings", TEND)
    assert stand.account(ALICE).debtor_info.iri == "old"
    stand.execute("""UPDATE root_configuration SET config_data = '{"info":{"iri":"new"}}'""")
    keeper.now += 2 * DAY
    stand.replace(clock=keeper.clock)
    stand.apply(configure(BOB, ts=keeper.now))
    assert stand.account(BOB).debtor_info.iri == "new"
    assert keeper.do(TEND) == 1
    assert stand.account(ALICE).debtor_info.iri == "new"


def test_interest_of_one_account_does_not_hide_the_rate_of_the_next(stand, keeper):
    """Also when the page of a pass starts behind the root account that pays."""
    stand.apply(*issue(ALICE, 1000), configure(BOB), configure(ROOT, config_data='{"rate":5}', seqnum=8))
    stand.execute("DELETE FROM settings_propagation")
    stand.execute("UPDATE account SET interest = 50 WHERE creditor_id = %s", ALICE)
    keeper.chores.enroll()
    stand.execute(
        "UPDATE chore SET pass_started_at = %s, position = '[7, 0]' WHERE name = %s", keeper.now, TEND
    )
    assert keeper.do(TEND) == 2
    assert (stand.account(ALICE).principal, stand.account(ALICE).interest_rate) == (1050, 5.0)
    assert stand.account(BOB).interest_rate == 5.0


# -- deletion and purge ------------------------------------------------------------------------


def schedule(stand: Stand, *creditor_ids: int, negligible_amount: float = 0.0) -> None:
    """Ask for the deletion of these accounts."""
    stand.apply(
        *(configure(c, config_flags=1, negligible_amount=negligible_amount, seqnum=77) for c in creditor_ids)
    )


def test_the_life_of_an_account_to_its_end(stand, keeper):
    """Scheduled, deleted, purged, and created again with a later date (behaviours 48, 57, 69 and 79)."""
    seed(stand)
    schedule(stand, BOB)
    assert wait_and_tend(stand, keeper, 6.9) == 0
    assert wait_and_tend(stand, keeper, 0.2) == 3, "two heartbeats and a deletion"
    assert stand.account(BOB).is_deleted
    wait_and_tend(stand, keeper, 105.9)
    assert emitted(stand, AccountUpdate, BOB) == []
    wait_and_tend(stand, keeper, 0.2)
    purge = only(emitted(stand, AccountPurge))
    assert (purge.creditor_id, purge.creation_date) == (BOB, day_of(NOW))
    with pytest.raises(KeyError):
        stand.account(BOB)
    stand.replace(clock=keeper.clock)
    stand.apply(configure(BOB, ts=keeper.now))
    assert stand.account(BOB).last_transfer_id > FIRST_TRANSFER_ID + 2**40
    assert stand.count("account_update_due") == 0 or violations(stand) == []


def test_a_rest_is_paid_before_the_deletion(stand, keeper):
    """What the owner calls negligible goes to the root account, with a reason (behaviours 42 and 50)."""
    stand.apply(*issue(ALICE, 2))
    schedule(stand, ALICE, negligible_amount=2.0)
    wait_and_tend(stand, keeper, 8)
    transfer = only(emitted(stand, AccountTransfer))
    assert (transfer.coordinator_type, transfer.acquired_amount, transfer.principal) == ("delete", -2, 0)
    assert stand.account(ROOT).principal == 0
    assert stand.account(ALICE).is_deleted
    assert violations(stand) == []


def test_money_that_matters_keeps_a_scheduled_account(stand, keeper):
    """With balance 2 and nothing negligible it stays, for ever (behaviours 50 and 98)."""
    stand.apply(*issue(ALICE, 2))
    schedule(stand, ALICE)
    for _ in range(10):
        wait_and_tend(stand, keeper, 40)
    assert (stand.account(ALICE).principal, stand.account(ALICE).is_deleted) == (2, False)


def test_a_transfer_on_its_way_keeps_the_recipient(stand, keeper):
    """Until the deadline; the commit lands, and nothing of it is lost (behaviour 99)."""
    seed(stand, 1000)
    stand.apply(request(coordinator_request_id=5, max_commit_delay=20 * 86400))
    transfer_id = stand.value("SELECT transfer_id FROM prepared_transfer")
    schedule(stand, BOB)
    wait_and_tend(stand, keeper, 10)
    assert not stand.account(BOB).is_deleted
    stand.replace(clock=keeper.clock)
    stand.apply(finalize(prepared(transfer_id=transfer_id, coordinator_request_id=5), 60))
    assert stand.account(BOB).principal == 60
    wait_and_tend(stand, keeper, 30)
    assert not stand.account(BOB).is_deleted


def test_a_transfer_that_can_not_be_committed_any_more_keeps_nobody(stand, keeper):
    """After its deadline the recipient is deleted; the prepared transfer of the sender stays."""
    seed(stand, 1000)
    stand.apply(request(coordinator_request_id=5, max_commit_delay=86400))
    schedule(stand, ALICE, BOB, negligible_amount=1e30)
    wait_and_tend(stand, keeper, 10)
    assert stand.account(BOB).is_deleted
    assert not stand.account(ALICE).is_deleted, "D4"
    assert stand.count("prepared_transfer") == 1


def test_what_is_paid_to_a_purged_root_account_in_the_same_step_is_not_lost(stand, keeper):
    """The root account is purged and created again, and holds the money."""
    stand.apply(*issue(ALICE, 5), configure(BOB))
    stand.apply(request(ALICE, BOB, coordinator_request_id=3, max_locked_amount=5))
    transfer_id = stand.value("SELECT transfer_id FROM prepared_transfer")
    stand.apply(finalize(prepared(transfer_id=transfer_id, coordinator_request_id=3), 5))
    stand.execute("UPDATE account SET principal = 0, deleted = true, config_flags = 1 WHERE creditor_id = 0")
    stand.execute("UPDATE account SET principal = 2 WHERE creditor_id = %s", ALICE)
    stand.execute("UPDATE account SET principal = -2 WHERE creditor_id = %s", BOB)
    schedule(stand, ALICE, negligible_amount=2.0)
    wait_and_tend(stand, keeper, 120)
    assert only(emitted(stand, AccountPurge)).creditor_id == ROOT
    assert stand.account(ROOT).principal == 2
    assert stand.account(ROOT).created_at == keeper.now
    assert stand.count("root_configuration") == 0
    assert stand.value("SELECT sum(principal) FROM account") == 0


# -- reminders ---------------------------------------------------------------------------------


def test_transfers_that_wait_are_announced_every_week(stand, keeper):
    """Identical but for the moment, also after the deadline (behaviour 58)."""
    seed(stand, 1000)
    stand.apply(
        request(coordinator_request_id=5, max_commit_delay=10 * 86400), request(coordinator_request_id=6)
    )
    first = emitted(stand, PreparedTransfer)
    assert wait_and_tend(stand, keeper, 7, "send reminders") == 0
    for _ in range(4):
        assert wait_and_tend(stand, keeper, 7.1, "send reminders") == 2
        ts = text(keeper.now)
        assert emitted(stand, PreparedTransfer) == [msgspec.structs.replace(one, ts=ts) for one in first]
        assert wait_and_tend(stand, keeper, 0, "send reminders") == 0
    assert stand.account(ALICE).pending_transfers_count == 2


# -- cleaning ----------------------------------------------------------------------------------


def test_the_registry_forgets_only_what_is_older_than_the_safe_age(stand, keeper):
    """A row goes a day after its credit is too old; many rows take several steps (behaviour 59)."""
    stand.execute(
        "INSERT INTO registered_balance_change SELECT %s, n %% 3, n, 1, 5, %s - n * 1000000::int8"
        " FROM generate_series(1, 12000) AS n",
        DEBTOR,
        NOW,
    )
    assert wait_and_tend(stand, keeper, 91 - 1, "clean registry") == 0
    keeper.now += DAY - 2000 * SECOND
    assert keeper.do("clean registry") == 10000
    assert stand.value("SELECT min(committed_at) FROM registered_balance_change") == NOW - 2000 * SECOND
    assert keeper.do("clean registry") == 0


def test_settled_dead_letters_are_removed_after_their_retention(stand, keeper):
    """Open ones stay for ever, and settled ones for DEAD_LETTER_RETENTION (rules.md#dead-letters)."""
    stand.execute(
        "INSERT INTO dead_letter (received_at, state, reason, detail, queue, exchange, routing_key,"
        " properties, body, body_size, body_sha256, settled_at)"
        " SELECT %s, s, 'not_json', '', 'q', '', '', '', '', 0, '', CASE WHEN s <> 'open' THEN %s::int8 END"
        " FROM unnest(ARRAY['open', 'returned', 'discarded']) AS s, generate_series(1, 600)",
        NOW - 200 * DAY,
        NOW,
    )
    stand.execute("INSERT INTO delivery_attempt VALUES ('a', 1, %s), ('b', 1, %s)", NOW, NOW + 80 * DAY)
    assert wait_and_tend(stand, keeper, 89.9, "remove dead letters") == 0
    assert wait_and_tend(stand, keeper, 0.2, "remove dead letters") == 1200
    assert stand.rows("SELECT state, count(*) FROM dead_letter GROUP BY state") == [("open", 600)]
    assert stand.count("delivery_attempt") == 1


def test_partitions_are_made_ahead(stand, keeper):
    """Whatever the month, three more are there; nothing is in the default partition."""
    query = "SELECT relname FROM pg_class WHERE relname ~ '^journal_2' AND relkind = 'r'"
    for months in range(1, 15):
        keeper.now = month_later(months)
        keeper.do("make partitions")
    names = {name for (name,) in stand.rows(query)}
    assert {journal_of(month_later(months)) for months in range(14 + MONTHS_AHEAD + 1)} <= names
    assert keeper.do("make partitions") == 0
    # Other tests share this schema.
    for name in names - {journal_of(month_later(months)) for months in range(MONTHS_AHEAD + 1)}:
        stand.execute(f"DROP TABLE {name}")


def test_what_a_dead_process_left_unsent_is_taken_over(stand, keeper):
    """Its advisory lock is free, so that the relay makes its rows ours."""
    stand.apply(*issue())
    assert keeper.do("relay outbox") == 1
    assert stand.rows("SELECT publisher_key FROM outbox") == [(keeper.outbox.publisher_key,)]
    assert len(unpack(bytes(stand.value("SELECT payload FROM outbox")))) == 5
    assert decode(stand.envelopes()[0].body) == stand.events()[0]


# -- odd accounts ------------------------------------------------------------------------------


def test_overflown_accounts_are_tended_like_others(stand, keeper):
    """The mark hinders neither interest nor deletion nor heartbeats (behaviour 45)."""
    seed(stand, 1000)
    stand.execute("UPDATE account SET overflown = true, interest = 7.5 WHERE creditor_id = %s", ALICE)
    stand.execute(
        "UPDATE account SET overflown = true, principal = %s, interest = 1e18 WHERE creditor_id = %s",
        MAX_INT64 - 1,
        BOB,
    )
    assert wait_and_tend(stand, keeper, 1) == 2
    assert (stand.account(ALICE).principal, stand.account(BOB).principal) == (1007, MAX_INT64)
    assert wait_and_tend(stand, keeper, 30) == 3
    assert stand.account(BOB).is_overflown


def test_a_debtor_without_a_root_account_is_no_obstacle(stand, keeper):
    """Interest creates the root account; without settings everything else goes on."""
    stand.apply(configure(ALICE), configure(BOB))
    stand.execute("UPDATE account SET interest = 7.5, interest_rate = 3 WHERE creditor_id = %s", ALICE)
    assert wait_and_tend(stand, keeper, 1) == 1
    assert stand.account(ROOT).principal == -7
    assert stand.account(ALICE).interest_rate == 3.0
    assert wait_and_tend(stand, keeper, 8) == 3


def test_a_clock_that_is_set_back_by_an_hour_harms_nothing(stand, keeper):
    """Nothing is paid twice, nothing decreases, what is pending is announced, and all goes on later."""
    seed(stand, 1000)
    stand.execute("UPDATE account SET interest = 7.5 WHERE creditor_id = %s", ALICE)
    assert wait_and_tend(stand, keeper, 8) == 3
    before = stand.account(ALICE)
    assert (before.principal, before.last_change_ts) == (1007, keeper.now)
    clear_outbox(stand)
    keeper.now -= HOUR
    keeper.do("announce updates")
    assert keeper.do(TEND, "send reminders") == 0
    after = stand.account(ALICE)
    assert (after.principal, after.interest) == (before.principal, before.interest)
    assert (after.last_change_ts, after.last_change_seqnum) == (
        before.last_change_ts,
        before.last_change_seqnum,
    )
    assert {type(event) for event in stand.events()} == {AccountUpdate}
    keeper.now += 2 * HOUR + 7 * DAY
    assert keeper.do(TEND) == 3
    assert violations(stand) == []
