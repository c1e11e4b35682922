"""Keys of phones and of the operator: made once, shown once, kept as salted digests, and replaced."""

import hashlib
import secrets
from hmac import compare_digest
from typing import Final

import msgspec
from sqlalchemy import delete
from sqlalchemy.orm import Session

from house.visits import end_visits_of

from .tables import Account, ApiKey

OPERATOR: Final = "operator"
USER: Final = "user"
_SALT_BYTES: Final = 16
_LONGEST: Final = 200
_NOBODY: Final = (b"\0" * _SALT_BYTES, b"\0" * 32)


class Caller(msgspec.Struct, frozen=True):
    """Whose key it is."""

    user_id: str | None
    """None for the operator."""

    @property
    def is_operator(self) -> bool:
        """May see everything, and open accounts."""
        return self.user_id is None

    @property
    def visitor(self) -> str:
        """The name under which this one visits pages (see `house.visits`)."""
        return OPERATOR if self.user_id is None else f"{USER}:{self.user_id}"


def caller_of(visitor: str) -> Caller:
    """Who visits pages under this name."""
    return Caller(None if visitor == OPERATOR else visitor.removeprefix(f"{USER}:"))


def new_key(session: Session, user_id: str | None) -> str:
    """A new key for an account, or for the operator; the ones before are worth nothing from now on.

    Visits to pages that began with them end as well.
    """
    session.execute(delete(ApiKey).where(ApiKey.user_id.is_not_distinct_from(user_id)))
    end_visits_of(session, Caller(user_id).visitor)
    key_id, secret, salt = secrets.token_hex(8), secrets.token_urlsafe(24), secrets.token_bytes(_SALT_BYTES)
    session.add(ApiKey(key_id=key_id, user_id=user_id, salt=salt, digest=_digest(secret, salt)))
    session.flush()
    return f"{key_id}.{secret}"


def find_caller(session: Session, key: str) -> Caller | None:
    """Whose key it is; None if it is nobody's, or of an account that is closed."""
    key_id, _, secret = key[:_LONGEST].partition(".")
    found = session.get(ApiKey, key_id) if key_id.isalnum() else None
    salt, digest = _NOBODY if found is None else (found.salt, found.digest)
    # Also for a key that nobody has, so that the time tells nothing.
    is_right = compare_digest(_digest(secret, salt), digest)
    if found is None or not is_right:
        return None
    if found.user_id is not None and session.get_one(Account, found.user_id).closed_at is not None:
        return None
    return Caller(found.user_id)


def _digest(secret: str, salt: bytes) -> bytes:
    # The secret has 192 random bits: nobody guesses it, so a quick digest serves as well as a slow one.
    return hashlib.blake2b(secret.encode(), salt=salt, digest_size=32).digest()
