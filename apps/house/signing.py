"""Keys that sign cookies and tokens: kept in the application's database, and changed without logging out.

A new key signs from the moment it is there; what older keys have signed is good as long as they are.
"""

import secrets
from threading import Lock
from time import monotonic
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer
from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.orm import Session

from swpt_client.errors import StoreAway

from .database import Database, InDoubt
from .tables import signing_key

_LOOK_SECONDS: Final = 5.0


class SigningKeys:
    """Thread-safe.  Another process's change is seen within some seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._known: tuple[str, ...] = ()
        self._read_at = 0.0

    def all(self) -> tuple[str, ...]:
        """The keys, the one that signs first.  Raises StoreAway if none is known."""
        with self._lock:
            if not self._known or monotonic() - self._read_at > _LOOK_SECONDS:
                self._look()
            return self._known

    def _look(self) -> None:
        try:
            self._known = self._database.transact(_read)
            self._read_at = monotonic()
        except (StoreAway, InDoubt):
            # Who comes while the database is away should hear of that, not that a form is forged.
            if not self._known:
                raise

    def rotate(self, *, keep: int = 1) -> None:
        """Make a new key; `keep` older ones stay good.  With 0 everybody has to log in again."""
        self._database.transact(lambda session: _rotate(session, keep))
        with self._lock:
            self._known = ()

    def sign(self, purpose: str, value: Any) -> str:
        """A text that says the value, and nobody else can make."""
        return self._serializer(purpose).dumps(value)

    def read(self, purpose: str, signed: str, *, seconds: int) -> Any | None:
        """The value of a text that was signed for this purpose, at most so long ago; else None."""
        try:
            return self._serializer(purpose).loads(signed, max_age=seconds)
        except BadData:
            return None

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        # itsdangerous signs with the last key of the list.
        return URLSafeTimedSerializer(list(reversed(self.all())), salt=purpose)


def _read(session: Session) -> tuple[str, ...]:
    wanted = select(signing_key.c.secret).order_by(signing_key.c.id.desc())
    found = tuple(session.execute(wanted).scalars())
    if found:
        return found
    # Two processes that begin at once must agree.
    session.execute(text("LOCK TABLE house_signing_key IN SHARE ROW EXCLUSIVE MODE"))
    return tuple(session.execute(wanted).scalars()) or (_add(session),)


def _add(session: Session) -> str:
    secret = secrets.token_urlsafe(32)
    newest = session.execute(select(func.max(signing_key.c.id))).scalar() or 0
    session.execute(insert(signing_key).values(id=newest + 1, secret=secret))
    return secret


def _rotate(session: Session, keep: int) -> None:
    session.execute(text("LOCK TABLE house_signing_key IN SHARE ROW EXCLUSIVE MODE"))
    kept = select(signing_key.c.id).order_by(signing_key.c.id.desc()).limit(keep).scalar_subquery()
    session.execute(delete(signing_key).where(signing_key.c.id.not_in(kept)))
    _add(session)
