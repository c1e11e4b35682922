"""Visits of people: a signed cookie names a row of the database, which can be ended at any time.

Who visits is a text of the application's, like `person:12` or `admin`.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final

from flask import g, session
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from .room import room
from .tables import visit

LENGTH: Final = timedelta(hours=12)
IDLE: Final = timedelta(hours=1)
_TOUCH: Final = timedelta(minutes=3)
_KEY: Final = "visit"


def begin_visit(who: str) -> None:
    """Log in: a new visit under a new name, whatever the cookie said before."""
    end_visit()
    key = secrets.token_urlsafe(32)
    room().database.execute(insert(visit).values(digest=_digest(key), who=who))
    session[_KEY] = key
    g.house_visitor = who


def visitor() -> str | None:
    """Who visits; None for nobody."""
    if "house_visitor" not in g:
        key = session.get(_KEY)
        g.house_visitor = None if not isinstance(key, str) else room().database.transact(_finder(key))
        if key is not None and g.house_visitor is None:
            session.pop(_KEY, None)
    found: str | None = g.house_visitor
    return found


def end_visit() -> None:
    """Log out: a copy of the cookie is worthless as well."""
    key = session.get(_KEY)
    if isinstance(key, str):
        digest = _digest(key)
        room().database.execute(delete(visit).where(visit.c.digest == digest))
    session.clear()
    g.house_visitor = None


def end_visits_of(rows: Session, who: str) -> None:
    """Log somebody out everywhere: after a changed password, or when a person leaves."""
    rows.execute(delete(visit).where(visit.c.who == who))


def _finder(key: str) -> Any:
    digest = _digest(key)

    def find(rows: Session) -> str | None:
        now = func.now()
        found = rows.execute(
            select(visit.c.who, now - visit.c.seen_at).where(
                visit.c.digest == digest, visit.c.created_at > now - LENGTH, visit.c.seen_at > now - IDLE
            )
        ).one_or_none()
        if found is None:
            rows.execute(delete(visit).where(visit.c.created_at < now - LENGTH))
            return None
        if found[1] > _TOUCH:
            rows.execute(update(visit).where(visit.c.digest == digest).values(seen_at=now))
        who: str = found[0]
        return who

    return find


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
