"""One transaction for each batch, on a real database: what is stored, and what is refused."""

import hashlib
import math

import psycopg2
import pytest

from swpt_accounts.events import (
    AccountTransfer,
    AccountUpdate,
    FinalizedTransfer,
    PreparedTransfer,
    RejectedConfig,
    RejectedTransfer,
)
from swpt_accounts.wire.messages import Malformed
from swpt_accounts.wire.moments import T0, T_FAR
from tests.backstage.audit import find_violations
from tests.backstage.builders import (
    ALICE,
    BOB,
    DEBTOR,
    FIRST_TRANSFER_ID,
    MICROSECOND,
    MINUTE,
    NOW,
    ROOT,
    SECOND,
    configure,
    credit,
    finalize,
    journal_of,
    month_later,
    only,
    prepared,
    request,
)
from tests.backstage.stories import issue, seed
from tests.backstage.wire import delivered

CAROL = 1003


# -- what is stored ----------------------------------------------------------------------------


def test_a_batch_leaves_state_journal_and_outbox_together(stand):
    """Accounts, the journal and one outbox row for all events are written by one transaction."""
    stand.apply(*issue(ALICE, 600))
    assert stand.account(ALICE).principal == 600
    assert stand.account(ROOT).principal == -600
    assert stand.count("prepared_transfer") == 0
    assert stand.count("outbox") == 1
    assert [type(event) for event in stand.events()] == [
        AccountUpdate,
        AccountUpdate,
        PreparedTransfer,
        FinalizedTransfer,
        AccountTransfer,
    ]
    stand.execute("DELETE FROM outbox; DELETE FROM account_update_due")
    assert sorted(find_violations(stand.postgres_url)) == [
        ("every pending announcement is scheduled", (DEBTOR, ROOT)),
        ("every pending announcement is scheduled", (DEBTOR, ALICE)),
    ]


def test_the_outbox_row_holds_the_very_events(stand):
    """What a relay reads from the row is byte for byte what the worker publishes from memory."""
    applied = stand.apply(*issue())
    assert applied.stored is not None
    assert stand.envelopes() == applied.stored.envelopes
    [(key, counts, accounts, attempts, created_at)] = stand.rows(
        "SELECT publisher_key, type_counts, accounts, attempts, created_at FROM outbox"
    )
    assert (key, attempts, created_at) == (stand.context.publisher_key, 0, NOW)
    assert counts == {"AccountUpdate": 2, "PreparedTransfer": 1, "FinalizedTransfer": 1, "AccountTransfer": 1}
    numbers = bytes(accounts)
    pairs = [
        tuple(int.from_bytes(numbers[at + i : at + i + 8], "big", signed=True) for i in (0, 8))
        for at in range(0, len(numbers), 16)
    ]
    assert pairs == [(DEBTOR, ROOT), (DEBTOR, ALICE)]


def test_a_batch_without_events_leaves_no_outbox_row(stand):
    """A message that is ignored leaves nothing at all."""
    applied = stand.apply(finalize(prepared(), 10))
    assert applied.stored is None
    assert applied.ignored == {("FinalizeTransfer", "F1"): 1}
    assert [stand.count(table) for table in ("outbox", "account", "journal")] == [0, 0, 0]


def test_the_journal_shows_the_whole_transfer(stand):
    """A row of the journal holds both principals and numbers, the request and the words."""
    stand.apply(*issue(ALICE, 600), configure(BOB, negligible_amount=50.0))
    stand.apply(request(coordinator_request_id=9), now_transfer := request(coordinator_request_id=10))
    small, big = stand.rows("SELECT transfer_id FROM prepared_transfer ORDER BY transfer_id")
    stand.apply(
        finalize(
            prepared(transfer_id=small[0], coordinator_request_id=9),
            50,
            transfer_note='"\\ Grüße\n{NULL}',
            transfer_note_format="fmt",
        ),
        finalize(prepared(transfer_id=big[0], coordinator_request_id=10), 51),
    )
    columns = (
        "applied_at, debtor_id, sender_creditor_id, recipient_creditor_id, amount, sender_principal,"
        " recipient_principal, sender_created_at, recipient_created_at, sender_transfer_number,"
        " recipient_transfer_number, committed_at, transfer_id, coordinator_id, coordinator_request_id,"
        " coordinator_type, transfer_note_format, transfer_note"
    )
    rows = stand.rows(f"SELECT {columns} FROM journal ORDER BY journal_id")
    common = (NOW, DEBTOR, ALICE, BOB)
    assert rows[1:] == [
        (*common, 50, 550, 50, NOW, NOW, 2, 0, NOW, small[0], ALICE, 9, "direct", "fmt", '"\\ Grüße\n{NULL}'),
        (*common, 51, 499, 101, NOW, NOW, 3, 1, NOW, big[0], ALICE, 10, "direct", "", ""),
    ]
    issued = rows[0]
    assert issued[2:12] == (ROOT, ALICE, 600, -600, 600, NOW, NOW, 0, 1, NOW)
    assert now_transfer.coordinator_request_id == 10


@pytest.mark.parametrize("value", [-0.0, 5e-324, 0.1, 1.7976931348623157e308, 1e30])
def test_floats_survive_bit_by_bit(stand, value):
    """Negative zero, the smallest and the biggest float are stored and announced as they came."""
    stand.apply(configure(ALICE, negligible_amount=value))
    stored = stand.account(ALICE).negligible_amount
    assert stored.hex() == value.hex()
    announced = only([event for event in stand.events() if isinstance(event, AccountUpdate)])
    assert announced.negligible_amount.hex() == value.hex()
    # The same way with an update of the whole row, and with one of the balance only.
    stand.execute("UPDATE account SET interest = '-0'::float8 WHERE creditor_id = %s", ALICE)
    stand.apply(configure(ALICE, negligible_amount=value, seqnum=1, config_flags=2))
    stand.apply(*issue(BOB), request(BOB, ALICE, coordinator_request_id=5))
    assert stand.account(ALICE).negligible_amount.hex() == value.hex()
    assert math.copysign(1.0, stand.account(BOB).interest) == 1.0


def test_extreme_numbers_survive(stand):
    """The corners of int64, int32 and time are stored as they came."""
    biggest, smallest = 2**63 - 1, -(2**63)
    ts = NOW + MICROSECOND
    stand.apply(
        configure(
            smallest,
            debtor_id=biggest,
            negligible_amount=1e308,
            config_flags=-(2**31),
            ts=ts,
            seqnum=2**31 - 1,
        ),
        configure(0, debtor_id=biggest),
        request(
            smallest,
            0,
            debtor_id=biggest,
            coordinator_type="agent:\"'\\{}",
            coordinator_id=smallest,
            coordinator_request_id=biggest,
            min_locked_amount=0,
            max_locked_amount=biggest,
        ),
    )
    account = stand.account(smallest, biggest)
    assert (account.config_flags, account.last_config_ts, account.last_config_seqnum) == (
        -(2**31),
        ts,
        2**31 - 1,
    )
    [row] = stand.rows(
        "SELECT coordinator_type, coordinator_id, coordinator_request_id, locked_amount,"
        " final_interest_rate_ts FROM prepared_transfer"
    )
    assert row == ("agent:\"'\\{}", smallest, biggest, 0, T_FAR)


# -- twice and late ----------------------------------------------------------------------------


def test_a_repeated_request_gets_the_same_answer(stand):
    """P2: one request, in one batch or later again, makes one lock and the same PreparedTransfer."""
    seed(stand)
    stand.apply(request(), request())
    stand.apply(request(max_locked_amount=7))
    answers = stand.events()
    assert len(answers) == 3
    assert answers[0] == answers[1] == answers[2]
    assert stand.count("prepared_transfer") == 1
    assert stand.account(ALICE).total_locked_amount == 100


def test_a_repeated_finalization_moves_no_money(stand):
    """F1: the prepared transfer is gone, in the same batch as well as later."""
    stand.apply(*issue(), configure(BOB), request())
    message = finalize(prepared(), 30)
    applied = stand.apply(message, message)
    assert applied.ignored == {("FinalizeTransfer", "F1"): 1}
    again = stand.apply(message)
    assert again.ignored == {("FinalizeTransfer", "F1"): 1}
    assert again.stored is None
    assert stand.account(BOB).principal == 30
    assert stand.count("journal") == 2


def test_a_finalization_of_another_request_is_ignored(stand):
    """F1: the transfer id alone is not enough."""
    seed(stand)
    stand.apply(request())
    applied = stand.apply(finalize(prepared(coordinator_request_id=2), 10))
    assert applied.ignored == {("FinalizeTransfer", "F1"): 1}
    assert stand.count("prepared_transfer") == 1


def test_a_whole_batch_again_changes_no_balance(stand):
    """A redelivered batch is recognized message by message; a finalized request counts as a new one."""
    batch = (*issue(), configure(BOB), request(), finalize(prepared(), 30))
    stand.apply(*batch)
    principals = (
        "SELECT creditor_id, principal, last_transfer_number, last_change_seqnum FROM account ORDER BY 1"
    )
    before = stand.rows(principals)
    applied = stand.apply(*batch)
    assert stand.rows(principals) == before
    assert stand.count("journal") == 2
    assert applied.ignored == {("ConfigureAccount", "C1"): 3, ("FinalizeTransfer", "F1"): 2}
    # Two new locks, which the coordinators dismiss when they hear of them.
    assert stand.count("prepared_transfer") == 2


def test_an_older_configuration_is_ignored(stand):
    """C1: by time, then by number, in one batch and across batches."""
    stand.apply(configure(seqnum=5), configure(seqnum=4), configure(ts=NOW - SECOND, seqnum=9))
    applied = stand.apply(configure(seqnum=5))
    assert applied.ignored == {("ConfigureAccount", "C1"): 1}
    assert stand.account(ALICE).last_config_seqnum == 5
    assert stand.account(ALICE).last_change_seqnum == 1


def test_a_credit_is_applied_once(stand):
    """The registry recognizes a credit that comes again, and refuses one that differs."""
    stand.apply(configure(BOB))
    stand.apply(credit(), credit())
    applied = stand.apply(credit(), delivered(credit(principal_delta=99)))
    assert stand.account(BOB).principal == 100
    assert stand.count("registered_balance_change") == 1
    assert [letter.reason for letter in applied.dead_letters] == ["credit_conflict"]
    assert stand.value("SELECT reason FROM dead_letter") == "credit_conflict"


# -- refusals ----------------------------------------------------------------------------------


def test_refusals_are_events(stand):
    """A valid message that is refused is answered, and leaves no state."""
    applied = stand.apply(
        configure(ALICE, config_data="unknown"), request(), finalize(prepared(transfer_id=1), 1)
    )
    assert [type(event) for event in stand.events()] == [RejectedConfig, RejectedTransfer]
    assert applied.rejections == {"INVALID_CONFIGURATION": 1, "RECIPIENT_IS_UNREACHABLE": 1}
    assert stand.count("account") == 0


def test_malformed_messages_leave_with_their_batch(stand):
    """Dead letters are stored byte for byte, by the transaction that applies their neighbours."""
    body = bytes(range(256))
    stand.apply(
        configure(ALICE),
        delivered(
            Malformed("bad_json", "at byte 0"), body=body, properties=b"\x80\x00\x01x", routing_key="k"
        ),
        configure(BOB),
    )
    assert stand.count("account") == 2
    columns = "received_at, state, reason, detail, queue, exchange, routing_key, body_size"
    assert stand.rows(f"SELECT {columns} FROM dead_letter") == [
        (NOW, "open", "bad_json", "at byte 0", "swpt_accounts", "accounts_in", "k", 256)
    ]
    [(stored, properties, digest)] = stand.rows("SELECT body, properties, body_sha256 FROM dead_letter")
    assert bytes(stored) == body
    assert bytes(properties) == b"\x80\x00\x01x"
    assert bytes(digest) == hashlib.sha256(body).digest()


def test_a_failing_batch_leaves_no_dead_letters(stand):
    """If the transaction fails, the malformed messages of the batch come again as well."""
    with pytest.raises(ZeroDivisionError):
        stand.apply(configure(), delivered(Malformed("bad_json", "")), delivered(ZeroDivisionError()))
    assert [stand.count(table) for table in ("account", "dead_letter", "outbox")] == [0, 0, 0]


def test_bodies_are_kept_up_to_a_limit(stand):
    """While too many dead letters are open, further ones lose their body but not their reason."""
    stand.replace(dead_letter_max_open=1)
    bad = [delivered(Malformed("bad_json", ""), body=b"%d" % number) for number in range(4)]
    applied = stand.apply(*bad[:3])
    assert [str(alarm) for alarm in applied.alarms] == [
        "too many open dead letters: the newest are kept without their bodies"
    ]
    assert [row[0] is not None for row in stand.rows("SELECT body FROM dead_letter ORDER BY 1")] == [
        True,
        True,
        False,
    ]
    stand.execute("UPDATE dead_letter SET state = 'discarded' WHERE body IS NULL OR body = '0'")
    assert stand.apply(bad[3]).alarms == []
    sizes = stand.rows("SELECT body, body_size FROM dead_letter WHERE state = 'open'")
    assert sorted(bytes(body) for body, _ in sizes) == [b"1", b"3"]


# -- announcements -----------------------------------------------------------------------------


def test_a_change_is_scheduled_once(stand):
    """Nobody writes a second row while one is there; after the announcement the interval counts."""
    stand.apply(*issue(), configure(BOB), request(), finalize(prepared(), 30))
    due = "SELECT creditor_id, due_at FROM account_update_due ORDER BY creditor_id"
    assert stand.rows(due) == [(key, NOW + SECOND) for key in (ROOT, ALICE, BOB)]
    stand.replace(clock=lambda: NOW + SECOND // 2)
    stand.apply(request(coordinator_request_id=2))
    stand.apply(finalize(prepared(coordinator_request_id=2, transfer_id=FIRST_TRANSFER_ID + 1), 1))
    assert stand.rows(due) == [(key, NOW + SECOND) for key in (ROOT, ALICE, BOB)]
    assert stand.account(ALICE).update_pending_since == NOW


def test_an_announcement_at_once_leaves_nothing_pending(stand):
    """A configuration announces everything; the row that is still there does no harm."""
    seed(stand)
    stand.apply(configure(ALICE, seqnum=7))
    due = "SELECT due_at FROM account_update_due WHERE creditor_id = 1001"
    assert stand.account(ALICE).update_pending_since == T0
    assert stand.value(due) == NOW + SECOND
    stand.replace(clock=lambda: NOW + MINUTE)
    stand.apply(request(), finalize(prepared(), 1))
    assert stand.account(ALICE).update_pending_since == NOW + MINUTE
    assert stand.value(due) == NOW + SECOND


# -- what the database refuses -----------------------------------------------------------------


REFUSED_ON_ACCOUNTS = [
    ("principal = -9223372036854775808", "principal_is_contained"),
    ("total_locked_amount = -1", "locks_are_counted"),
    ("pending_transfers_count = -1", "locks_are_counted"),
    ("negligible_amount = -1", "negligible_amount_is_valid"),
    ("negligible_amount = 'Infinity'", "negligible_amount_is_valid"),
    ("negligible_amount = 'NaN'", "negligible_amount_is_valid"),
    ("interest_rate = -50.000001", "interest_rate_is_in_range"),
    ("interest_rate = 100.000001", "interest_rate_is_in_range"),
    ("interest_rate = 'NaN'", "interest_rate_is_in_range"),
    ("interest = 'Infinity'", "interest_is_in_range"),
    ("interest = '-Infinity'", "interest_is_in_range"),
    ("interest = 'NaN'", "interest_is_in_range"),
    ("last_transfer_number = -1", "transfer_numbers_grow"),
    ("deleted = true, principal = 1", "deleted_means_settled"),
    ("deleted = true, interest = 1e-9", "deleted_means_settled"),
    ("deleted = true, total_locked_amount = 1", "deleted_means_settled"),
    ("deleted = true, pending_transfers_count = 1", "deleted_means_settled"),
]

REFUSED_ON_ROOT_ACCOUNTS = ["interest_rate = 1", "debtor_info_id = 1", "last_transfer_number = 1"]


def test_the_database_states_the_invariants_too(stand):
    """A bug that breaks an invariant of an account is stopped by a constraint with a telling name."""
    stand.apply(configure(ALICE), configure(ROOT))
    refused = [(ALICE, *one) for one in REFUSED_ON_ACCOUNTS]
    refused += [(ROOT, change, "root_account_bears_nothing") for change in REFUSED_ON_ROOT_ACCOUNTS]
    for creditor_id, change, constraint in refused:
        with pytest.raises(psycopg2.errors.CheckViolation) as caught:
            stand.execute(f"UPDATE account SET {change} WHERE creditor_id = {creditor_id}")
        assert caught.value.diag.constraint_name == constraint, change


def test_the_database_guards_its_other_tables(stand):
    """Locks are not negative, a request locks once, there is one server record, states are known."""
    seed(stand)
    stand.apply(request(), delivered(Malformed("bad_json", "")))
    again = (
        "INSERT INTO prepared_transfer SELECT debtor_id, creditor_id, transfer_id + 1, coordinator_id,"
        " coordinator_request_id, recipient_creditor_id, locked_amount, prepared_at, deadline,"
        " final_interest_rate_ts, last_reminder_ts, coordinator_type FROM prepared_transfer"
    )
    for statement, error in [
        ("UPDATE prepared_transfer SET locked_amount = -1", psycopg2.errors.CheckViolation),
        (again, psycopg2.errors.UniqueViolation),
        ("UPDATE server_record SET server_record_id = 2", psycopg2.errors.CheckViolation),
        ("UPDATE dead_letter SET state = 'lost'", psycopg2.errors.CheckViolation),
    ]:
        with pytest.raises(error):
            stand.execute(statement)


def test_a_transfer_lands_in_the_partition_of_its_month(stand):
    """The journal is cut by the moment of application, and the default partition stays empty."""
    seed(stand)
    stand.apply(request())
    stand.replace(clock=lambda: month_later(1))
    stand.apply(finalize(prepared(), 1))
    found = dict(stand.rows("SELECT tableoid::regclass::text, count(*) FROM journal GROUP BY 1"))
    assert found == {journal_of(NOW): 1, journal_of(month_later(1)): 1}
