"""Requests to both listeners: never an error of ours, whatever address, query, headers and body say."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from flask import Flask

from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.app import create_app
from tests.backstage.front_desk import FrontDesk

from .door import Fields
from .listening import ask
from .odd_texts import ODD, SENSIBLE, encoded

# What the interface between shards answers with 500 by the protocol: who asked has to ask another shard.
_WRONG_SHARD = b"The account belongs to another shard.\n"

_METHODS = ["GET", "GET", "GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "X" * 40]
_HEADERS = {
    "Accept": ["text/html", "application/json", "*/*;q=x", "text/html;q=0", ",", "\\xff"],
    "Authorization": ["Bearer", "Bearer x", "Basic eDp5", "bearer  ", "Bearer \\xe9", "Bearer " + "a" * 5000],
    "Content-Type": [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "a/b;c=d",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "text/\\xff",
        "",
    ],
    "Content-Length": ["0", "-1", "x", "99999999999999999999", "1"],
    "Cookie": ["session=x", "session=", "=", "a=b; session=\\xff", "session=.eJw.x.y"],
    "If-None-Match": ["*", '"x"', "\\xff"],
    "If-Modified-Since": ["x", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Jan 99999 00:00:00 GMT"],
    "Range": ["bytes=0-", "bytes=5-1", "x", "bytes=0-99999999999999999999"],
    "Referer": ["http://localhost/", "x", "\\xff"],
    "Host": ["", "a b", "localhost:x", "[::1", "\\xff", "x" * 300],
    "X-Forwarded-For": ["1.2.3.4", "x"],
    "Transfer-Encoding": ["chunked"],
}
_QUERY_NAMES = [
    "limit",
    "after",
    "before",
    "since",
    "until",
    "at",
    "state",
    "reason",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
    "debtor_id",
    "creditor_id",
    "status_code",
    "q",
    "refresh",
    "next",
    "operator",
    "action",
    "target",
    "cursor",
    "exchange",
    "points",
]
_BODIES = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"[[1,2]]",
    b"[" * 3000,
    b'{"ids":[1]}',
    b'{"ids":["x"],"note":"n"}',
    b"\xff",
    b'{"ids":[1],"note":"\\ud800"}',
    b'{"ids":[1],"note":"\\u0000"}',
    b'{"ids":[1e400],"note":"x"}',
    b"9" * 5000,
    b'{"ids":[' + b"9" * 5000 + b"]}",
    b'{"note":NaN}',
    b"\xef\xbb\xbf{}",
    b"x" * 70000,
    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
    b"a=%ff&a=b&%00=c",
]


class Http:
    """The admin listener, and the interface between shards."""

    name = "http"
    code: tuple[str, ...] = ("swpt_accounts/operators/admin/*", "swpt_accounts/shards/api.py")

    def __init__(self, desk: FrontDesk) -> None:
        self._desk = desk
        shards = create_app(load({"POSTGRES_URL": desk.stand.postgres_url}))
        self._apps: Mapping[str, Flask] = {"admin": desk.app, "shards": shards}

    def answer(
        self,
        *,
        listener: str,
        method: str,
        path: bytes,
        query: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        role: str | None = None,
    ) -> str:
        """The status of the answer."""
        own = [("Authorization", f"Bearer {self._desk.tokens[role]}")] if role else []
        asked = ask(
            self._apps[listener],
            method,
            path,
            query,
            [*headers, *own],
            body,
            allowed=_WRONG_SHARD if path.startswith(b"/realms/") else None,
        )
        return str(asked.status)

    def seeds(self) -> list[Fields]:
        """Every address there is."""
        return [
            {"listener": listener, "method": "GET", "path": rule.rule.encode(), "role": "operator"}
            for listener, app in self._apps.items()
            for rule in app.url_map.iter_rules()
        ]

    def changed(self, fields: Fields, random: Random) -> Fields:
        """Another request: to an address of a rule, with something else in one or all of its parts."""
        seed = random.choice(self.seeds())
        parts: dict[str, Any] = {
            "listener": seed["listener"],
            "path": _path(seed["path"].decode(), random),
            "method": random.choice(_METHODS),
            "query": _query(random),
            "headers": _some_headers(random),
            "body": random.choice(_BODIES),
            "role": random.choice(["viewer", "operator", "operator", None]),
        }
        if random.random() < 0.5:
            return parts
        kept = random.sample(["method", "query", "headers", "body", "role"], 4)
        return {**parts, **{name: fields[name] for name in kept if name in fields}}


def _some_headers(random: Random) -> list[tuple[str, str]]:
    names = random.sample(list(_HEADERS), random.randrange(3))
    return [(name, _latin_1(random.choice(_HEADERS[name]))) for name in names]


def _query(random: Random) -> bytes:
    if random.random() < 0.1:
        return random.choice([b"%", b"&&=", b"limit=1&limit=2", b"\xff", b"=" * 3000])
    names = [random.choice(_QUERY_NAMES).encode() for _ in range(random.randrange(4))]
    return b"&".join(name + b"=" + encoded(random) for name in names)


def _latin_1(text: str) -> str:
    """A header as the server in front hands it on: bytes as letters."""
    return text.replace("\\xff", "\xff").replace("\\xe9", "\xe9")


def _path(rule: str, random: Random) -> bytes:
    """An address of this rule, with something in each of its places, and maybe a change more."""
    words = [_word(part, random) if part.startswith("<") else part for part in rule.split("/")]
    path = "/".join(words).encode(errors="surrogatepass")
    if random.random() < 0.9:
        return path
    return random.choice([path + b"/", b"/" + path, path + b"\n", path + b"\xff", path + b"\0", path[:-1]])


def _word(place: str, random: Random) -> str:
    """Something for a place of a rule, which says by its converter what fits there."""
    if random.random() < 0.1:
        return random.choice(ODD)
    if "moment" in place:
        return "2026-11-21T10:00:00Z"
    if any(kind in place for kind in ("id", "positive", "bits")):
        return random.choice(["0", "1", "7", "1001", "1002", "18446744073709551615"])
    return random.choice(SENSIBLE)
