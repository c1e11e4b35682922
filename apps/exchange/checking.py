"""Verification of the own tables: entries against ledgers, trades against entries, offers against trades."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from house.room import Room
from house.verifying import Difference, Report

from .currencies import desks
from .tables import Entry, Trader

_LEGS = text("""\
WITH side AS (
    SELECT trade_id, currency, giver AS trader_id, -cents AS cents FROM exchange_leg
    UNION ALL SELECT trade_id, currency, receiver, cents FROM exchange_leg
    UNION ALL SELECT trade_id, currency, 'escrow', 0 FROM exchange_leg
)
SELECT side.trade_id, side.currency, side.trader_id,
       CASE trade.state WHEN 'done' THEN side.cents ELSE 0 END AS expected,
       coalesce(sum(entry.cents), 0)::bigint AS found,
       trade.ended_at > now() - interval '10 minutes' AS is_new
FROM side
JOIN exchange_trade AS trade USING (trade_id)
LEFT JOIN exchange_entry AS entry
    ON entry.note = side.trade_id AND entry.currency = side.currency AND entry.trader_id = side.trader_id
WHERE trade.state IN ('done', 'failed')
GROUP BY side.trade_id, side.currency, side.trader_id, trade.state, trade.ended_at, side.cents
HAVING coalesce(sum(entry.cents), 0) <> CASE trade.state WHEN 'done' THEN side.cents ELSE 0 END
ORDER BY side.trade_id LIMIT 1000
""")

_OFFERS = text("""\
SELECT offer.offer_id, offer.cents, (offer.open_cents + coalesce(sum(leg.cents), 0))::bigint AS found
FROM exchange_offer AS offer
LEFT JOIN (
    SELECT leg.offer_id, leg.cents FROM exchange_leg AS leg JOIN exchange_trade AS trade USING (trade_id)
    WHERE NOT (trade.state = 'failed' AND trade.is_settled)
) AS leg USING (offer_id)
GROUP BY offer.offer_id, offer.cents, offer.open_cents
HAVING offer.cents <> offer.open_cents + coalesce(sum(leg.cents), 0)
ORDER BY offer.offer_id LIMIT 1000
""")


def verify(room: Room) -> Report:
    """Everything of the own tables."""
    return room.database.look(lambda session: _entries(session, room) + _trades(session) + _offers(session))


def _entries(session: Session, room: Room) -> Report:
    """The copies of entries against the ledgers."""
    report = Report()
    wanted = select(Entry.trader_id, Entry.currency, func.sum(Entry.cents))
    rows = session.execute(wanted.group_by(Entry.trader_id, Entry.currency)).all()
    totals = {(trader_id, code): int(total) for trader_id, code, total in rows}
    traders = session.execute(select(Trader.trader_id, Trader.creditor_id).order_by(Trader.trader_id)).all()
    for trader_id, creditor_id in traders:
        for code, desk in desks(room).items():
            principal, total = desk.balance(session, creditor_id), totals.get((trader_id, code), 0)
            if total == principal:
                report += Report(compared=1)
            else:
                report += Report(differences=(Difference(f"{code} of {trader_id}", principal, total),))
    return report


def _trades(session: Session) -> Report:
    """Each trade that has ended against the entries that it made: all of it, or nothing.

    Entries come a little later than outcomes: what differs in the first minutes may only be on its way.
    """
    report = Report()
    for trade_id, code, trader_id, expected, found, is_new in session.execute(_LEGS):
        about = f"trade {trade_id}: {code} of {trader_id}"
        if is_new:
            report += Report(not_yet=(f"{about}: its entries have not come",))
        else:
            report += Report(differences=(Difference(about, int(expected), int(found)),))
    return report


def _offers(session: Session) -> Report:
    """What was offered is open, or in trades."""
    differences = tuple(
        Difference(f"offer {offer_id}", cents, int(found))
        for offer_id, cents, found in session.execute(_OFFERS)
    )
    return Report(differences=differences)
