"""Passwords, as salted scrypt hashes made by Werkzeug, which is well kept and here already."""

import secrets
from functools import cache
from threading import BoundedSemaphore
from typing import Final

from werkzeug.security import check_password_hash, generate_password_hash

METHOD: Final = "scrypt:32768:8:1"
LEAST_CHARACTERS: Final = 8
MOST_CHARACTERS: Final = 200
# A hash takes 32 MiB and some 60 ms: a crowd that logs in must not take all memory and all processors.
_AT_ONCE: Final = BoundedSemaphore(4)


def hash_password(password: str) -> str:
    """What is kept of a password."""
    with _AT_ONCE:
        return generate_password_hash(password, METHOD)


def is_password(kept: str | None, password: str) -> bool:
    """Whether it is the password; for nobody's (None) it takes as long, and the answer is no."""
    with _AT_ONCE:
        return check_password_hash(kept or _nobodys(), password) and kept is not None


@cache
def _nobodys() -> str:
    return generate_password_hash(secrets.token_urlsafe(), METHOD)
