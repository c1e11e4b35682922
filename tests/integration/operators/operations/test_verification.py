"""The invariants on a real database: kept after honest work, and found when somebody breaks them."""

import pytest

from swpt_accounts.operators.inspection.verification import verify
from swpt_accounts.operators.operations.restoration import raise_counters
from swpt_accounts.storage import connections
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, NOW, ROOT, SHARD, finalize, prepared, request
from tests.backstage.stories import seed

WHOLE = Realm(0, 0)


@pytest.fixture
def stand(stand):
    """A currency in the middle of its life: money was moved, and one transfer is prepared."""
    seed(stand)
    first = prepared(ALICE, BOB)
    stand.apply(request(ALICE, BOB), finalize(first, 60), request(ALICE, BOB, coordinator_request_id=2))
    return stand


def check(stand, realm=WHOLE, **options):
    """What `verify` says, on a connection of its own."""
    with connections.session(stand.postgres_url, "a test") as connection:
        return verify(connection, realm, **options)


def found(stand, realm=WHOLE):
    """The broken rules, with the accounts."""
    return [(one.rule, one.creditor_id) for one in check(stand, realm).violations]


def test_honest_work_breaks_nothing(stand):
    """Issued, moved and locked money passes, and the numbers of all accounts are checked."""
    result = check(stand)
    assert result.violations == []
    assert (result.debtors, result.accounts, result.numbers_checked) == (1, 3, 3)
    assert result.is_complete


@pytest.mark.parametrize(
    ("crime", "rule", "creditor_id"),
    [
        ("UPDATE account SET total_locked_amount = 5 WHERE creditor_id = 1001", "V1", ALICE),
        ("UPDATE prepared_transfer SET locked_amount = 99", "V1", ALICE),
        ("UPDATE account SET pending_transfers_count = 2 WHERE creditor_id = 1001", "V2", ALICE),
        ("UPDATE prepared_transfer SET creditor_id = 555", "V2", 555),
        ("UPDATE account SET principal = principal + 1 WHERE creditor_id = 1002", "V3", None),
        ("UPDATE account SET last_transfer_number = 9 WHERE creditor_id = 1002", "V4", BOB),
        ("UPDATE journal SET sender_transfer_number = 1 WHERE sender_creditor_id = 1001", "V4", ALICE),
        ("DELETE FROM journal WHERE sender_creditor_id = 1001", "V4", BOB),
        ("UPDATE account SET last_transfer_id = 7 WHERE creditor_id = 1001", "V6", ALICE),
    ],
)
def test_what_somebody_breaks_is_found(stand, crime, rule, creditor_id):
    """Each invariant has a check that names the rule and the account."""
    stand.execute(crime)
    assert (rule, creditor_id) in found(stand)


def test_v5_and_v7_are_checked_although_the_tables_forbid_them(stand):
    """A database without its constraints, as after a repair by hand, hides nothing."""
    query = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname IN %s"
    constraints = stand.rows(query, ("deleted_means_settled", "root_account_bears_nothing"))
    for name, _ in constraints:
        stand.execute(f"ALTER TABLE account DROP CONSTRAINT {name}")
    stand.execute("UPDATE account SET deleted = true WHERE creditor_id = %s", BOB)
    stand.execute("UPDATE account SET interest_rate = 1.0 WHERE creditor_id = %s", ROOT)
    assert set(found(stand)) == {("V7", ROOT), ("V5", BOB)}
    stand.execute("UPDATE account SET deleted = false, interest_rate = 0.0")
    for name, definition in constraints:
        stand.execute(f"ALTER TABLE account ADD CONSTRAINT {name} {definition}")


def test_money_is_not_added_up_across_shards_nor_after_an_overflow(stand):
    """V3 holds only where one shard has all accounts, and as long as no account is overflown."""
    stand.execute("UPDATE account SET principal = principal + 1 WHERE creditor_id = %s", BOB)
    assert found(stand) == [("V3", None)]
    assert found(stand, SHARD) == []
    stand.execute("UPDATE account SET overflown = true WHERE creditor_id = %s", ROOT)
    assert found(stand) == []


def test_numbers_are_not_checked_against_a_journal_that_begins_later(stand):
    """V4 is left out for an account that is older than the oldest partition of the journal."""
    stand.execute("UPDATE account SET created_at = created_at - %s WHERE creditor_id = %s", 60 * DAY, BOB)
    result = check(stand)
    assert (result.violations, result.numbers_checked) == ([], 2)


def test_a_restoration_may_jump(stand, order):
    """After `restored` the books are still in order, and after the next transfer as well."""
    raise_counters(stand.connection, NOW, is_forced=False, context=stand.context, order=order)
    assert found(stand) == []
    number = stand.account(ALICE).last_transfer_id + 1
    stand.apply(
        request(ALICE, BOB, coordinator_request_id=3),
        finalize(prepared(ALICE, BOB, coordinator_request_id=3, transfer_id=number), 10),
    )
    assert stand.count("journal") == 3
    assert found(stand) == []
    stand.execute(
        "UPDATE account SET last_transfer_number = last_transfer_number + 1048576 WHERE creditor_id = %s",
        ALICE,
    )
    assert found(stand) == [("V4", ALICE)]


def test_some_currencies_can_be_checked_alone(stand):
    """With a list of debtors the others are not looked at."""
    assert check(stand, debtor_ids=[DEBTOR, DEBTOR]).accounts == 3
    assert check(stand, debtor_ids=[DEBTOR + 1]).accounts == 0


def test_a_stop_is_told_from_a_result(stand):
    """A check that was stopped does not claim that all is well."""
    result = check(stand, is_stopping=lambda: True)
    assert not result.is_complete


def test_the_snapshot_is_read_only(stand):
    """A check writes nothing, and sees a currency at one moment, whatever is committed meanwhile."""
    with connections.session(stand.postgres_url, "a test") as connection:
        verify(connection, WHOLE)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')"
            )
            assert cursor.fetchone() == ("repeatable read", "on")


def test_many_currencies_are_each_checked(stand):
    """Every debtor has its turn, the lowest id and the highest too."""
    for number, debtor_id in enumerate((-(2**63), -1, 2**63 - 1)):
        stand.execute(
            "INSERT INTO account SELECT (jsonb_populate_record(a, jsonb_build_object('debtor_id', %s))).*"
            " FROM account a WHERE debtor_id = %s AND creditor_id = %s",
            debtor_id,
            DEBTOR,
            ROOT,
        )
        assert check(stand).debtors == number + 2
    assert [(one.rule, one.debtor_id) for one in check(stand).violations] == [
        ("V3", -(2**63)),
        ("V3", -1),
        ("V3", 2**63 - 1),
    ]
