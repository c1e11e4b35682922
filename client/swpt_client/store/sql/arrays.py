"""Columns of many rows as PostgreSQL's array texts.

One text is adapted in one go, and PostgreSQL reads it in one go: a list is adapted value by value, and
becomes an expression of as many constants.
"""

from collections.abc import Sequence
from typing import Any


def array_of(values: Sequence[Any]) -> str:
    """Integers and dates, or texts, with None among them, as the text of one array.

    Raises ValueError for a NUL in a text, which PostgreSQL cannot keep.
    """
    first = next((one for one in values if one is not None), None)
    if not isinstance(first, str):
        return "{" + ",".join(["NULL" if one is None else str(one) for one in values]) + "}"
    if None in values:
        return "{" + ",".join(["NULL" if one is None else _quoted([one]) for one in values]) + "}"
    return "{" + _quoted(values) + "}"


def _quoted(texts: Sequence[str]) -> str:
    """Texts in quotes, with commas between them."""
    joined = "\0".join(texts)
    if joined.count("\0") >= len(texts):
        raise ValueError("a text must not contain NUL")
    return '"' + joined.replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","') + '"'
