"""API tokens: who may enter, looked up and listed."""

import hashlib
import hmac
import re
from typing import Any, Final

import msgspec
import psycopg2

from swpt_accounts.wire.moments import Moment

VIEWER: Final = "viewer"


OPERATOR: Final = "operator"


ROLES: Final = (VIEWER, OPERATOR)


_SHAPE: Final = re.compile(r"swpt_[A-Za-z0-9_-]{43}", re.ASCII)


COLUMNS: Final = "api_token_id, name, role, prefix, created_at, expires_at, revoked_at"


_LIST: Final = f"SELECT {COLUMNS} FROM api_token ORDER BY api_token_id"  # noqa: S608


_FIND: Final = f"SELECT {COLUMNS}, token_sha256 FROM api_token WHERE token_sha256 = %s"  # noqa: S608


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


def list_tokens(connection: Any) -> list[ApiToken]:
    """All tokens, those that are not valid any more as well."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_LIST)
        return [ApiToken(*row) for row in cursor.fetchall()]


def find_token(connection: Any, token: str, now: Moment) -> ApiToken | None:
    """The token that this text is, if it is valid now."""
    if _SHAPE.fullmatch(token) is None:
        return None
    digest = digest_of(token)
    with connection, connection.cursor() as cursor:
        cursor.execute(_FIND, [psycopg2.Binary(digest)])
        row = cursor.fetchone()
    # The index looks for a digest, whose bytes say nothing about a token; compared once more all the same.
    if row is None or not hmac.compare_digest(bytes(row[-1]), digest):
        return None
    found = ApiToken(*row[:-1])
    return found if found.state(now) == "valid" else None


def digest_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
