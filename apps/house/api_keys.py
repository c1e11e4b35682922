"""API keys of programs: shown once, kept as salted hashes, ended at any time.

A key is `PREFIX.SECRET`: the prefix finds the row, the secret has 256 random bits.
"""

import hashlib
import secrets
from hmac import compare_digest
from logging import getLogger

from flask import request
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql import func

from .problems import Problem
from .room import room
from .tables import api_key
from .visits import end_visits_of

_LONGEST = 200
_logger = getLogger(__name__)


def make_key(session: Session, owner: str) -> str:
    """A new key of somebody; only who made it has ever seen it."""
    prefix, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_bytes(16)
    values = {"prefix": prefix, "salt": salt, "digest": _digest(salt, secret), "owner": owner}
    session.execute(insert(api_key).values(**values))
    return f"{prefix}.{secret}"


def end_keys(session: Session, owner: str, *, but: str = "") -> int:
    """No key of somebody is good any more, but one; says how many were."""
    wanted = update(api_key).where(
        api_key.c.owner == owner,
        api_key.c.ended_at.is_(None),
        api_key.c.prefix != but.partition(".")[0],
    )
    ended = session.execute(wanted.values(ended_at=func.now()).returning(api_key.c.prefix))
    return len(ended.all())


def rotate_key(session: Session, owner: str) -> str:
    """A new key, and the end of all others, and of the visits to pages that began with them."""
    key = make_key(session, owner)
    end_keys(session, owner, but=key)
    end_visits_of(session, owner)
    return key


def owner_of(session: Session, key: str) -> str | None:
    """Whose key it is; None if it is nobody's, or ended."""
    prefix, _, secret = key[:_LONGEST].partition(".")
    row = session.execute(
        select(api_key.c.salt, api_key.c.digest, api_key.c.owner, api_key.c.ended_at).where(
            api_key.c.prefix == prefix
        )
    ).one_or_none()
    if row is None or row.ended_at is not None:
        return None
    owner: str = row.owner
    return owner if compare_digest(row.digest, _digest(row.salt, secret)) else None


def key_owner(header: str = "api-key", *, scheme: str = "") -> str:
    """Whose key this request has in its header, after a scheme like `Token` if it is to have one.

    `api-key` is also what a client has sent as `api_key`.
    Raises Problem NOT_KNOWN, and TOO_MANY_TRIES for an address with many wrong keys.
    """
    one = room()
    given = request.headers.get(header, "")
    expected = f"`{header}: {scheme + ' ' if scheme else ''}KEY`"
    if scheme:
        found, _, given = given.partition(" ")
        if found.lower() != scheme.lower():
            given = ""
    if not given.strip():
        raise Problem("NOT_KNOWN", f"Send the key as {expected}.")
    address = f"address {request.remote_addr}"
    one.throttle.check(address)
    owner = one.database.transact(lambda session: owner_of(session, given.strip()))
    if owner is None:
        one.throttle.note(address)
        _logger.warning(
            "A wrong key from %s: refused %s %s.", request.remote_addr, request.method, request.path
        )
        raise Problem("NOT_KNOWN", "The key is not valid: it is unknown, or was replaced.")
    return owner


def _digest(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode(errors="replace")).digest()
