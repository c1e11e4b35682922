"""Sessions of the console: a signed cookie names a row of the database, which can be ended at any time."""

import hashlib
import secrets
from typing import Any, Final

import msgspec
import psycopg2
from flask import Flask, Request, session
from flask.sessions import NullSession, SecureCookieSession, SecureCookieSessionInterface
from sqlalchemy.exc import SQLAlchemyError

from swpt_accounts.operators.inspection.tokens import ApiToken
from swpt_accounts.wire.moments import Moment, is_over, seconds

from .context import AdminContext
from .keys import ensure_key

_KEY: Final = "session"

_BEGIN: Final = """
INSERT INTO admin_session (session_sha256, api_token_id, created_at, seen_at)
VALUES (%(digest)s, %(api_token_id)s, %(now)s, %(now)s)
"""

_FIND: Final = """
SELECT s.created_at, s.seen_at,
    t.api_token_id, t.name, t.role, t.prefix, t.created_at, t.expires_at, t.revoked_at
FROM admin_session s JOIN api_token t USING (api_token_id)
WHERE s.session_sha256 = %(digest)s
"""

_TOUCH: Final = "UPDATE admin_session SET seen_at = %(now)s WHERE session_sha256 = %(digest)s"
_END: Final = "DELETE FROM admin_session WHERE session_sha256 = %(digest)s"

# A session is written down as seen this often; each request would be a write too many.
_TOUCHES_PER_IDLE_TIME: Final = 20


class Ended(msgspec.Struct, frozen=True):
    """A session that we have begun, and that is over: whose it was, if anybody knows, and why it is over."""

    key: str
    name: str | None
    why: str


class Sessions(SecureCookieSessionInterface):
    """Signed cookies, whose key may come from the database; without it there are no sessions."""

    def __init__(self, context: AdminContext) -> None:
        self._context = context

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request; one that can not be changed while there is no key."""
        try:
            ensure_key(app, self._context)
        except (psycopg2.Error, SQLAlchemyError):
            # The probes do not need it, and whoever does will meet the same error.
            return NullSession()
        return super().open_session(app, request)


def set_up(app: Flask, context: AdminContext) -> None:
    """Let the application keep sessions in a strict cookie."""
    is_https = context.settings.admin_https
    app.session_interface = Sessions(context)
    app.config.update(
        SESSION_COOKIE_NAME="__Host-swpt_session" if is_https else "swpt_session",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=is_https,
    )


def begin_session(context: AdminContext, token: ApiToken) -> None:
    """Log in: a new session, under a new name, whatever the cookie said before."""
    key = secrets.token_urlsafe(32)
    with context.writing() as connection, connection, connection.cursor() as cursor:
        values = {"digest": _digest(key), "api_token_id": token.api_token_id, "now": context.now()}
        cursor.execute(_BEGIN, values)
    session.clear()
    session[_KEY] = key


def find_session(context: AdminContext) -> ApiToken | Ended | None:
    """The token with which the session of this request began, or why it is over; None if there was none."""
    key = session.get(_KEY)
    if not isinstance(key, str):
        return None
    now = context.now()
    values: dict[str, Any] = {"digest": _digest(key), "now": now}
    with context.reading() as connection, connection, connection.cursor() as cursor:
        cursor.execute(_FIND, values)
        row = cursor.fetchone()
    if row is None:
        session.clear()
        return Ended(key, None, "logged out, revoked or forgotten")
    created_at, seen_at, *columns = row
    token = ApiToken(*columns)
    if (why := _why_over(context, token, created_at, seen_at, now)) is not None:
        session.clear()
        return Ended(key, token.name, why)
    if now - seen_at >= seconds(context.settings.admin_session_idle) // _TOUCHES_PER_IDLE_TIME:
        with context.writing() as connection, connection, connection.cursor() as cursor:
            cursor.execute(_TOUCH, values)
    return token


def _why_over(
    context: AdminContext, token: ApiToken, created_at: Moment, seen_at: Moment, now: Moment
) -> str | None:
    state = token.state(now)
    if state != "valid":
        return f"its token is {state}"
    length, idle = (
        seconds(context.settings.admin_session_length),
        seconds(context.settings.admin_session_idle),
    )
    # Begun while the clock was wrong, it would last as long as the clock was ahead.
    if is_over(created_at, length, now):
        return "it was long enough"
    if is_over(seen_at, idle, now):
        return "idle for too long"
    return None


def end_session(context: AdminContext) -> None:
    """Log out: a copy of the cookie is worthless as well."""
    key = session.get(_KEY)
    if isinstance(key, str):
        with context.writing() as connection, connection, connection.cursor() as cursor:
            cursor.execute(_END, {"digest": _digest(key)})
    session.clear()


def _digest(key: str) -> Any:
    return psycopg2.Binary(hashlib.sha256(key.encode()).digest())
