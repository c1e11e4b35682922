"""API tokens: who may enter the admin API and the console, and with which role.

A token is a random number of 256 bits behind a fixed mark.  It is shown once; the database keeps its
SHA-256, which is enough to recognize it, because nobody can guess one.
"""

import secrets
from typing import Any, Final

import psycopg2

from swpt_accounts.operators.inspection.tokens import COLUMNS, ROLES, ApiToken, digest_of
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY

from .conflicts import transact
from .orders import Order

_MARK: Final = "swpt_"
_PREFIX_LENGTH: Final = len(_MARK) + 6
_LONGEST_NAME: Final = 100


_INSERT: Final = f"""
INSERT INTO api_token (name, role, prefix, token_sha256, created_at, expires_at)
VALUES (%(name)s, %(role)s, %(prefix)s, %(sha256)s, %(now)s, %(expires_at)s)
RETURNING {COLUMNS}
"""  # noqa: S608 - constants only


_REVOKE: Final = f"""
UPDATE api_token SET revoked_at = %(now)s WHERE api_token_id = %(id)s AND revoked_at IS NULL
RETURNING {COLUMNS}
"""  # noqa: S608 - constants only

_END_SESSIONS: Final = "DELETE FROM admin_session WHERE api_token_id = %s"


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
            "sha256": psycopg2.Binary(digest_of(token)),
            "now": now,
            "expires_at": None if expires_days is None else now + expires_days * MICROSECONDS_PER_DAY,
        }
        cursor.execute(_INSERT, values)
        made = ApiToken(*cursor.fetchone())
        order.write_down(cursor, "tokens create", f"token {made.api_token_id}", f"{role}: {name}")
        return made

    return transact(connection, create), token


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
