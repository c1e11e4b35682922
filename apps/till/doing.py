"""What a person can do, for pages and API alike: each answers with what became of it within two seconds."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from flask import Flask, current_app
from sqlalchemy.orm import Session

from house.problems import Problem
from house.room import Room, room

from . import deeds
from .answers import UndoView, View, outcome, shown, undo_outcome
from .holders import person_by_any
from .settings import TillSettings, read_till_settings
from .tables import Deed
from .tokens import key_of
from .undoing import Attempt, begin_undo

_SETTINGS: Final = "till.settings"


def keep_settings(app: Flask, one: Room) -> TillSettings:
    """Read the till's settings, and let views find them.  Raises SettingsError."""
    settings = app.extensions[_SETTINGS] = read_till_settings(one.reader)
    return settings


def till_settings() -> TillSettings:
    """The settings of the till that answers this request."""
    found: TillSettings = current_app.extensions[_SETTINGS]
    return found


def buy(token: str, who: int, product_id: int, shown_cents: int) -> View:
    """Buy a product for the price that was shown."""
    one = room()

    def work(session: Session) -> UUID:
        key = key_of(one, session, token, who)
        return deeds.buy(session, one.desk, key, who, product_id, shown_cents)

    return outcome(one, one.database.transact(work))


def recharge(token: str, who: int, cents: int) -> View:
    """Recharge what was put into the box."""
    one, settings = room(), till_settings()

    def work(session: Session) -> UUID:
        key = key_of(one, session, token, who)
        return deeds.recharge(session, one.desk, settings, key, who, cents, datetime.now(UTC))

    return outcome(one, one.database.transact(work))


def give(token: str, who: int, to: str, cents: int, note: str) -> View:
    """Money for somebody else, who is named by name, card or id."""
    one = room()

    def work(session: Session) -> UUID:
        key = key_of(one, session, token, who)
        other = person_by_any(session, to)
        if other is None:
            raise Problem("UNKNOWN_RECIPIENT", fields={"to": "Nobody here has this name, card or id."})
        return deeds.give(session, one.desk, key, who, other.id, cents, note)

    return outcome(one, one.database.transact(work))


def undo(token: str, who: int, deed_id: UUID) -> tuple[UndoView, bool]:
    """Undo a deed; also says whether it had been undone before."""
    one, settings = room(), till_settings()

    def work(session: Session) -> Attempt:
        key = key_of(one, session, token, who)
        now = datetime.now(UTC)
        return begin_undo(session, one.desk, key, who, deed_id, now=now, minutes=settings.undo_minutes)

    attempt = one.database.transact(work)
    return undo_outcome(one, attempt), attempt.is_old


def look(session: Session, who: int, deed_id: UUID) -> View:
    """A deed of which one is a party.  Raises Problem NOT_FOUND."""
    deed = session.get(Deed, deed_id)
    if deed is None or who not in (deed.holder_id, deed.other_id):
        raise Problem("NOT_FOUND")
    return shown(session, deed)
