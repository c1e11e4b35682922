"""Sentences that explain the reasons of dead letters (see protocol.rst)."""

from typing import Final

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
