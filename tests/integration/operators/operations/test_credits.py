"""Dead-lettered credits: applied on an operator's order, never twice."""

import re

import msgspec
import pika.spec
import pytest

from swpt_accounts.events import AccountTransfer
from swpt_accounts.operators.operations.credits import apply_credit, discard_credit
from swpt_accounts.operators.operations.dead_letters import discard_dead_letters
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.metrics import PRINCIPAL_OVERFLOW
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    NOW,
    POLICY,
    SHARD,
    configure,
    credit,
    foreign_creditor,
    only,
    text,
)
from tests.backstage.stories import clear_outbox, seed
from tests.backstage.wire import body_of, delivered

OLD = NOW - 91 * DAY
PROPERTIES = b"".join(pika.spec.BasicProperties(content_type="application/json").encode())


@pytest.fixture
def stand(stand):
    """A currency with money on one account."""
    seed(stand)
    return stand


def refuse(stand, message, reason="credit_too_old"):
    """Let the server make a dead letter of a credit; its id."""
    stand.apply(delivered(message, properties=PROPERTIES))
    number, found = only(stand.rows("SELECT dead_letter_id, reason FROM dead_letter WHERE state = 'open'"))
    assert found == reason
    return number


def apply(stand, order, number, note=""):
    """Apply the credit in a dead letter."""
    return apply_credit(stand.connection, number, note, context=stand.context, order=order)


def test_an_old_credit_is_applied_with_all_its_effects(stand, order, audit):
    """Principal, journal, registry, events, dead letter and audit, in one transaction."""
    number = refuse(stand, credit(BOB, 100, committed_at=OLD, change_id=77))
    assert stand.account(BOB).principal == 0
    applied = apply(stand, order, number, "checked with the other shard")
    assert (applied.principal_delta, applied.principal) == (100, 100)
    assert stand.account(BOB).principal == 100
    [entry] = stand.rows(
        "SELECT sender_creditor_id, sender_principal, recipient_principal, amount, committed_at FROM journal"
        " WHERE transfer_id = 77"
    )
    assert entry == (ALICE, None, 100, 100, OLD)
    assert stand.count("registered_balance_change") == 1
    event = only([event for event in stand.events() if isinstance(event, AccountTransfer)])
    assert (event.acquired_amount, event.principal) == (100, 100)
    [(state, note)] = stand.rows("SELECT state, operator_note FROM dead_letter")
    assert state == "returned"
    assert note.startswith(f"applied: +100 on account {DEBTOR}/{BOB}, change 77 of {ALICE}, committed")
    assert note.endswith(": checked with the other shard")
    [(action, target, detail)] = audit()
    assert (action, target) == ("credits apply", f"dead letter {number}")
    assert detail == f"credit_too_old: {note}"


def test_an_old_debit_is_applied_as_well(stand, order):
    """A negative credit, as payments to root accounts bring it, takes money away."""
    number = refuse(stand, credit(ALICE, -40, committed_at=OLD, other_creditor_id=BOB))
    assert apply(stand, order, number).principal == 960


def test_a_known_credit_is_not_applied_again(stand, order, audit):
    """B1: the registry knows it, so that the order is refused and nothing changes."""
    message = credit(BOB, 100, committed_at=OLD)
    number = refuse(stand, message)
    stand.replace(policy=msgspec.structs.replace(POLICY, credit_safe_age=2**60))
    stand.apply(message)
    with pytest.raises(OperatorError, match="applied already"):
        apply(stand, order, number)
    assert stand.account(BOB).principal == 100
    assert audit() == []


def test_a_conflict_stays_a_conflict(stand, order):
    """B2: another credit with the same key was applied, and no order changes that."""
    stand.apply(credit(BOB, 100))
    number = refuse(stand, credit(BOB, 101), "credit_conflict")
    with pytest.raises(OperatorError, match="another credit with the same number"):
        apply(stand, order, number)
    assert stand.account(BOB).principal == 100


@pytest.mark.parametrize("applied_at", [NOW, OLD - 9 * DAY])
def test_the_journal_remembers_what_the_registry_has_forgotten(stand, order, applied_at):
    """A duplicate of a credit whose registry row was cleaned away is refused, whatever its clock was."""
    message = credit(BOB, 100, committed_at=OLD)
    apply(stand, order, refuse(stand, message))
    stand.execute("UPDATE journal SET applied_at = %s WHERE committed_at = %s", applied_at, OLD)
    stand.execute("DELETE FROM registered_balance_change")
    number = refuse(stand, message)
    with pytest.raises(
        OperatorError, match=re.escape(f"the journal knows this credit, applied at {text(applied_at)}")
    ):
        apply(stand, order, number)
    assert stand.account(BOB).principal == 100


@pytest.mark.parametrize(("ends_at", "closed_at"), [(OLD + 1, 0), (OLD - 40 * DAY, OLD + DAY)])
def test_what_may_be_in_an_archive_is_searched_there_first(stand, order, ends_at, closed_at):
    """The journal of a closed month can not be asked, so that a person has to say that it was not applied.

    A late clock may have applied it in a month that ended before it was committed.
    """
    closed = "INSERT INTO closed_month VALUES (0, %s, 'journal_archived', 1, 1, '', %s, NULL)"
    stand.execute(closed, ends_at, closed_at)
    number = refuse(stand, credit(BOB, 100, committed_at=OLD, change_id=77))
    with pytest.raises(OperatorError, match=f"archived until .* for the transfer 77 from {ALICE} to {BOB}"):
        apply(stand, order, number)
    assert stand.account(BOB).principal == 0
    applied = apply_credit(stand.connection, number, "", context=stand.context, order=order, is_searched=True)
    assert applied.principal == 100


@pytest.mark.parametrize("delta", [100, -40])
def test_a_transfer_the_other_way_may_have_the_same_number(stand, order, delta):
    """Each account numbers its own transfers, so that two which pay each other use the same numbers."""
    stand.apply(credit(ALICE, -delta, committed_at=NOW, other_creditor_id=BOB, change_id=7))
    number = refuse(stand, credit(ALICE, delta, committed_at=OLD, other_creditor_id=BOB, change_id=8))
    stand.execute("UPDATE journal SET transfer_id = 8 WHERE transfer_id = 7")
    assert apply(stand, order, number).principal == 1000


def test_only_credits_that_passed_the_check_of_their_sender_are_applied(stand, order):
    """A forged credit cannot be applied by an order, nor can a message of another type."""
    number = refuse(stand, credit(BOB, 100, committed_at=OLD))
    stand.execute("UPDATE dead_letter SET reason = 'not_internal'")
    with pytest.raises(OperatorError, match="is not_internal: only a credit that was well-formed and ours"):
        apply(stand, order, number)
    stand.execute("DELETE FROM dead_letter")
    number = refuse(stand, credit(BOB, 100, committed_at=OLD))
    stand.execute(
        "UPDATE dead_letter SET reason = 'internal_error', body = %s, body_size = %s",
        body_of(configure(BOB)),
        len(body_of(configure(BOB))),
    )
    with pytest.raises(OperatorError, match="is a ConfigureAccount, no credit"):
        apply(stand, order, number)


def test_a_credit_of_another_shard_is_not_applied_here(stand, order):
    """The account has to belong to this shard now."""
    number = refuse(stand, credit(foreign_creditor(), 100, committed_at=OLD))
    stand.replace(policy=msgspec.structs.replace(POLICY, realm=SHARD))
    with pytest.raises(OperatorError, match="belongs to an account of another shard"):
        apply(stand, order, number)


def test_a_credit_is_discarded_only_by_its_own_command(stand, order, audit):
    """`credits discard` closes what `dead-letters discard` refuses, and the other way round."""
    number = refuse(stand, credit(BOB, 100, committed_at=OLD))
    with pytest.raises(OperatorError, match="credits discard"):
        discard_dead_letters(stand.connection, [number], "", order=order)
    discard_credit(stand.connection, number, "paid by hand", order=order)
    assert stand.rows("SELECT state, operator_note FROM dead_letter") == [("discarded", "paid by hand")]
    assert audit() == [("credits discard", f"dead letter {number}", "credit_too_old: paid by hand")]
    clear_outbox(stand)
    number = refuse(stand, credit(BOB, 100, committed_at=OLD))
    stand.execute("UPDATE dead_letter SET reason = 'bad_json' WHERE state = 'open'")
    with pytest.raises(OperatorError, match="use `dead-letters discard`"):
        discard_credit(stand.connection, number, "", order=order)


def test_an_applied_credit_hides_no_alarm(stand, order, near_the_bound, alarms):
    """A principal that had to be contained, and interest that was cut: both are alarms, and counted."""
    number = refuse(stand, credit(BOB, MAX_INT64, committed_at=OLD))
    near_the_bound(BOB)
    before = PRINCIPAL_OVERFLOW._value.get()
    apply(stand, order, number)
    assert (stand.account(BOB).principal, stand.account(BOB).interest) == (MAX_INT64, 2.0**63)
    assert alarms() == [
        f"ALARM: principal overflow on account {DEBTOR}/{BOB}",
        f"ALARM: interest out of bounds on account {DEBTOR}/{BOB}",
    ]
    assert PRINCIPAL_OVERFLOW._value.get() == before + 1
