"""API tokens: who may enter the admin API and the console, and with which role.

A token is a random number of 256 bits behind a fixed mark.  It is shown once; the database keeps its
SHA-256, which is enough to recognize it, because nobody can guess one.
"""

import hashlib
import hmac
import re
import secrets
from typing import Any, Final

import msgspec
import psycopg2

from swpt_accounts.errors import OperatorError
from swpt_accounts.moments import MICROSECONDS_PER_DAY, Moment

from .orders import Order
from .transactions import transact

VIEWER: Final = "viewer"
OPERATOR: Final = "operator"
ROLES: Final = (VIEWER, OPERATOR)

_MARK: Final = "swpt_"
_SHAPE: Final = re.compile(r"swpt_[A-Za-z0-9_-]{43}", re.ASCII)
_PREFIX_LENGTH: Final = len(_MARK) + 6
_LONGEST_NAME: Final = 100

_COLUMNS: Final = "api_token_id, name, role, prefix, created_at, expires_at, revoked_at"

_INSERT: Final = f"""
INSERT INTO api_token (name, role, prefix, token_sha256, created_at, expires_at)
VALUES (%(name)s, %(role)s, %(prefix)s, %(sha256)s, %(now)s, %(expires_at)s)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_LIST: Final = f"SELECT {_COLUMNS} FROM api_token ORDER BY api_token_id"  # noqa: S608

_FIND: Final = f"SELECT {_COLUMNS}, token_sha256 FROM api_token WHERE token_sha256 = %s"  # noqa: S608

_REVOKE: Final = f"""
UPDATE api_token SET revoked_at = %(now)s WHERE api_token_id = %(id)s AND revoked_at IS NULL
RETURNING {_COLUMNS}
"""  # noqa: S608 - constants only

_END_SESSIONS: Final = "DELETE FROM admin_session WHERE api_token_id = %s"


class ApiToken(msgspec.Struct, frozen=True):
    """A token without itself.  `prefix` is how it begins, for people to recognize it."""

    api_token_id: int
    name: str
    role: str
    prefix: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None

    def state(self, now: Moment) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "valid"


def create_token(
    connection: Any, name: str, role: str, *, expires_days: int | None, order: Order
) -> tuple[ApiToken, str]:
    """Make a token; returns what is kept of it, and the token itself, which nobody can read again."""
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise OperatorError(f"the name of a token must have 1 to {_LONGEST_NAME} printable characters")
    assert role in ROLES, "the doors check it"
    token = _MARK + secrets.token_urlsafe(32)

    def create(cursor: Any) -> ApiToken:
        now = order.clock()
        values = {
            "name": name,
            "role": role,
            "prefix": token[:_PREFIX_LENGTH],
            "sha256": psycopg2.Binary(_digest(token)),
            "now": now,
            "expires_at": None if expires_days is None else now + expires_days * MICROSECONDS_PER_DAY,
        }
        cursor.execute(_INSERT, values)
        made = ApiToken(*cursor.fetchone())
        order.write_down(cursor, "tokens create", f"token {made.api_token_id}", f"{role}: {name}")
        return made

    return transact(connection, create), token


def list_tokens(connection: Any) -> list[ApiToken]:
    """All tokens, those that are not valid any more as well."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST)
        return [ApiToken(*row) for row in cursor.fetchall()]


def find_token(connection: Any, token: str, now: Moment) -> ApiToken | None:
    """The token that this text is, if it is valid now."""
    if _SHAPE.fullmatch(token) is None:
        return None
    digest = _digest(token)
    with connection, connection.cursor() as cursor:
        cursor.execute(_FIND, [psycopg2.Binary(digest)])
        row = cursor.fetchone()
    # The index looks for a digest, whose bytes tell nothing about a token; compared once more all the same.
    if row is None or not hmac.compare_digest(bytes(row[-1]), digest):
        return None
    found = ApiToken(*row[:-1])
    return found if found.state(now) == "valid" else None


def revoke_token(connection: Any, api_token_id: int, *, order: Order) -> ApiToken:
    """Make a token worthless at once, and end the sessions that it has begun."""

    def revoke(cursor: Any) -> ApiToken:
        cursor.execute(_REVOKE, {"id": api_token_id, "now": order.clock()})
        row = cursor.fetchone()
        if row is None:
            raise OperatorError(f"there is no token {api_token_id} that is not revoked yet")
        revoked = ApiToken(*row)
        cursor.execute(_END_SESSIONS, [api_token_id])
        order.write_down(cursor, "tokens revoke", f"token {api_token_id}", f"{revoked.role}: {revoked.name}")
        return revoked

    return transact(connection, revoke)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
