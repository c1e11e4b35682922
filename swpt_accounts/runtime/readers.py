"""Names, addresses and keys in settings: which texts are allowed.  Readers raise ValueError that says so."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

_ROUTING_KEY: Final = re.compile(r"((?:[01]\.){0,20})#")
_QUEUES_OF_OTHERS: Final = re.compile(r"(creditors|debtors)_(in|out)|to_trade|(ca|aa|da|amq)\..*", re.DOTALL)
_MAX_QUEUE_NAME_BYTES: Final = 255 - len(".XQ")
_SHORTEST_SECRET_KEY: Final = 32


def read_binding_key(content: str) -> str:
    """A binding key of the queue, like `1.0.#`."""
    if not _ROUTING_KEY.fullmatch(content):
        raise ValueError(
            "must be `#`, or up to 20 binary digits with a dot after each, and `#`, like `1.0.#`"
        )
    return content


def read_queue_name(content: str) -> str:
    """The name of a queue of this server."""
    if not content or not content.isprintable() or len(content.encode()) > _MAX_QUEUE_NAME_BYTES:
        raise ValueError(f"must be a name of 1 to {_MAX_QUEUE_NAME_BYTES} printable bytes")
    if _QUEUES_OF_OTHERS.fullmatch(content):
        raise ValueError("must not be a name that belongs to agents, relays or the broker")
    return content


def read_user_name(content: str) -> str:
    """The name of a broker user, or nothing."""
    if not all(c.isprintable() for c in content) or len(content.encode()) > 255:
        raise ValueError("must be the name of a broker user (at most 255 bytes), or empty")
    return content


def read_address(content: str) -> str:
    """The address or name of a network interface."""
    if not re.fullmatch(r"[0-9A-Za-z.:_-]+", content, re.ASCII):
        raise ValueError("must be the address or name of a network interface, like 127.0.0.1")
    return content


def read_proxy_address(content: str) -> str:
    """The address of a proxy, or nothing."""
    return read_address(content) if content else content


def read_secret_key(content: str) -> str:
    """A key that nobody can guess, or nothing."""
    if content and (len(content) < _SHORTEST_SECRET_KEY or not content.isprintable()):
        raise ValueError(f"must be empty, or at least {_SHORTEST_SECRET_KEY} printable characters")
    return content


_POSTGRES_SCHEMES: Final = ("postgresql", "postgres", "postgresql+psycopg2")
# What every connection tells libpq itself (see `connections.connect`): here it would have no effect.
_OWN_PARAMETERS: Final = frozenset(
    {
        "application_name",
        "client_encoding",
        "connect_timeout",
        "fallback_application_name",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "replication",
    }
)
_SHORTEST_SILENCE: Final = 3_000
_LONGEST_SILENCE: Final = 120_000


def read_postgres_url(text: str) -> str:
    """An address of libpq, as all who connect give it to libpq; raises ValueError with what is allowed.

    The parser is libpq's own, so hosts, socket folders and every parameter mean what they mean there.
    """
    # Only who connects to a database needs the driver.
    from psycopg2 import ProgrammingError
    from psycopg2.extensions import parse_dsn

    example = "postgresql://user:password@host:5432/database"
    scheme, _, rest = text.partition("://")
    address = f"postgresql://{rest}"
    try:
        parts: dict[str, str] = parse_dsn(address)
    except (ProgrammingError, UnicodeError, ValueError):
        # What libpq says of it quotes passwords.
        raise ValueError(f"must be an address like {example}") from None
    ports = parts.get("port", "").split(",")
    if scheme not in _POSTGRES_SCHEMES or re.search(r"\s", text) or not all(map(_is_port, ports)):
        raise ValueError(f"must be an address like {example}")
    if own := sorted(_OWN_PARAMETERS & parts.keys()):
        raise ValueError(f"must not set what the server sets by itself: {', '.join(own)}")
    if not _is_silence(parts.get("tcp_user_timeout", f"{_SHORTEST_SILENCE}")):
        raise ValueError(
            f"must have a tcp_user_timeout of {_SHORTEST_SILENCE} to {_LONGEST_SILENCE} milliseconds, or none"
        )
    hosts, addresses = (parts.get(name, "").split(",") for name in ("host", "hostaddr"))
    places = addresses if addresses != [""] else hosts
    if hosts != [""] and len(hosts) != len(places):
        raise ValueError("must have one `hostaddr` for each of its hosts, or none")
    if len(ports) not in (1, len(places)):
        raise ValueError("must have one port for all of its hosts, or one for each")
    if (name := _refused_by_libpq(parts)) is not None:
        raise ValueError(
            f"must give {name} a value that libpq knows, and so must the variables of libpq (PG...)"
        )
    return address


def _refused_by_libpq(parts: Mapping[str, str]) -> str | None:
    """The parameter whose value libpq does not take, from the address or from a variable of its own.

    It is asked to connect to where nobody can be: then values are all that it looks at.  What it says is
    not shown, because it quotes values.
    """
    from psycopg2 import OperationalError, connect
    from psycopg2.extensions import make_dsn

    nowhere = {"host": "/nowhere", "port": "1"}
    others = {name: value for name, value in parts.items() if name not in ("host", "hostaddr", "port")}
    try:
        connect(make_dsn(**others, **nowhere), async_=True).close()
    except OperationalError as error:
        text = str(error)
        if not text.startswith("connection to server"):
            found = re.search(r"invalid \"?(\w+)\"? value|^definition of (service)|(service) file", text)
            return next(filter(None, found.groups()), None) if found else "each parameter"
    return None


def _is_silence(text: str) -> bool:
    """Whether it is a time after which a silent side may be given up."""
    return re.fullmatch(r"[0-9]{1,6}", text) is not None and (
        _SHORTEST_SILENCE <= int(text) <= _LONGEST_SILENCE
    )


def _is_port(text: str) -> bool:
    """Whether it is a port, or nothing, which means the usual one."""
    return not text or (re.fullmatch(r"[0-9]{1,5}", text) is not None and 0 < int(text) < 65536)


_AMQP_PARAMETERS: Final = frozenset({"heartbeat", "ssl_options"})


def read_amqp_url(text: str) -> str:
    """An `amqp://` or `amqps://` address, as given, of one node or several of a cluster.

    Its parameters are those of pika that have an effect, and are checked as pika reads them.
    Raises ValueError with what is allowed.
    """
    example = "amqp://user:password@host:5672"
    for node in amqp_nodes(text):
        _check_amqp_node(node, example)
    return text


def amqp_nodes(text: str) -> list[str]:
    """An address for each of the nodes of an address with several, like `amqp://u:p@a:5672,b:5672/v`."""
    scheme, separator, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    authority, question, query = authority.partition("?") if not slash else (authority, "", "")
    user, at, hosts = authority.rpartition("@")
    return [
        f"{scheme}{separator}{user}{at}{host}{slash or question}{path or query}" for host in hosts.split(",")
    ]


def _check_amqp_node(text: str, example: str) -> None:
    parts = _split(text, ("amqp", "amqps"), example)
    if not parts.hostname:
        raise ValueError(f"must name a host, like {example}")
    given = parse_qs(parts.query, keep_blank_values=True)
    if given.keys() - _AMQP_PARAMETERS:
        raise ValueError(f"must have no parameters but {' and '.join(sorted(_AMQP_PARAMETERS))}")
    if given:
        # Only who has them needs the library.
        from pika import URLParameters

        try:
            URLParameters(text)
        except (ArithmeticError, AttributeError, LookupError, OSError, SyntaxError, TypeError, ValueError):
            # What is said of them may quote the password of a key.
            raise ValueError(f"must have values for {' and '.join(sorted(given))} that can be used") from None


def user_of(amqp_url: str) -> str:
    """The broker user of an address that `read_amqp_url` has taken."""
    return unquote(urlsplit(amqp_nodes(amqp_url)[0]).username or "guest")


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
