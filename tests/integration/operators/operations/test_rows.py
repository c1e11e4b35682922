"""The shard check, the list of the outbox, and single accounts."""

import msgspec
import pytest

from swpt_accounts.events import AccountUpdate
from swpt_accounts.operators.inspection.accounts import show_account
from swpt_accounts.operators.inspection.outbox import list_outbox
from swpt_accounts.operators.inspection.shards.shard_check import check_shard
from swpt_accounts.operators.operations.accounts import set_back_config
from swpt_accounts.operators.operations.outbox_rows import settle_unreadable
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.numbers import MAX_INT64
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    HOUR,
    MINUTE,
    NOW,
    ROOT,
    SHARD,
    YEAR,
    configure,
    request,
    text,
)
from tests.backstage.stories import clear_outbox, seed

WHOLE = Realm(0, 0)


@pytest.fixture
def stand(stand):
    """A currency with money on one account."""
    seed(stand)
    return stand


# -- shard check -------------------------------------------------------------------------------


def counted(stand, realm):
    """Rows and foreign rows by table."""
    checks = check_shard(stand.connection, realm)
    assert checks is not None
    return {check.table: (check.rows, check.foreign) for check in checks}


def test_every_table_is_checked(stand):
    """Accounts, prepared transfers and rows of the outbox are counted, each foreign one too."""
    stand.apply(request(ALICE, BOB))
    owned = sum(SHARD.owns(DEBTOR, creditor_id) for creditor_id in (ROOT, ALICE, BOB))
    alice = int(not SHARD.owns(DEBTOR, ALICE))
    none = {"waiting_request": (0, 0)}
    assert counted(stand, WHOLE) == none | {
        "account": (3, 0),
        "prepared_transfer": (1, 0),
        "outbox": (1, 0),
    }
    assert counted(stand, SHARD) == none | {
        "account": (3, 3 - owned),
        "prepared_transfer": (1, alice),
        "outbox": (1, alice),
    }
    other = Realm.parse("1.#")
    assert counted(stand, other)["prepared_transfer"] == (1, 1 - alice)


def test_examples_of_foreign_rows_are_shown(stand):
    """An operator sees which accounts do not belong here."""
    checks = check_shard(stand.connection, SHARD)
    assert checks is not None
    accounts = checks[0]
    keys = [(DEBTOR, creditor_id) for creditor_id in (ROOT, ALICE, BOB)]
    assert accounts.examples == [key for key in keys if not SHARD.owns(*key)]


def test_the_check_goes_in_pages(stand, monkeypatch):
    """Pages neither repeat nor leave out rows, and a stop ends the check between two of them."""
    monkeypatch.setattr("swpt_accounts.operators.inspection.shards.shard_check._PAGE", 1)
    monkeypatch.setattr("swpt_accounts.operators.inspection.shards.shard_check._OUTBOX_PAGE", 1)
    stand.apply(request(ALICE, BOB))
    stand.apply(request(ALICE, BOB, coordinator_request_id=2))
    for number in (1, 2):
        stand.execute(
            "INSERT INTO waiting_request VALUES (%s, %s, 'direct', %s, %s, 2000, 0, 100, 0, 1, 0, 0, 0, 0)",
            DEBTOR,
            ALICE,
            ALICE,
            number,
        )
    assert counted(stand, WHOLE) == {
        "account": (3, 0),
        "prepared_transfer": (2, 0),
        "waiting_request": (2, 0),
        "outbox": (2, 0),
    }
    assert check_shard(stand.connection, WHOLE, lambda: True) is None


# -- outbox ------------------------------------------------------------------------------------


def test_rows_that_failed_are_listed_with_their_reasons(stand):
    """The list shows reason, attempts and next attempt; rows that were not answered yet are left out."""
    stand.apply(request(ALICE, BOB))
    assert list_outbox(stand.connection, is_all=False) == []
    [row] = list_outbox(stand.connection, is_all=True)
    assert (row.type_counts, row.accounts, row.attempts) == ({"PreparedTransfer": 1}, [(DEBTOR, ALICE)], 0)
    assert (row.created_at, row.is_in_hand, row.last_failure) == (NOW, True, None)
    stand.execute(
        "UPDATE outbox SET publisher_key = NULL, attempts = 3, last_failure = 'returned',"
        " next_attempt_at = %s",
        NOW + MINUTE,
    )
    [row] = list_outbox(stand.connection, is_all=False)
    assert (row.attempts, row.last_failure, row.next_attempt_at) == (3, "returned", NOW + MINUTE)
    assert not row.is_in_hand
    assert list_outbox(stand.connection, is_all=True, after=row.outbox_id) == []


def set_aside(stand, *messages):
    """Rows with these messages, as the relay leaves those that it cannot read; their ids."""
    for message in messages:
        stand.apply(message)
    stand.execute("UPDATE outbox SET publisher_key = NULL, last_failure = 'unreadable', payload = 'rubbish'")
    return [outbox_id for (outbox_id,) in stand.rows("SELECT outbox_id FROM outbox ORDER BY 1")]


def test_a_row_that_was_set_aside_is_listed(stand):
    """It was never tried, but it waits for an operator: it stands among those that failed."""
    [outbox_id] = set_aside(stand, request(ALICE, BOB))
    [row] = list_outbox(stand.connection, is_all=False)
    assert (row.outbox_id, row.last_failure, row.attempts) == (outbox_id, "unreadable", 0)
    assert (row.next_attempt_at, row.is_in_hand) == (None, False)


def test_a_row_that_was_set_aside_is_tried_again_or_discarded(stand, order, audit):
    """Released, it is the relay's again; discarded, it is gone.  Each leaves a row of the audit."""
    first, second = set_aside(stand, request(ALICE, BOB), configure(BOB, ts=NOW + 1))
    settle_unreadable(stand.connection, [first], "release", "", order=order)
    settle_unreadable(stand.connection, [second, second], "discard", "a bad disk", order=order)
    assert stand.rows("SELECT outbox_id, next_attempt_at FROM outbox") == [(first, NOW)]
    assert audit() == [
        ("outbox release", f"row {first}", "1 PreparedTransfer, unreadable, 7 bytes"),
        ("outbox discard", f"row {second}", "1 AccountUpdate, unreadable, 7 bytes: a bad disk"),
    ]


@pytest.mark.parametrize(
    ("change", "action", "note", "reason"),
    [
        ("", "discard", " ", "say in a note why"),
        # what may still arrive is left alone
        ("last_failure = 'returned'", "discard", "x", "is none that is set aside as unreadable"),
        ("last_failure = NULL", "release", "", "is none that is set aside as unreadable"),
        ("publisher_key = 5", "discard", "x", "is in hand just now"),
    ],
)
def test_only_what_was_set_aside_is_settled(stand, order, audit, change, action, note, reason):
    """All rows of an order, or none."""
    rows = set_aside(stand, request(ALICE, BOB), configure(BOB, ts=NOW + 1))
    if change:
        stand.execute(f"UPDATE outbox SET {change} WHERE outbox_id = %s", rows[0])
    with pytest.raises(OperatorError, match=reason):
        settle_unreadable(stand.connection, rows, action, note, order=order)
    assert stand.count("outbox") == 2
    assert stand.rows("SELECT next_attempt_at FROM outbox") == [(None,), (None,)]
    assert audit() == []


# -- accounts ----------------------------------------------------------------------------------


def test_an_account_is_shown_with_its_balance(stand):
    """Balance and available amount are those of the moment; locked money is not available."""
    stand.apply(request(ALICE, BOB))
    stand.execute("UPDATE account SET interest_rate = 10.0 WHERE creditor_id = %s", ALICE)
    shown = show_account(stand.connection, DEBTOR, ALICE, NOW + YEAR)
    assert (shown.balance, shown.available, shown.at) == (1100, 1000, NOW + YEAR)
    assert shown.account == stand.account(ALICE)


def test_a_root_account_can_issue_up_to_its_limit(stand):
    """What is available on a root account counts from its issuing limit, and its configuration is shown."""
    stand.apply(configure(ROOT, negligible_amount=5000.0, config_data='{"rate":1.0}', ts=NOW + 1))
    shown = show_account(stand.connection, DEBTOR, ROOT, NOW)
    assert (shown.balance, shown.available, shown.config_data) == (-1000, 4000, '{"rate":1.0}')


def test_a_missing_account_is_one_line(stand, order):
    """An account that does not exist is an error for both commands."""
    with pytest.raises(OperatorError, match=f"there is no account {DEBTOR}/{MAX_INT64}"):
        show_account(stand.connection, DEBTOR, MAX_INT64, NOW)
    with pytest.raises(OperatorError, match="there is no account 1/2"):
        set_back_config(stand.connection, 1, 2, NOW, 0, context=stand.context, order=order)


def test_a_frozen_account_takes_configurations_again(stand, order, audit):
    """The order key is set back and announced, the order leaves a row, and the next configuration counts."""
    stand.apply(configure(BOB, ts=NOW + 1000 * YEAR, seqnum=5))
    clear_outbox(stand)
    stand.apply(configure(BOB, ts=NOW + HOUR, negligible_amount=7.0))
    assert stand.account(BOB).negligible_amount == 0.0
    account = set_back_config(stand.connection, DEBTOR, BOB, NOW, 0, context=stand.context, order=order)
    assert account == stand.account(BOB)
    [update] = stand.events()
    assert isinstance(update, AccountUpdate)
    assert (update.creditor_id, update.last_config_ts) == (BOB, text(NOW))
    assert audit() == [
        (
            "accounts set-back-config",
            f"account {DEBTOR}/{BOB}",
            f"from {text(NOW + 1000 * YEAR)} with number 5 to {text(NOW)} with number 0",
        )
    ]
    stand.apply(configure(BOB, ts=NOW + HOUR, negligible_amount=7.0))
    assert stand.account(BOB).negligible_amount == 7.0


def test_an_order_key_that_is_set_back_hides_no_alarm(stand, order, near_the_bound, alarms):
    """Interest that is cut when an account changes by an operator's order is an alarm like any other."""
    near_the_bound(BOB)
    set_back_config(stand.connection, DEBTOR, BOB, NOW - DAY, 0, context=stand.context, order=order)
    assert stand.account(BOB).interest == 2.0**63
    assert alarms() == [f"ALARM: interest out of bounds on account {DEBTOR}/{BOB}"]


def test_an_order_key_is_not_set_forward(stand, order, audit):
    """A later key is refused with the one that the account has."""
    before = stand.account(BOB)
    with pytest.raises(OperatorError, match="the order key can only be set back"):
        set_back_config(stand.connection, DEBTOR, BOB, NOW + DAY, 0, context=stand.context, order=order)
    assert stand.account(BOB) == before
    assert audit() == []
    assert stand.count("outbox") == 0


def test_a_root_account_is_announced_with_its_configuration(stand, order):
    """The AccountUpdate of a root account whose key is set back still shows its config_data."""
    stand.apply(configure(ROOT, negligible_amount=1e30, config_data='{"rate":1.0}', ts=NOW + YEAR))
    clear_outbox(stand)
    set_back_config(stand.connection, DEBTOR, ROOT, NOW, 0, context=stand.context, order=order)
    [update] = stand.events()
    assert msgspec.to_builtins(update)["config_data"] == '{"rate":1.0}'
