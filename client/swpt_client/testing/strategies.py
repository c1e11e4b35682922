"""Hypothesis strategies: all messages that the protocol allows, and bad networks."""

from datetime import date
from typing import Any

from hypothesis import strategies as st

from swpt_client import limits
from swpt_client.messages import (
    AccountPurge,
    AccountTransfer,
    AccountUpdate,
    ConfigureAccount,
    FinalizedTransfer,
    FinalizeTransfer,
    PreparedTransfer,
    PrepareTransfer,
    RejectedConfig,
    RejectedTransfer,
)
from swpt_client.moments import FIRST, HOUR, LAST

from .network import Odds

int32s = st.integers(limits.MIN_INT32, limits.MAX_INT32)
int64s = st.integers(limits.MIN_INT64, limits.MAX_INT64)
amounts = st.integers(0, limits.MAX_INT64)
seconds = st.integers(0, limits.MAX_INT32)
moments = st.integers(FIRST, LAST)
dates = st.dates(date(1, 1, 1), date(9999, 12, 31))
reals = st.floats(allow_nan=False, allow_infinity=False)
unsigned_reals = st.floats(0.0, allow_nan=False, allow_infinity=False)
demurrage_rates = st.floats(-100.0, 0.0)


def texts(max_bytes: int) -> st.SearchStrategy[str]:
    """Texts without U+0000 and surrogates, at most so long in UTF-8."""
    characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    return st.text(characters, max_size=max_bytes).filter(lambda text: len(text.encode()) <= max_bytes)


def ascii_texts(low: int, high: int) -> st.SearchStrategy[str]:
    """Printable ASCII texts."""
    return st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=low, max_size=high)


coordinator_types = ascii_texts(1, 30).filter(lambda text: text not in limits.RESERVED_TYPES)
account_ids = ascii_texts(0, 100)
codes = ascii_texts(0, 30)
notes = texts(500)
note_formats = st.from_regex(r"[0-9A-Za-z.-]{0,8}", fullmatch=True)
digests = st.from_regex(r"([0-9A-F]{64})?", fullmatch=True)

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "debtor_id": int64s,
    "creditor_id": int64s,
    "coordinator_type": coordinator_types,
    "coordinator_id": int64s,
    "coordinator_request_id": int64s,
    "transfer_id": int64s,
    "min_locked_amount": amounts,
    "max_locked_amount": amounts,
    "locked_amount": amounts,
    "committed_amount": amounts,
    "total_locked_amount": amounts,
    "recipient": account_ids,
    "sender": account_ids,
    "account_id": account_ids,
    "transfer_note": notes,
    "transfer_note_format": note_formats,
    "config_data": texts(2000),
    "config_flags": int32s,
    "config_seqnum": int32s,
    "seqnum": int32s,
    "last_change_seqnum": int32s,
    "last_config_seqnum": int32s,
    "negligible_amount": unsigned_reals,
    "interest": reals,
    "interest_rate": st.floats(-100.0, allow_nan=False, allow_infinity=False),
    "demurrage_rate": demurrage_rates,
    "principal": int64s,
    "acquired_amount": int64s.filter(bool),
    "last_transfer_number": amounts,
    "transfer_number": st.integers(1, limits.MAX_INT64),
    "previous_transfer_number": amounts,
    "debtor_info_iri": texts(200),
    "debtor_info_content_type": account_ids,
    "debtor_info_sha256": digests,
    "commit_period": seconds,
    "max_commit_delay": seconds,
    "ttl": seconds,
    "transfer_note_max_bytes": st.integers(0, limits.MAX_NOTE_BYTES),
    "status_code": codes.filter(lambda code: code != limits.OK),
    "rejection_code": codes,
    "creation_date": dates,
}


def _random(kind: type[Any]) -> st.SearchStrategy[Any]:
    """A message with random fields; a field that is not named in FIELDS is a moment."""
    return st.fixed_dictionaries({field: FIELDS.get(field, moments) for field in kind.__struct_fields__}).map(
        lambda values: kind(**values)
    )


def _sound(message: Any) -> bool:
    """Whether the fields fit together."""
    if isinstance(message, AccountTransfer):
        return message.previous_transfer_number < message.transfer_number
    if isinstance(message, PrepareTransfer):
        return message.min_locked_amount <= message.max_locked_amount and message.coordinator_type not in (
            limits.DIRECT,
            limits.AGENT,
            limits.ISSUING,
        )
    return True


server_messages = st.one_of(
    *map(
        _random,
        (
            RejectedConfig,
            RejectedTransfer,
            PreparedTransfer,
            FinalizedTransfer,
            AccountUpdate,
            AccountPurge,
            AccountTransfer,
        ),
    )
).filter(_sound)
client_messages = st.one_of(*map(_random, (ConfigureAccount, PrepareTransfer, FinalizeTransfer))).filter(
    _sound
)

_odds = st.floats(0.0, 0.3)
networks = st.builds(
    Odds,
    lost=_odds,
    doubled=_odds,
    late=_odds,
    longest_delay=st.integers(1, HOUR),
    is_shuffled=st.booleans(),
)
"""Ways that are bad, and let things through in the end."""
