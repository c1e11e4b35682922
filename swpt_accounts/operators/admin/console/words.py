"""Sentences that explain the codes of refusals and the reasons of dead letters (see protocol.rst)."""

from typing import Final

REFUSALS: Final = {
    "SENDER_IS_UNREACHABLE": "The account of the sender does not exist, or is deleted.",
    "RECIPIENT_IS_UNREACHABLE": "The account of the recipient does not exist, is deleted or about to be,"
    " or may not be paid by this coordinator.",
    "RECIPIENT_SAME_AS_SENDER": "The sender and the recipient are the same account.",
    "NEWER_INTEREST_RATE": "The interest rate of the sender has changed since the moment in the request.",
    "INSUFFICIENT_AVAILABLE_AMOUNT": "The sender did not have so much, beside what was locked already.",
    "TOO_MANY_TRANSFERS": "The sender had too many prepared transfers at that moment.",
    "TIMEOUT": "The commit came after the deadline of the prepared transfer.",
    "TRANSFER_NOTE_IS_TOO_LONG": "The transfer note was longer than this server allows.",
    "INVALID_CONFIGURATION": "The configuration cannot be read, or asks for something that is not allowed.",
}

DEAD_LETTERS: Final = {
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
    "not_allowed": "The sender of the message may not send it; it can only be discarded.",
    "wrong_shard": "The account belongs to another shard.",
    "credit_conflict": "A credit that differs from the one that was applied under its name."
    " Money is in transit: only the command “credits” may settle it.",
    "credit_too_old": "A credit that is too old to know whether it was applied."
    " Money is in transit: only the command “credits” may settle it.",
    "internal_error": "The message failed again and again by a fault of the server, whose log says more.",
}
