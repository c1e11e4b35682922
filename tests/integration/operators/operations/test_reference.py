"""A database of the reference server moves in: what is there afterwards, and what is refused."""

import re
import resource
import time

import pytest

from swpt_accounts.events import AccountTransfer, AccountUpdate, FinalizedTransfer
from swpt_accounts.operators.inspection import ledger
from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.operators.inspection.keyset import Cut
from swpt_accounts.operators.inspection.reference import examine, reference_source
from swpt_accounts.operators.operations.reference import import_reference
from swpt_accounts.rules.currency import DebtorInfo
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage import connections
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    NOW,
    POLICY,
    ROOT,
    finalize,
    prepared,
    request,
    text,
)
from tests.backstage.reference import CREATED, FIRST_ID, WAITING, Reference


@pytest.fixture(scope="module")
def source_url(postgres):
    """A database for the tests of this module: to make a schema anew costs less than a database."""
    name = postgres.create_empty_database()
    yield postgres.database_url(name)
    postgres.drop_database(name)


@pytest.fixture
def reference(source_url):
    """An empty database of a reference server."""
    return Reference(source_url)


def move(stand, reference, order, *, is_forced=False, **options):
    """Examine the source, and import it."""
    with (
        reference_source(reference.url) as source,
        connections.session(stand.postgres_url, "a test") as connection,
    ):
        examined = examine(source, is_forced=is_forced)
        return import_reference(connection, source, examined, order=order, **options)


def check(stand):
    """The broken rules, and for how many accounts the numbers were checked."""
    with connections.session(stand.postgres_url, "a test") as connection:
        result = verify(connection, Realm(0, 0))
    return [(one.rule, one.creditor_id) for one in result.violations], result.numbers_checked


def everything(stand):
    """What an import leaves behind."""
    tables = "account", "prepared_transfer", "account_update_due", "root_configuration", "journal", "audit"
    return {table: stand.count(table) for table in tables}


NOTHING = dict.fromkeys(
    ("account", "prepared_transfer", "account_update_due", "root_configuration", "journal", "audit"), 0
)


def test_every_column_arrives(stand, reference, order, audit):
    """Numbers, ids, moments to the microsecond, and rates as they were meant; the audit has a row."""
    reference.story()
    imported = move(stand, reference, order)
    assert (imported.imported_at, imported.accounts, imported.transfers) == (NOW, 4, 2)
    alice, root, gone = stand.account(ALICE), stand.account(ROOT), stand.account(BOB + 1)
    assert (alice.principal, alice.interest, alice.interest_rate) == (600, 0.25, 2.3)
    assert (alice.previous_interest_rate, alice.negligible_amount) == (1.1, 0.1)
    assert alice.last_interest_rate_change_ts == CREATED + HOUR + 123456
    assert (alice.created_at, alice.last_change_ts, alice.last_change_seqnum) == (CREATED, NOW - HOUR, 17)
    assert (alice.last_config_ts, alice.last_config_seqnum, alice.last_config_applied_at) == (
        CREATED + HOUR,
        3,
        NOW,
    )
    assert (alice.last_transfer_number, alice.last_transfer_committed_at) == (5, NOW - HOUR)
    assert (alice.last_transfer_id, alice.total_locked_amount) == (FIRST_ID + 9, 200)
    assert (alice.pending_transfers_count, alice.last_update_ts) == (2, NOW - DAY)
    assert (alice.announced_settings, alice.update_pending_since) == (1, NOW)
    sha256 = bytes(range(32)).hex().upper()
    assert alice.debtor_info == DebtorInfo("https://example.com/currency", "text/plain", sha256)
    assert (root.principal, root.debtor_info) == (-1000, DebtorInfo())
    assert stand.rows("SELECT debtor_id, config_data LIKE '%%2.3%%' FROM root_configuration") == [
        (DEBTOR, True)
    ]
    assert (gone.is_deleted, gone.last_deletion_ts, gone.update_pending_since) == (True, NOW - DAY, 0)
    transfers = stand.rows(
        "SELECT transfer_id, deadline, final_interest_rate_ts, last_reminder_ts FROM prepared_transfer"
        " ORDER BY transfer_id"
    )
    assert transfers == [
        (FIRST_ID + 7, NOW + 30 * DAY + 1, 253402300799000000, NOW - HOUR),
        (FIRST_ID + 8, NOW + 30 * DAY + 1, 253402300799000000, 0),
    ]
    assert audit() == [
        ("import-reference", "a database of the reference server", "4 accounts, 2 prepared transfers")
    ]


def test_the_books_are_in_order(stand, reference, order):
    """`verify` finds nothing, and checks numbers and principals of all accounts against the journal."""
    reference.story()
    move(stand, reference, order)
    assert check(stand) == ([], 4)


def test_an_account_that_had_overflown_there_is_in_order_here(stand, reference, order):
    """Its opening balance says so: the mark needs no principal at the bound (V12)."""
    reference.story()
    reference.execute(f"UPDATE account SET status_flags = 2 WHERE creditor_id = {ALICE}")
    move(stand, reference, order)
    assert stand.account(ALICE).is_overflown
    assert check(stand) == ([], 4)


def test_what_somebody_breaks_after_an_import_is_found(stand, reference, order):
    """An imported principal is held against its opening balance, and so are the numbers."""
    reference.story()
    move(stand, reference, order)
    stand.execute("UPDATE account SET principal = principal + 1 WHERE creditor_id = %s", ALICE)
    stand.execute("UPDATE account SET principal = principal - 1 WHERE creditor_id = %s", BOB)
    stand.execute("UPDATE account SET last_transfer_number = 9 WHERE creditor_id = %s", BOB)
    assert check(stand)[0] == [("V9", ALICE), ("V4", BOB), ("V9", BOB)]


def test_a_client_goes_on(stand, reference, order):
    """A transfer that was prepared there is committed here, and no number comes twice or is left out."""
    reference.story()
    move(stand, reference, order)
    old = prepared(ALICE, BOB, transfer_id=FIRST_ID + 7, coordinator_request_id=7)
    stand.apply(finalize(old, 60), request(ALICE, BOB, coordinator_request_id=77))
    [finalized] = [event for event in stand.events() if isinstance(event, FinalizedTransfer)]
    reason = [event for event in stand.events() if isinstance(event, AccountTransfer)]
    assert (finalized.status_code, finalized.committed_amount) == ("OK", 60)
    numbers = {event.creditor_id: (event.previous_transfer_number, event.transfer_number) for event in reason}
    assert numbers == {ALICE: (5, 6), BOB: (2, 3)}
    assert {event.creation_date for event in reason} == {
        stand.value("SELECT to_timestamp(%s)::date::text", CREATED // 10**6)
    }
    newest = stand.value("SELECT max(transfer_id) FROM prepared_transfer")
    assert newest == FIRST_ID + 10
    stand.apply(finalize(prepared(ALICE, BOB, transfer_id=FIRST_ID + 8, coordinator_request_id=8)))
    assert stand.account(ALICE).pending_transfers_count == 1
    assert check(stand) == ([], 4)


def test_every_account_is_announced(keeper, stand, reference, order):
    """The chores announce each account that is not deleted, with the numbers that it had."""
    reference.story()
    move(stand, reference, order)
    keeper.now = NOW + POLICY.account_update_delay
    keeper.do("announce updates")
    updates = {event.creditor_id: event for event in stand.events() if isinstance(event, AccountUpdate)}
    assert updates.keys() == {ROOT, ALICE, BOB}
    alice = updates[ALICE]
    assert (alice.last_change_seqnum, alice.last_transfer_number, alice.principal) == (17, 5, 600)
    assert alice.ts == text(keeper.now)
    assert '"rate": 2.3' in updates[ROOT].config_data
    assert stand.count("account_update_due") == 0


def test_a_ledger_begins_with_its_opening_balance(stand, reference, order):
    """One entry over nothing, with the principal, which was the same before, as far as anybody knows."""
    reference.story()
    move(stand, reference, order)
    stand.apply(finalize(prepared(ALICE, BOB, transfer_id=FIRST_ID + 7, coordinator_request_id=7), 60))
    with connections.session(stand.postgres_url, "a test") as connection:
        page = ledger.list_entries(connection, DEBTOR, ALICE, Cut(None), 10)
        entries = [(one.coordinator_type, one.acquired_amount, one.principal) for one in page.items]
        assert entries == [("direct", -60, 540), ("opening", 0, 600)]
        assert ledger.principal_at(connection, DEBTOR, ALICE, NOW - 1).principal == 600


@pytest.mark.parametrize("table", WAITING)
def test_what_waits_is_waited_for(stand, reference, order, table):
    """As long as a table of signals or requests holds rows, nothing is imported."""
    reference.story()
    reference.insert(table, {"debtor_id": 1})
    with pytest.raises(OperatorError, match=f"1 rows wait in {table}: let the reference server work"):
        move(stand, reference, order)
    assert everything(stand) == NOTHING


CRIMES = [
    ("UPDATE account SET total_locked_amount = 5 WHERE creditor_id = 1001", "1 accounts do not agree"),
    ("UPDATE account SET pending_transfers_count = 3 WHERE creditor_id = 1001", "do not agree with their"),
    ("UPDATE account SET last_transfer_id = 1 WHERE creditor_id = 1001", "do not agree with their"),
    ("UPDATE prepared_transfer SET sender_creditor_id = 5", "accounts do not agree"),
    (
        "UPDATE account SET principal = 401 WHERE creditor_id = 1002",
        "currencies do not add up to 0, those of 7 to 1",
    ),
    (
        "UPDATE prepared_transfer SET coordinator_request_id = 1",
        "1 requests have two prepared transfers: 7/1001",
    ),
    ("UPDATE prepared_transfer SET demurrage_rate = -30", "has the demurrage rate -30.0, not -50.0"),
    ("UPDATE account SET status_flags = 4 WHERE creditor_id = 1001", "account 7/1001 has status_flags 4"),
    (
        "UPDATE account SET status_flags = 1 WHERE creditor_id = 1002",
        "account 7/1002 is deleted, but not empty",
    ),
    ("UPDATE account SET last_transfer_number = 1 WHERE creditor_id = 0", "is a root account with the rate"),
    ("UPDATE account SET last_config_ts = 'infinity'", "4 rows of account have an infinite moment"),
    (
        "UPDATE prepared_transfer SET deadline = '-infinity'",
        "2 rows of prepared_transfer have an infinite moment",
    ),
    ("UPDATE account SET last_change_ts = '0044-03-15 BC'", "has a moment outside of the years 1 to 9999"),
    ("ALTER TABLE account DROP COLUMN last_heartbeat_ts", "form that is known: no account.last_heartbeat_ts"),
    ("DROP TABLE prepared_transfer", "form that is known: no prepared_transfer."),
]


@pytest.mark.parametrize(("crime", "reason"), CRIMES)
def test_what_can_not_be_mapped_is_shown_before_anything_is_written(stand, reference, order, crime, reason):
    """Nothing is imported, and the reason names the rows."""
    reference.story()
    reference.execute(crime)
    with pytest.raises(OperatorError, match=re.escape(reason)):
        move(stand, reference, order)
    assert everything(stand) == NOTHING


def test_all_reasons_are_shown_at_once(stand, reference, order):
    """Whoever mends a source does not have to come ten times."""
    reference.story()
    reference.execute("UPDATE account SET status_flags = 8")
    reference.insert("transfer_request", {"debtor_id": 1})
    with pytest.raises(OperatorError) as refusal:
        move(stand, reference, order)
    assert str(refusal.value).count("\n- ") == 5


def test_what_is_lost_is_shown(reference):
    """Past transfers always; applied credits, and configurations of other accounts, if there are any."""
    reference.story()
    with reference_source(reference.url) as source:
        assert len(examine(source).losses) == 1
    reference.insert(
        "registered_balance_change",
        {"debtor_id": 1, "other_creditor_id": 2, "change_id": 3, "committed_at": "now"},
    )
    reference.execute("UPDATE account SET config_data = 'x'")
    with reference_source(reference.url) as source:
        examined = examine(source)
    reason = " ".join(examined.losses)
    assert examined.problems == []
    for one in (
        "past transfers",
        "1 rows of registered_balance_change",
        "the config_data of 3",
        "1 configurations",
    ):
        assert one in reason


def test_a_server_that_still_runs_is_noticed(stand, reference, order):
    """Somebody else who is connected to the source has to go, unless he is known."""
    reference.story()
    with connections.session(reference.url, "gunicorn") as other:
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
        with pytest.raises(OperatorError, match="1 others are connected to the source"):
            move(stand, reference, order)
        assert move(stand, reference, order, is_forced=True).is_finished


def test_the_source_can_not_be_written_to(reference):
    """The transaction that reads it is read-only."""
    with reference_source(reference.url) as source, source.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        assert cursor.fetchone() == ("on",)
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("repeatable read",)


@pytest.mark.parametrize("pages", range(5))
def test_a_stop_leaves_nothing_and_the_next_run_is_whole(stand, reference, order, monkeypatch, pages):
    """After any page: an interrupted import has not happened, and a repeated one is the same."""
    monkeypatch.setattr("swpt_accounts.operators.inspection.reference.PAGE", 1)
    reference.story()
    asked = iter(range(100))
    stopped = move(stand, reference, order, is_stopping=lambda: next(asked) >= pages)
    assert not stopped.is_finished
    assert everything(stand) == NOTHING
    assert move(stand, reference, order).accounts == 4
    assert check(stand) == ([], 4)


def test_a_connection_that_breaks_leaves_nothing(stand, reference, order, monkeypatch):
    """What was not committed is gone with the process, and the next run begins anew."""
    monkeypatch.setattr("swpt_accounts.operators.inspection.reference.PAGE", 1)
    reference.story()

    def die(rows):
        if rows == 3:
            stand.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'a test'"
                " AND datname = current_database()"
            )

    with pytest.raises(Exception, match=r"terminating connection|closed"):
        move(stand, reference, order, progress=die)
    assert everything(stand) == NOTHING
    assert move(stand, reference, order).is_finished


def test_a_second_import_is_refused(stand, reference, order):
    """It says that the first one was finished, and changes nothing."""
    reference.story()
    move(stand, reference, order)
    before = everything(stand)
    with pytest.raises(OperatorError, match="an import was finished here at "):
        move(stand, reference, order)
    assert everything(stand) == before


def test_a_database_in_use_is_refused(stand, reference, order):
    """An import never mixes two histories."""
    reference.story()
    stand.execute("INSERT INTO root_configuration VALUES (1, '{}')")
    with pytest.raises(OperatorError, match="the table root_configuration holds rows"):
        move(stand, reference, order)
    assert stand.count("account") == 0


@pytest.mark.chaos
def test_a_hundred_thousand_accounts_move_in(stand, reference, order):
    """100,000 accounts and 5,000 prepared transfers: whole, in bounded memory, and a client goes on."""
    reference.crowd(100_000, 5_000)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    imported = move(stand, reference, order)
    seconds = time.monotonic() - started
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    started = time.monotonic()
    assert check(stand) == ([], 100_001)
    print(
        f"import {seconds:.1f} s, memory grew by {grown_mb:.0f} MB, verify {time.monotonic() - started:.1f} s"
    )
    assert (imported.accounts, imported.transfers) == (100_001, 5_000)
    assert grown_mb < 100
    creditor_id = 4294967296 + 1
    old = prepared(creditor_id, creditor_id + 1, transfer_id=FIRST_ID + 1)
    stand.apply(finalize(old, 60))
    reason = [event for event in stand.events() if isinstance(event, AccountTransfer)]
    assert {event.transfer_number for event in reason} == {2, 3}
    assert not any(isinstance(event, AccountUpdate) for event in stand.events())
    assert check(stand) == ([], 100_001)
