"""Visits of people with a browser: a signed, strict cookie names a row of the database, which can be ended.

Forms carry a mark against forgery that belongs to the cookie.  Without the database there are no visits.
"""

import hashlib
import secrets
from collections.abc import Callable
from logging import getLogger
from typing import Final

from flask import Flask, current_app, request, session
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy import delete, insert, text
from sqlalchemy.orm import Session

from house.pages import Sessions
from house.problems import Problem
from house.room import Room
from house.tables import visit

_KEY: Final = "visit"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_LENGTH_SECONDS: Final = 12 * 3600
_FUTURE_SECONDS: Final = 3600
_TOUCH_SECONDS: Final = 30
_logger: Final = getLogger(__name__)

_FIND: Final = text(
    "SELECT who, extract(epoch FROM now() - seen_at)::float8, extract(epoch FROM now() - created_at)::float8"
    " FROM house_visit WHERE digest = :digest"
)


def set_up(app: Flask, room: Room, name: str) -> None:
    """Let pages of the application know their visitors; forms from elsewhere are refused.

    Whatever is not under /api/ and changes something needs the mark of `csrf_token()`.
    """
    is_https = room.settings.is_https
    app.session_interface = Sessions(room)
    app.config.update(
        SESSION_COOKIE_NAME=f"__Host-swpt_{name}" if is_https else f"swpt_{name}",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=is_https,
        WTF_CSRF_CHECK_DEFAULT=False,
        # As long as the session: the mark belongs to it.
        WTF_CSRF_TIME_LIMIT=None,
    )
    CSRFProtect(app)

    @app.before_request
    def check_forgery() -> None:
        if request.method in _SAFE or request.path.startswith("/api/"):
            return
        try:
            current_app.extensions["csrf"].protect()
        except CSRFError as error:
            _logger.warning("A form from %s was refused: %s", request.remote_addr, error.description)
            raise Problem("FORGED", error.description or "") from None


def begin_visit(database: Session, who: str) -> None:
    """Log in: a new visit, under a new name, whatever the cookie said before."""
    key = secrets.token_urlsafe(32)
    database.execute(delete(visit).where(visit.c.seen_at < text("now() - interval '2 days'")))
    database.execute(insert(visit).values(digest=_digest(key), who=who))
    session[_KEY] = key


def find_visit(database: Session, idle_seconds: Callable[[str], float]) -> str | None:
    """Who visits; None if nobody does, or if it was too long ago that anything was done."""
    key = session.get(_KEY)
    if not isinstance(key, str):
        return None
    digest = _digest(key)
    row = database.execute(_FIND, {"digest": digest}).one_or_none()
    if row is None:
        return None
    who, idle, age = row
    most = idle_seconds(who)
    # Begun while a clock was wrong, it would last as long as the clock was ahead.
    if not -_FUTURE_SECONDS < idle < most or age > _LENGTH_SECONDS:
        return None
    if idle > min(most / 10, _TOUCH_SECONDS):
        # Each request would be a write too many.
        database.execute(visit.update().where(visit.c.digest == digest).values(seen_at=text("now()")))
    return str(who)


def end_visit(database: Session) -> None:
    """Log out: a copy of the cookie is worthless as well."""
    key = session.pop(_KEY, None)
    if isinstance(key, str):
        database.execute(delete(visit).where(visit.c.digest == _digest(key)))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
