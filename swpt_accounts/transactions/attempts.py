"""How often a message was tried alone, written down before each try so that a crash counts as well."""

from typing import Any, Final

from swpt_accounts.wire.moments import Moment

_RECORD_ATTEMPT: Final = """
INSERT INTO delivery_attempt (body_sha256, attempts, last_attempt_at) VALUES (%(digest)s, 1, %(now)s)
ON CONFLICT (body_sha256) DO UPDATE
SET attempts = delivery_attempt.attempts + 1, last_attempt_at = excluded.last_attempt_at
RETURNING attempts
"""

_FORGET_ATTEMPTS: Final = "DELETE FROM delivery_attempt WHERE body_sha256 = %(digest)s"


def count_attempt(cursor: Any, digest: bytes, now: Moment) -> int:
    """Count one more try of the message with this digest; returns how many there were."""
    cursor.execute(_RECORD_ATTEMPT, {"digest": digest, "now": now})
    return int(cursor.fetchone()[0])


def forget(cursor: Any, digest: bytes) -> None:
    """The tries of this message count no more."""
    cursor.execute(_FORGET_ATTEMPTS, {"digest": digest})
