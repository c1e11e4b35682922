"""Verification: the till's own tables against the ledgers, which the house compares with the server."""

from collections.abc import Iterator

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from house.room import Room
from house.verifying import Report, compare

from .tables import Entry, Holder

# Per deed: what its parties' ledgers say, as (copy of) entries, beside what it says itself.
_DEEDS = text("""
SELECT d.id, d.kind, d.cents, d.outcome, d.undo, d.holder_id, d.other_id,
    coalesce(sum(e.cents) FILTER (WHERE e.holder_id = d.holder_id AND e.kind = d.kind), 0) AS done_mine,
    count(*) FILTER (WHERE e.kind = d.kind) AS done_entries,
    coalesce(sum(e.cents) FILTER (WHERE e.holder_id = d.holder_id AND e.kind = 'undo'), 0) AS undone_mine,
    count(*) FILTER (WHERE e.kind = 'undo') AS undone_entries
FROM till_deed d LEFT JOIN till_entry e ON e.deed_id = d.id AND e.holder_id IN (d.holder_id, d.other_id)
GROUP BY d.id
""")

_STOCK = text("""
SELECT p.id, p.stock,
    (SELECT coalesce(sum(pieces), 0) FROM till_delivery WHERE product_id = p.id)
    - (SELECT count(*) FROM till_deed WHERE product_id = p.id
        AND outcome IN ('', 'OK', 'UNKNOWN', 'UNEXPECTED') AND undo <> 'done')
FROM till_product p
""")

# Money may be made and unmade only by deeds: an entry of another kind says that somebody else was here.
_STRANGERS = text("""
SELECT e.holder_id, e.ledger_date, e.number, e.cents FROM till_entry e
LEFT JOIN till_deed d ON d.id = e.deed_id
WHERE e.kind = 'other' OR d.id IS NULL
    OR (e.holder_id <> d.holder_id AND e.holder_id IS DISTINCT FROM d.other_id)
LIMIT 100
""")


def verify(room: Room) -> Report:
    """Entries = ledgers; deeds are in them as often as they happened; stock = deliveries − purchases."""

    def work(session: Session) -> Report:
        report = Report()
        for part in (*_ledgers(session, room), *_deeds(session), *_stock(session), *_strangers(session)):
            report += part
        return report

    return room.database.look(work)


def _ledgers(session: Session, room: Room) -> Iterator[Report]:
    wanted = select(Holder.id, Holder.creditor_id, func.coalesce(func.sum(Entry.cents), 0)).outerjoin(Entry)
    for holder_id, creditor_id, total in session.execute(wanted.group_by(Holder.id)):
        yield compare(
            f"holder {holder_id}: entries", expected=room.desk.balance(session, creditor_id), found=int(total)
        )


def _deeds(session: Session) -> Iterator[Report]:
    for row in session.execute(_DEEDS):
        name = f"deed {row.id}"
        parties = 2 if row.other_id is not None else 1
        sign = 1 if row.kind in ("fill", "line") else -1
        if not row.outcome or row.undo == "open":
            yield Report(not_yet=(f"{name}: it is under way",))
            continue
        times = 1 if row.outcome == "OK" else 0
        undone = 1 if row.undo == "done" else 0
        if row.done_entries < parties * times or row.undone_entries < parties * undone:
            yield Report(not_yet=(f"{name}: an entry has not come yet",))
            continue
        yield compare(f"{name}: its entries", expected=parties * times, found=row.done_entries)
        yield compare(f"{name}: its money", expected=sign * row.cents * times, found=int(row.done_mine))
        yield compare(f"{name}: entries of its undo", expected=parties * undone, found=row.undone_entries)
        yield compare(
            f"{name}: money of its undo", expected=-sign * row.cents * undone, found=int(row.undone_mine)
        )


def _stock(session: Session) -> Iterator[Report]:
    for product_id, stock, expected in session.execute(_STOCK):
        yield compare(f"stock of product {product_id}", expected=int(expected), found=stock)


def _strangers(session: Session) -> Iterator[Report]:
    for holder_id, _, number, cents in session.execute(_STRANGERS):
        yield Report(not_yet=(f"holder {holder_id}: entry {number} of {cents} is of no deed of ours",))
