"""Where a database is, by its address: at a host and port, or in a folder with a socket."""

from typing import NamedTuple
from urllib.parse import quote

from psycopg2.extensions import parse_dsn

from swpt_accounts.storage.connections import libpq_url


class Place(NamedTuple):
    """The parts of an address."""

    host: str
    port: int
    user: str
    password: str
    name: str

    @property
    def quoted_host(self) -> str:
        """The host as it stands in front of a port; folders have their slashes spelled out."""
        return quote(self.host, safe="")


def place_of(url: str) -> Place:
    """Take an address apart, whatever its form."""
    parts = parse_dsn(libpq_url(url))
    host, port = parts.get("host", "127.0.0.1"), int(parts.get("port", 5432))
    return Place(host, port, parts.get("user", ""), parts.get("password", ""), parts["dbname"])
