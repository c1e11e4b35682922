"""Verification of the own tables: entries against ledgers, and taps that are done against entries."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from house.room import Room
from house.verifying import Difference, Report

from .tables import Account, Entry

_UNLIKE_THEIR_ENTRIES = text("""\
SELECT tap.key, send.cents, count(entry.number) AS entries,
       coalesce(min(entry.cents), 0) AS least, coalesce(max(entry.cents), 0) AS most
FROM tap_tap AS tap
JOIN tap_half AS send ON send.key = tap.key AND send.side = 'send'
JOIN tap_half AS receive ON receive.key = tap.key AND receive.side = 'receive'
LEFT JOIN tap_entry AS entry ON entry.note = tap.key AND entry.user_id IN (send.user_id, receive.user_id)
WHERE tap.state = 'done'
GROUP BY tap.key, send.cents
HAVING count(entry.number) <> 2 OR min(entry.cents) <> -send.cents OR max(entry.cents) <> send.cents
ORDER BY tap.key
LIMIT 1000
""")


def verify(room: Room) -> Report:
    """The copies of entries against the ledgers, and each tap that is done against its two entries."""
    return room.database.look(lambda session: _entries(session, room) + _taps(session))


def _entries(session: Session, room: Room) -> Report:
    report = Report()
    wanted = select(Account.user_id, Account.creditor_id, func.coalesce(func.sum(Entry.cents), 0))
    for user_id, creditor_id, total in session.execute(
        wanted.outerjoin(Entry).group_by(Account.user_id).order_by(Account.user_id)
    ):
        principal = room.desk.balance(session, creditor_id)
        if int(total) == principal:
            report += Report(compared=1)
        else:
            report += Report(differences=(Difference(f"account of {user_id}", principal, int(total)),))
    return report


def _taps(session: Session) -> Report:
    report = Report()
    for key, cents, entries, least, most in session.execute(_UNLIKE_THEIR_ENTRIES):
        if entries < 2:
            report += Report(not_yet=(f"tap {key}: {entries} of its 2 entries have come",))
        else:
            found = most if most != cents else -least
            report += Report(differences=(Difference(f"tap {key}", cents, int(found)),))
    return report
