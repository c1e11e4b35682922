"""The settings of an application: read once, from an environment, into a frozen value.

Without POSTGRES_URL the application has everything in one folder, the accounting server inside.  With
POSTGRES_URL (the application's own database) and PROTOCOL_BROKER_URL it talks to a server elsewhere.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from .errors import SettingsError

_T = TypeVar("_T")
_SUBNET_BITS: Final = 40
"""The lower bits of a creditor id, which number the accounts of a subnet."""


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What an application chooses for itself."""

    port: int
    debtor_id: int
    """Its currency."""
    subnet: int
    """Its creditors: all ids that share the upper 24 bits."""
    issuing_limit: int = 2**53
    """In cents."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """See the module."""

    folder: Path
    """Where everything is, if it is embedded."""
    postgres_url: str | None
    broker_url: str | None
    bind: str
    port: int
    debtor_id: int
    subnet: int
    issuing_limit: int
    is_https: bool
    """People reach it by HTTPS, through a proxy."""
    trusted_proxy: str
    threads: int
    has_samples: bool
    """A few sample people are made, whose passwords everybody knows."""


class Reader:
    """Reads variables of an environment; raises SettingsError, which names the variable."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, name: str, default: _T, parse: Callable[[str], _T], expected: str) -> _T:
        """A variable that `parse` understands; `parse` raises ValueError for what it does not."""
        text = self._environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError:
            raise SettingsError(f"{name}={text}: must be {expected}.") from None

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self.read(name, default, str, "a text")

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        """An integer between two others."""

        def parse(text: str) -> int:
            value = int(text, 0)
            if not least <= value <= most:
                raise ValueError(text)
            return value

        return self.read(name, default, parse, f"an integer between {least} and {most}")

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no."""
        words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

        def parse(text: str) -> bool:
            if text.lower() not in words:
                raise ValueError(text)
            return words[text.lower()]

        return self.read(name, default, parse, "yes or no")

    def url(self, name: str, *schemes: str) -> str | None:
        """An address of a service; what it says is not shown, because it may have a password."""
        text = self.text(name)
        if not text:
            return None
        try:
            parts = urlsplit(text)
            is_fine = parts.scheme in schemes and (parts.port or 1) > 0
        except ValueError:
            is_fine = False
        if not is_fine:
            raise SettingsError(f"{name}: must be an address like {schemes[0]}://USER:PASSWORD@HOST/…")
        return text


def read_settings(name: str, defaults: Defaults, environ: Mapping[str, str]) -> Settings:
    """The settings of the application `name`.  Raises SettingsError."""
    reader = Reader(environ)
    postgres_url = reader.url("POSTGRES_URL", "postgresql", "postgres", "postgresql+psycopg2")
    broker_url = reader.url("PROTOCOL_BROKER_URL", "amqp", "amqps")
    if (postgres_url is None) != (broker_url is None):
        missing = "PROTOCOL_BROKER_URL" if broker_url is None else "POSTGRES_URL"
        raise SettingsError(
            f"{missing}: is missing; set both to use a server elsewhere, none to have it inside."
        )
    id_range = -(2**63), 2**63 - 1
    subnet = reader.integer("APP_SUBNET", defaults.subnet, *id_range)
    if subnet % (1 << _SUBNET_BITS) or subnet == 0:
        raise SettingsError(f"APP_SUBNET={subnet:#x}: must be a multiple of 2**{_SUBNET_BITS}, and not 0.")
    return Settings(
        folder=Path(reader.text("APP_FOLDER", f"~/.local/share/swpt/{name}")).expanduser(),
        postgres_url=postgres_url,
        broker_url=broker_url,
        bind=reader.text("APP_BIND", "127.0.0.1"),
        port=reader.integer("APP_PORT", defaults.port, 0, 65535),
        debtor_id=reader.integer("APP_DEBTOR_ID", defaults.debtor_id, *id_range),
        subnet=subnet,
        issuing_limit=reader.integer("APP_ISSUING_LIMIT", defaults.issuing_limit, 1, 2**62),
        is_https=reader.flag("APP_HTTPS", default=False),
        trusted_proxy=reader.text("APP_TRUSTED_PROXY"),
        threads=reader.integer("APP_THREADS", 24, 4, 500),
        has_samples=reader.flag("APP_SAMPLES", default=postgres_url is None),
    )
