"""Rows as arrays: how keys and values of any number travel in one statement."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

COLUMN_TYPES: Final = {
    "interest_rate": "float8",
    "previous_interest_rate": "float8",
    "negligible_amount": "float8",
    "interest": "float8",
    "last_config_seqnum": "int4",
    "config_flags": "int4",
    "debtor_info_id": "int4",
    "announced_settings": "int4",
    "last_change_seqnum": "int4",
    "pending_transfers_count": "int4",
    "max_commit_delay": "int4",
    "emitted": "numeric",
    "applied": "numeric",
    "deleted": "bool",
    "overflown": "bool",
    "coordinator_type": "text",
    "transfer_note_format": "text",
    "transfer_note": "text",
    "version": "xid",
}


_encode: Final = msgspec.json.Encoder().encode


class Literal:
    """A constant of SQL whose text needs no quoting any more (see psycopg2's `adapt`)."""

    __slots__ = ("_quoted",)

    def __init__(self, quoted: bytes) -> None:
        self._quoted = quoted

    def __conform__(self, protocol: object) -> "Literal":
        return self

    def getquoted(self) -> bytes:
        """The text with its quotes."""
        return self._quoted


def _array(values: Sequence[object]) -> Literal:
    """Numbers or truth values as an array: JSON in other brackets, and as exact.

    None and what is not a number become null.  There is nothing in it that the driver had to look for.
    """
    return Literal(b"'{%b}'" % _encode(values)[1:-1])


def int_array(values: Sequence[int | None]) -> Literal:
    """Integers as the text of an array; None is NULL."""
    return _array(values)


def text_array(values: Sequence[str]) -> str:
    """Texts as the text of an array; they never hold U+0000."""
    text = _encode(values)[1:-1].decode()
    # JSON and arrays agree about quotes, but not about what a backslash does.
    if "\\" in text:
        text = ",".join(['"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in values])
    return f"{{{text}}}"


def arrays(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> list[Literal | str]:
    """Rows as arrays, one for each column."""
    return [
        text_array(values) if COLUMN_TYPES.get(column) == "text" else _array(values)
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]
