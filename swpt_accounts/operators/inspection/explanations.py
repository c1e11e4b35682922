"""Why was this refused or put aside, in sentences: what the code means, and which numbers were compared."""

from typing import Final

from swpt_accounts.wire import codes
from swpt_accounts.wire.moments import MICROSECONDS, Moment, render_timestamp

from .refusals import Refusal

MEANINGS: Final = {
    codes.SENDER_IS_UNREACHABLE: "The account of the sender does not exist, or is deleted.",
    codes.RECIPIENT_IS_UNREACHABLE: "The account of the recipient does not exist, is deleted or about to be,"
    " or may not be paid by this coordinator.",
    codes.RECIPIENT_SAME_AS_SENDER: "The sender and the recipient are the same account.",
    codes.NEWER_INTEREST_RATE: "The interest rate of the sender has changed since the moment in the request.",
    codes.INSUFFICIENT_AVAILABLE_AMOUNT: "The sender did not have so much, beside what was locked already.",
    codes.TOO_MANY_TRANSFERS: "The sender had too many prepared transfers at that moment.",
    codes.TIMEOUT: "The commit came after the deadline of the prepared transfer.",
    codes.TRANSFER_NOTE_IS_TOO_LONG: "The transfer note was longer than this server allows.",
    codes.INVALID_CONFIGURATION: "The configuration cannot be read, or asks for something that"
    " is not allowed.",
}
"""What each code of a refusal means (see protocol.rst)."""

REASONS: Final = {
    "too_large": "The message is larger than the protocol allows.",
    "bad_content_type": "The property content_type does not say JSON.",
    "unknown_type": "The property type names no message that this server takes.",
    "bad_encoding": "The body is not UTF-8.",
    "too_deep": "The body is nested too deep.",
    "bad_json": "The body is not JSON.",
    "not_an_object": "The body is JSON, but not an object.",
    "type_mismatch": "The member type contradicts the property, or names no message that this server takes.",
    "bad_field": "A field is absent, of the wrong type, out of range or beyond its limit.",
    "bad_combination": "Two fields contradict each other.",
    "reserved_coordinator_type": "This type of coordinator belongs to the server itself.",
    "foreign_coordinator": "The coordinator is not in the subnet of the sender.",
    "not_internal": "A credit that did not come from the server itself; it can only be discarded.",
    "not_allowed": "The table of peers does not let this sender say that; it can only be discarded.",
    "wrong_shard": "The account belongs to another shard.",
    "credit_conflict": "A credit that differs from the one that was applied under its name."
    " Money is in transit: only the command “credits” may settle it.",
    "credit_too_old": "A credit that is too old to know whether it was applied."
    " Money is in transit: only the command “credits” may settle it.",
    "internal_error": "The message failed again and again by a fault of the server, whose log says more.",
}
"""What each reason of a dead letter means."""


def explain(refusal: Refusal) -> str:
    """What was asked, what there was, and what was missing; empty if no numbers were kept."""
    code = refusal.code
    if code == codes.INSUFFICIENT_AVAILABLE_AMOUNT:
        return _amounts(refusal)
    if code == codes.NEWER_INTEREST_RATE:
        return _rate(refusal.last_interest_rate_change_ts, refusal.final_interest_rate_ts)
    if code == codes.TIMEOUT:
        return _deadline(refusal.refused_at, refusal.deadline)
    if code == codes.TOO_MANY_TRANSFERS:
        count, most = refusal.pending_transfers_count, refusal.max_prepared_transfers
        return "" if count is None else f"{count:,} transfers were prepared, and at most {most:,} may be."
    if code == codes.TRANSFER_NOTE_IS_TOO_LONG:
        size, most = refusal.transfer_note_bytes, refusal.transfer_note_max_bytes
        return "" if size is None else f"The note had {size:,} bytes, and at most {most:,} are allowed."
    if code == codes.RECIPIENT_IS_UNREACHABLE and refusal.recipient is not None:
        return f"The recipient was {refusal.recipient!r}."
    if code == codes.SENDER_IS_UNREACHABLE and refusal.recipient is not None:
        return f"There was no account {refusal.debtor_id}/{refusal.creditor_id}."
    return ""


def missing_amount(refusal: Refusal) -> int | None:
    """By how much the sender had too little, if that was why, and the numbers were kept."""
    available = refusal.available_amount
    if refusal.code != codes.INSUFFICIENT_AVAILABLE_AMOUNT or available is None:
        return None
    if refusal.committed_amount is not None:
        return max(0, refusal.committed_amount - available - (refusal.locked_amount or 0))
    # Whoever asks for 0 gets it; a request that is refused has asked for more.
    return (refusal.min_locked_amount or 0) - max(0, available)


def _amounts(refusal: Refusal) -> str:
    missing = missing_amount(refusal)
    if missing is None:
        return ""
    locked, available = refusal.total_locked_amount or 0, refusal.available_amount
    if refusal.committed_amount is not None:
        return (
            f"{refusal.committed_amount:,} were to be committed; {refusal.locked_amount:,} were locked for"
            f" that, and beside it {available:,} were available: {missing:,} were missing."
        )
    return (
        f"At least {refusal.min_locked_amount:,} were wanted (at most {refusal.max_locked_amount:,}), and"
        f" {available:,} were available, beside {locked:,} that were locked: {missing:,} were missing."
    )


def _rate(changed: Moment | None, agreed: Moment | None) -> str:
    if changed is None or agreed is None:
        return ""
    return (
        f"The rate was changed at {render_timestamp(changed)}; the request has agreed to changes until"
        f" {render_timestamp(agreed)}."
    )


def _deadline(refused_at: Moment, deadline: Moment | None) -> str:
    if deadline is None:
        return ""
    late = (refused_at - deadline) / MICROSECONDS
    return f"The deadline was {render_timestamp(deadline)}; the commit came {late:,.3f} seconds later."
