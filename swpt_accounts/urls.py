"""Addresses of servers: what they may look like, and how they are shown without their secrets."""

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

_POSTGRES_SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg2")
_SECRETS: Final = (
    # Greedy up to the last "@", because people forget to escape "@" and "/" in passwords.
    (re.compile(r"(://[^\s:@/]*):\S*@"), r"\1:***@"),
    (re.compile(r"(password=)[^&\s'\"]+", re.IGNORECASE), r"\1***"),
)


def mask_url(text: str) -> str:
    """The text with the password of every URL in it replaced by `***`."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def read_postgres_url(text: str) -> str:
    """A `postgresql://` address, as given; raises ValueError with what is allowed."""
    _split(text, _POSTGRES_SCHEMES, "postgresql://user:password@host:5432/database")
    return text


def read_amqp_url(text: str) -> str:
    """An `amqp://` or `amqps://` address, as given; raises ValueError with what is allowed."""
    example = "amqp://user:password@host:5672"
    if not _split(text, ("amqp", "amqps"), example).hostname:
        raise ValueError(f"must name a host, like {example}")
    return text


def read_base_url(text: str) -> str | None:
    """An `http://` or `https://` base without a slash at its end; empty text means none."""
    if not text:
        return None
    example = "https://router.internal:8080"
    parts = _split(text, ("http", "https"), example)
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"must be a base URL with a host, and without query and fragment, like {example}")
    return text.rstrip("/")


def _split(text: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"must be an address like {example}") from None
    if parts.scheme not in schemes or "://" not in text or port == 0 or re.search(r"\s", text):
        raise ValueError(f"must be an address like {example}")
    return parts
