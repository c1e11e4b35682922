"""The statement of a month: all that has moved on somebody's account, from the ledger."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house import money

from .notes import Kind
from .rules import month_of
from .tables import Entry

WORDS = {
    Kind.PURCHASE: "Purchase",
    Kind.RECHARGE: "Recharge",
    Kind.TRANSFER: "Transfer",
    Kind.PAYOUT: "Paid out",
    Kind.LINE: "Line",
    Kind.UNDO: "Undone",
    Kind.OTHER: "Other",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    at: datetime
    kind: Kind
    what: str
    cents: int
    balance: int
    """After it, without the line."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A month of somebody's account; a line is no money of the person's, and is left out."""

    name: str
    year: int
    month: int
    before: int
    rows: tuple[Row, ...]

    @property
    def after(self) -> int:
        """What the person had, or owed, at the end."""
        return self.rows[-1].balance if self.rows else self.before

    @property
    def sums(self) -> dict[str, int]:
        """Of each kind; an undo counts for itself."""
        found: dict[str, int] = {}
        for row in self.rows:
            found[WORDS[row.kind]] = found.get(WORDS[row.kind], 0) + row.cents
        return found

    @property
    def is_to_be_settled(self) -> bool:
        """It ends below zero."""
        return self.after < 0


def statement(
    session: Session, holder_id: int, name: str, year: int, month: int, zone: ZoneInfo
) -> Statement:
    """What the ledger says of a month, as clocks show it where the till stands."""
    begin, end = month_of(year, month, zone)
    is_mine = (Entry.holder_id == holder_id, Entry.kind != Kind.LINE)
    earlier = select(func.coalesce(func.sum(Entry.cents), 0)).where(*is_mine, Entry.at < begin)
    before = balance = int(session.execute(earlier).scalar_one())
    wanted = select(Entry).where(*is_mine, Entry.at >= begin, Entry.at < end)
    rows = []
    for one in session.execute(wanted.order_by(Entry.at, Entry.ledger_date, Entry.number)).scalars():
        balance += one.cents
        rows.append(Row(at=one.at, kind=Kind(one.kind), what=one.what, cents=one.cents, balance=balance))
    return Statement(name=name, year=year, month=month, before=before, rows=tuple(rows))


def as_text(one: Statement, zone: ZoneInfo) -> str:
    """For a mail; each line at most as wide as the words in it."""
    show = money.show_for_people
    lines = [
        f"{one.name}: {one.year}-{one.month:02}",
        "",
        f"{'Before':16} {'':11} {'':40} {show(one.before):>12}",
    ]
    for row in one.rows:
        at, word = f"{row.at.astimezone(zone):%Y-%m-%d %H:%M}", WORDS[row.kind]
        sums = f"{show(row.cents):>12} {show(row.balance):>12}"
        lines.append(f"{at} {word:10} {row.what[:40]:40} {sums}")
    lines += ["", *(f"{name:16} {show(cents):>12}" for name, cents in one.sums.items())]
    lines += [f"{'Balance':16} {show(one.after):>12}"]
    if one.is_to_be_settled:
        lines += ["", f"Please settle: put {show(-one.after)} into the box, and recharge."]
    return "\n".join(lines) + "\n"
