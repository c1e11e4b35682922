"""A seal: what a segment of the journal was, and that all earlier segments were what their seals say.

The segments follow each other without gaps in the order of (written_by, applied_at): the number of the
transaction that has written a row, and its moment of application.  Each seal is the SHA-256 of a text of
eight lines, of which one is the seal before it, and another the SHA-256 of the rows as PostgreSQL's COPY
writes them.  So who knows the newest seal, knows whether anything before it was changed, and a program of a
few lines can tell (`scripts/check_seals.py`).
"""

from hashlib import sha256
from typing import Final

import msgspec

from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.numbers import MIN_INT64

FIRST: Final = "0" * 64
"""What stands in the first seal for the one before it."""


class Place(msgspec.Struct, frozen=True, order=True):
    """A place between two rows of the journal, in the order of what is written when.

    Rows of before the server counted who writes have `written_by` 0, and are ordered by `applied_at`.
    """

    written_by: int
    applied_at: Moment = MIN_INT64


BEGINNING: Final = Place(0)


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """The seal of the rows from `begins` on, and before `ends`."""

    seal_id: int
    begins: Place
    ends: Place
    rows: int
    rows_sha256: str
    sealed_at: Moment
    previous: str
    sha256: str

    @property
    def text(self) -> str:
        """What the seal is the SHA-256 of."""
        lines = (
            "swpt_accounts seal 1",
            self.seal_id,
            f"{self.begins.written_by} {self.begins.applied_at}",
            f"{self.ends.written_by} {self.ends.applied_at}",
            self.rows,
            self.rows_sha256,
            self.sealed_at,
            self.previous,
            "",
        )
        return "\n".join(map(str, lines))

    def document(self) -> dict[str, object]:
        """The seal as it is exported; `rules.md#seals` tells what each member is."""
        values = msgspec.structs.asdict(self)
        return values | {
            name: [place.written_by, place.applied_at]
            for name, place in (("begins", self.begins), ("ends", self.ends))
        }


def digest(seal: Seal) -> str:
    """What the seal has to be."""
    return sha256(seal.text.encode()).hexdigest()


def next_seal(last: Seal | None, ends: Place, rows: int, rows_sha256: str, sealed_at: Moment) -> Seal:
    """The seal of the rows after the last one (rules.md#seals)."""
    seal = Seal(
        seal_id=1 if last is None else last.seal_id + 1,
        begins=BEGINNING if last is None else last.ends,
        ends=ends,
        rows=rows,
        rows_sha256=rows_sha256,
        sealed_at=sealed_at,
        previous=FIRST if last is None else last.sha256,
        sha256="",
    )
    assert seal.begins < seal.ends, "a segment goes on where the last one has ended"
    return msgspec.structs.replace(seal, sha256=digest(seal))


def broken_link(last: Seal | None, seal: Seal) -> str | None:
    """Why a seal does not follow from the last one, or is not what it says; None if all is well (V16)."""
    expected = 1 if last is None else last.seal_id + 1
    if seal.seal_id != expected:
        return f"the seal {expected} is missing"
    if seal.begins != (BEGINNING if last is None else last.ends):
        return "it does not begin where the last one ends"
    if seal.previous != (FIRST if last is None else last.sha256):
        return "it does not name the last one"
    if seal.sha256 != digest(seal):
        return "it is not the SHA-256 of what it says"
    return None
