"""The invariants on a real database: kept after honest work, and found when somebody breaks them."""

import msgspec
import pytest

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.operators.operations.restoration import raise_counters
from swpt_accounts.storage import connections
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    NOW,
    ROOT,
    SHARD,
    credit,
    finalize,
    foreign_creditor,
    local_creditor,
    prepared,
    request,
    text,
)
from tests.backstage.stories import seed

WHOLE = Realm(0, 0)
HALVES = [Realm(1, 0), Realm(1, 1)]
REPEAT = """
INSERT INTO journal SELECT (jsonb_populate_record(j, jsonb_build_object('journal_id', 77))).*
FROM journal j WHERE sender_creditor_id = 1001
"""


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
        ("UPDATE account SET principal = principal + 1 WHERE creditor_id = 1002", "V9", BOB),
        ("UPDATE journal SET amount = amount - 1 WHERE sender_creditor_id = 1001", "V9", BOB),
        ("DELETE FROM journal WHERE sender_creditor_id = 1001", "V9", ALICE),
        ("DELETE FROM account WHERE creditor_id = 1002", "V9", BOB),
        (
            "UPDATE journal SET sender_principal = sender_principal - 1 WHERE sender_creditor_id = 1001",
            "V10",
            ALICE,
        ),
        ("UPDATE journal SET sender_principal = -9223372036854775808", "V10", ALICE),
        (REPEAT, "V11", ALICE),
        ("UPDATE account SET overflown = true WHERE creditor_id = 1001", "V12", ALICE),
        ("DELETE FROM account_update_due WHERE creditor_id = 1001", "V13", ALICE),
        ("UPDATE outbox SET payload = 'x'", "V14", None),
        ("UPDATE outbox SET payload = substr(payload, 1, length(payload) - 3)", "V14", None),
        ("UPDATE outbox SET type_counts = '{}'", "V14", None),
        ("UPDATE outbox SET accounts = ''", "V14", None),
        ("UPDATE outbox SET publisher_key = NULL", "V14", None),
        (
            f"INSERT INTO registered_balance_change VALUES ({DEBTOR}, 5, 6, 1001, 10, {NOW})",
            "V15",
            ALICE,
        ),
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


def test_money_that_has_left_for_other_shards_is_counted_but_not_after_an_overflow(stand):
    """V3 holds on every shard alone, and as long as no account is overflown."""
    stand.execute("UPDATE account SET principal = principal + 1 WHERE creditor_id = %s", BOB)
    assert found(stand) == [("V9", BOB), ("V3", None)]
    assert found(stand, SHARD) == [("V9", BOB), ("V3", None)]
    flow = "INSERT INTO credit_flow (debtor_id, committed_slot, emitted, applied) VALUES (%s, %s, %s, %s)"
    stand.execute(flow, DEBTOR, 0, 5, 0)
    stand.execute(flow, DEBTOR, NOW, 0, 6)
    assert found(stand, SHARD) == [("V9", BOB)]
    result = check(stand, SHARD)
    [sums] = result.sums
    assert (sums.principals, sums.emitted, sums.applied) == (1, 5, 6)
    assert result.foreign_accounts == sum(not SHARD.owns(DEBTOR, one) for one in (ROOT, ALICE, BOB))
    stand.execute(flow, 99, 0, 7, 0)
    assert found(stand, SHARD) == [("V9", BOB), ("V3", None)], "a currency without an account"
    stand.execute("DELETE FROM credit_flow WHERE debtor_id = 99")
    assert found(stand) == [("V9", BOB), ("V3", None)], "nothing comes to the only shard"
    stand.execute("UPDATE account SET overflown = true WHERE creditor_id = %s", ROOT)
    assert set(found(stand)) == {("V12", ROOT), ("V9", BOB)}


def test_the_journal_of_an_account_that_went_with_a_split_stays(stand):
    """What is gone and is another shard's has not lost its money (rule V9)."""
    stand.execute("DELETE FROM account WHERE creditor_id = %s", BOB)
    there = next(realm for realm in (SHARD, Realm(1, 1 - SHARD.prefix)) if not realm.owns(DEBTOR, BOB))
    assert ("V9", BOB) in found(stand, Realm(1, 1 - there.prefix))
    assert ("V9", BOB) not in found(stand, there)


def test_what_a_split_has_left_here_is_announced_by_the_sibling(stand):
    """The row that says when may be gone before the account is; of an account of ours it may not (V13)."""
    stand.execute("DELETE FROM account_update_due WHERE creditor_id = %s", ALICE)
    there, here = sorted(HALVES, key=lambda realm: realm.owns(DEBTOR, ALICE))
    assert ("V13", ALICE) in found(stand, here)
    assert ("V13", ALICE) not in found(stand, there)


def test_numbers_are_not_checked_against_a_journal_that_begins_later(stand):
    """V4 and V9 are left out for an account that is older than the oldest partition of the journal."""
    older = "UPDATE account SET created_at = created_at - %s, principal = 60 WHERE creditor_id = %s"
    stand.execute(older, 60 * DAY, BOB)
    for side in ("sender", "recipient"):
        moved = f"UPDATE journal SET {side}_created_at = %s WHERE {side}_creditor_id = %s"
        stand.execute(moved, stand.account(BOB).created_at, BOB)
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


def test_a_wrong_principal_is_traced_to_its_entry(stand):
    """The first entry that does not follow from the one before is named; if all do, the account is wrong."""
    [(number,)] = stand.rows("SELECT journal_id FROM journal WHERE sender_creditor_id = %s", ALICE)
    stand.execute("UPDATE journal SET amount = amount - 1 WHERE journal_id = %s", number)
    texts = {one.creditor_id: one.text for one in check(stand).violations}
    where = f"first at the entry {number} of {text(NOW)}, which goes on from"
    assert f"{where} 999 and not from 1000" in texts[ALICE]
    assert f"{where} 1 and not from 0" in texts[BOB]
    stand.execute("UPDATE journal SET amount = amount + 1 WHERE journal_id = %s", number)
    stand.execute("UPDATE account SET principal = 61 WHERE creditor_id = %s", BOB)
    [mine, _] = check(stand).violations
    assert mine.text == "the principal is 61, by the journal 60: its entries follow from each other"


def test_an_overflow_is_no_violation(stand):
    """Who has more than there can be has the mark, and nobody adds up what was cut."""
    most = 2**63 - 1
    stand.execute("UPDATE account SET principal = %s WHERE creditor_id = %s", most - 10, BOB)
    moved = "UPDATE journal SET recipient_principal = %s WHERE recipient_creditor_id = %s"
    stand.execute(moved, most - 10, BOB)
    second = prepared(ALICE, BOB, coordinator_request_id=2, transfer_id=stand.account(ALICE).last_transfer_id)
    stand.apply(finalize(second, 100))
    assert stand.account(BOB).is_overflown
    assert (None, "V12") not in found(stand)
    assert BOB not in [creditor_id for _, creditor_id in found(stand)]


def test_a_credit_from_afar_is_found_in_the_journal(stand):
    """The registry and the journal know the same credits of other shards."""
    stand.replace(policy=msgspec.structs.replace(stand.context.policy, realm=SHARD))
    mine, other = local_creditor(), foreign_creditor()
    stand.apply(
        credit(mine, 70, other_creditor_id=other), credit(mine, -20, other_creditor_id=other, change_id=2)
    )
    assert stand.count("registered_balance_change") == 2
    assert (found(stand, SHARD), check(stand, SHARD).credits) == ([], 2)
    stand.execute("UPDATE registered_balance_change SET principal_delta = 71 WHERE principal_delta = 70")
    assert found(stand, SHARD) == [("V15", mine)]


def test_a_check_goes_on_where_another_one_was_stopped(stand):
    """It begins with the currency at which the other one was."""
    assert check(stand, first_debtor_id=DEBTOR).accounts == 3
    assert check(stand, first_debtor_id=DEBTOR + 1).accounts == 0


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
    assert [(one.rule, one.debtor_id) for one in check(stand).violations if one.rule == "V3"] == [
        ("V3", -(2**63)),
        ("V3", -1),
        ("V3", 2**63 - 1),
    ]
