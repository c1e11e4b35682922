"""Dead-lettered credits from other shards: applied on an operator's order, or discarded.

See rules.md#credits-from-other-shards.  The order skips the age (B3), but never the registry (B1, B2).  The
registry forgets, though, so the journal is asked as well: it knows every credit of this database.
"""

from typing import Any, Final

import msgspec

from swpt_accounts.operators.inspection.dead_letters import DeadLetter, read_message
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.deciding import decide
from swpt_accounts.rules.facts import account_key
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.transactions.books import Outcome, close_book, log_outcome
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.transactions.gathering import gather
from swpt_accounts.wire.messages import Malformed, PendingBalanceChange
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY, render_timestamp

from .conflicts import transact
from .dead_letters import ONLY_BY_CREDITS, lock_dead_letters, settle
from .orders import Order

# They were refused after the check of their sender, so that their origin is as certain as ever.
_APPLICABLE: Final = ONLY_BY_CREDITS | {"internal_error", "wrong_shard"}

_NO_AGE: Final = 2**62

_FIND_ENTRY: Final = """
SELECT applied_at FROM journal
WHERE debtor_id = %(debtor_id)s AND transfer_id = %(change_id)s
  AND sender_creditor_id = %(sender)s AND recipient_creditor_id = %(recipient)s
LIMIT 1
"""

# A clock that was late has written what it applied into a month of long before.
_ARCHIVED: Final = "SELECT max(ends_at), max(greatest(ends_at, closed_at)) FROM closed_month"


class AppliedCredit(msgspec.Struct, frozen=True):
    """What applying a credit has done."""

    debtor_id: int
    creditor_id: int
    principal_delta: int
    principal: int


def apply_credit(
    connection: Any,
    dead_letter_id: int,
    note: str,
    *,
    context: TransactionContext,
    order: Order,
    is_searched: bool = False,
) -> AppliedCredit:
    """Apply a credit that was refused for its age, with all effects of a credit, in one transaction.

    If months of the journal are closed in which it may have been applied, somebody must have searched
    their archives for it (`is_searched`).
    """

    def apply(cursor: Any) -> tuple[AppliedCredit, Outcome]:
        found = lock_dead_letters(cursor, [dead_letter_id], _why_not_applied)
        [(letter, body)] = found
        credit = _read_credit(letter, body)
        if not context.policy.realm.owns(*account_key(credit)):
            raise OperatorError(f"dead letter {dead_letter_id} belongs to an account of another shard")
        book = _decide(cursor, credit, context)
        _check_journal(cursor, credit, dead_letter_id)
        if not is_searched:
            _refuse_archived(cursor, credit)
        outcome = close_book(cursor, context, book)
        shown = "applied: " + _described(credit) + (f": {note}" if note else "")
        settle(cursor, found, "returned", shown, "credits apply", order)
        account = book.accounts[account_key(credit)]
        applied = AppliedCredit(*account_key(account), credit.principal_delta, account.principal)
        return applied, outcome

    applied, outcome = transact(connection, apply)
    log_outcome(outcome)
    return applied


def discard_credit(connection: Any, dead_letter_id: int, note: str, *, order: Order) -> None:
    """Close a credit that was refused as too old or conflicting, without any other effect."""

    def discard(cursor: Any) -> None:
        found = lock_dead_letters(cursor, [dead_letter_id], _why_not_discarded)
        settle(cursor, found, "discarded", note, "credits discard", order)

    transact(connection, discard)


def _decide(cursor: Any, credit: PendingBalanceChange, context: TransactionContext) -> Book:
    """The book after the credit, which has no age any more."""
    policy = msgspec.structs.replace(context.policy, credit_safe_age=_NO_AGE)
    facts = gather(cursor, [credit], msgspec.structs.replace(context, policy=policy))
    book = Book(facts)
    decide(book, credit)
    if book.ignored:
        raise OperatorError("the credit is applied already: `credits discard` closes the dead letter")
    if book.refused_credits:
        raise OperatorError(
            "the registry has another credit with the same number, which was applied: do not apply both,"
            " look for the reason on the shard of the sender"
        )
    return book


def _check_journal(cursor: Any, credit: PendingBalanceChange, dead_letter_id: int) -> None:
    """Refuse what was applied so long ago that the registry has forgotten it."""
    # Both accounts number their own transfers, so a transfer in the other direction may have the same number.
    parties = credit.other_creditor_id, credit.creditor_id
    sender, recipient = parties if credit.principal_delta > 0 else reversed(parties)
    cursor.execute(
        _FIND_ENTRY,
        {
            "debtor_id": credit.debtor_id,
            "change_id": credit.change_id,
            "sender": sender,
            "recipient": recipient,
        },
    )
    row = cursor.fetchone()
    if row is not None:
        raise OperatorError(
            f"the journal knows this credit, applied at {render_timestamp(row[0])}:"
            f" `credits discard {dead_letter_id}` closes the dead letter"
        )


def _refuse_archived(cursor: Any, credit: PendingBalanceChange) -> None:
    cursor.execute(_ARCHIVED)
    until, closed_at = cursor.fetchone()
    # The clocks of two shards may differ.
    if closed_at is not None and credit.committed_at - MICROSECONDS_PER_DAY < closed_at:
        raise OperatorError(
            f"the journal is archived until {render_timestamp(until)}: look in the archives for the transfer"
            f" {credit.change_id} from {credit.other_creditor_id} to {credit.creditor_id}, and say by"
            " --not-in-archives that it is not there"
        )


def _why_not_applied(letter: DeadLetter, body: bytes | None) -> str | None:
    if letter.reason not in _APPLICABLE:
        return f"is {letter.reason}: only a credit that was well-formed and ours can be applied"
    if not letter.is_complete:
        return "has lost its body, because too many were open: it can only be discarded"
    message = read_message(letter, body)
    if isinstance(message, Malformed):
        return f"is no credit: {message.detail}"
    return None if isinstance(message, PendingBalanceChange) else f"is a {type(message).__name__}, no credit"


def _why_not_discarded(letter: DeadLetter, body: bytes | None) -> str | None:
    if letter.reason not in ONLY_BY_CREDITS:
        return f"is {letter.reason}: use `dead-letters discard`"
    return None


def _read_credit(letter: DeadLetter, body: bytes | None) -> PendingBalanceChange:
    message = read_message(letter, body)
    assert isinstance(message, PendingBalanceChange), "checked when it was locked"
    return message


def _described(credit: PendingBalanceChange) -> str:
    account = f"account {credit.debtor_id}/{credit.creditor_id}"
    change = f"change {credit.change_id} of {credit.other_creditor_id}"
    committed = f"committed {render_timestamp(credit.committed_at)}"
    return f"{credit.principal_delta:+} on {account}, {change}, {committed}"
