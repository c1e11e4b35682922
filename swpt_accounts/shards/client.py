"""Asks other shards over HTTP, and understands what they say (rules.md#http-between-shards).

No answer is a value, and never a no: whatever is not exactly what a shard says is no answer.
"""

import asyncio
import re
from collections.abc import Sequence
from logging import getLogger
from time import monotonic
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import unquote

import aiohttp
import msgspec

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.rules.root_config import settings_of
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.errors import mask_secrets
from swpt_accounts.wire.numbers import u64
from swpt_accounts.wire.routing import Realm

from .terms import MOST_ASKED_TOGETHER, NO_SHARD, QUEUE_HEADER, REALM_HEADER

_MOST_BYTES: Final = 65536
_PIECE_BYTES: Final = 16384
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])")
_REALM: Final = re.compile(r"(?:[01]\.){1,20}#")
# Longer than the pauses of a node at work, and shorter than routers and shards keep a silent connection.
_KEPT_SECONDS: Final = 15.0
_LOG_AGAIN_SECONDS: Final = 60.0
# What a shard or router of another make says to a question that it does not know.
_UNKNOWN_QUESTION: Final = frozenset({404, 405, 501})

Resource: TypeAlias = Literal["reachable", "config"]

_logger: Final = getLogger(__name__)


class Said(msgspec.Struct, frozen=True):
    """What a shard says about one recipient; None is no answer."""

    is_reachable: bool | None = None
    realm: Realm | None = None
    lasts_seconds: float = 0.0
    """For how long a yes may be used again."""


class SaidTogether(msgspec.Struct, frozen=True):
    """What a shard says about many recipients, in their order; None is no answer."""

    reachable: list[bool] | None = None
    lasts_seconds: float = 0.0
    is_unknown: bool = False
    """Nobody there knows this kind of question."""


class Whose(msgspec.Struct, frozen=True):
    """Who has answered for an account; None as the realm: the router says that nobody has it."""

    realm: Realm | None = None
    queue: str = ""
    """Empty if it does not say."""


class Config(msgspec.Struct, frozen=True):
    """The `config_data` of a root account; None if there is no such account."""

    config_data: str | None


class _Together(msgspec.Struct):
    """The body of an answer about many recipients."""

    reachable: list[bool]
    max_age: float


class _Response(msgspec.Struct, frozen=True):
    status: int
    headers: Any
    body: bytes


_decode: Final = msgspec.json.Decoder(_Together).decode
_encode: Final = msgspec.json.Encoder().encode


class ShardClient:
    """Calls to the other shards through one router, on connections that are kept.

    Belongs to the event loop in which it is made; `close` it there.
    """

    def __init__(self, base_url: str, *, timeout_seconds: float, connections: int) -> None:
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        # Who waits here for a connection has not begun his call yet.
        self._free = asyncio.Semaphore(connections)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Cache-Control": "no-cache", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
        )
        self._log_at = 0.0

    async def close(self) -> None:
        """Give the connections back."""
        await self._session.close()

    async def ask_reachable(self, key: AccountKey) -> Said:
        """Whether transfers to an account of another shard can be prepared."""
        response = await self._call("GET", _path(key, "reachable"), "reachable")
        if response is None:
            return Said()
        realm = _realm(response, key)
        if response.status == 204:
            return Said(True, realm, _max_age_seconds(response))
        if response.status == 404 and not response.body:
            return Said(False, realm)
        self._note("reachable", _unexpected(response))
        return Said()

    async def ask_whose(self, key: AccountKey) -> Whose | None:
        """Which shard answers for an account, owned by it or not; None is no answer."""
        response = await self._call("GET", _path(key, "reachable"), "reachable")
        if response is None:
            return None
        if response.status == 503 and response.body == NO_SHARD.encode():
            return Whose()
        said = response.headers.get(REALM_HEADER, "")
        if said != "#" and not _REALM.fullmatch(said):
            return None
        return Whose(Realm.parse(said), unquote(response.headers.get(QUEUE_HEADER, "")))

    async def ask_together(self, realm: Realm, keys: Sequence[AccountKey]) -> SaidTogether:
        """The same about many accounts of one shard."""
        assert len(keys) <= MOST_ASKED_TOGETHER, "a shard takes no more"
        response = await self._call("POST", f"/realms/{realm.digits}/reachable", "reachable", _encode(keys))
        if response is None:
            return SaidTogether()
        if response.status in _UNKNOWN_QUESTION:
            return SaidTogether(is_unknown=True)
        if response.status == 200:
            try:
                said = _decode(response.body)
            except msgspec.MsgspecError:
                said = None
            if said is not None and len(said.reachable) == len(keys):
                return SaidTogether(said.reachable, said.max_age)
        self._note("reachable", _unexpected(response))
        return SaidTogether()

    async def ask_config(self, debtor_id: int) -> Config | None:
        """The configuration of a root account on another shard; None is no answer.

        A text that is no root configuration is no answer either.
        """
        response = await self._call("GET", _path((debtor_id, 0), "config"), "config")
        if response is None:
            return None
        if response.status == 404 and not response.body:
            return Config(None)
        if response.status == 200:
            try:
                text = response.body.decode()
            except UnicodeDecodeError:
                text = "?"
            if settings_of(text) is not None:
                return Config(text)
        self._note("config", _unexpected(response))
        return None

    async def _call(
        self, method: str, path: str, resource: Resource, body: bytes | None = None
    ) -> _Response | None:
        """One call, bounded in time as a whole; None if it has no end that can be understood."""
        async with self._free:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    return await self._exchange(method, path, body)
            except TimeoutError:
                self._note(resource, f"no answer within {self._timeout_seconds:g} s")
            except (aiohttp.ClientError, OSError, ValueError) as error:
                self._note(resource, f"{type(error).__name__}: {error}")
        return None

    async def _exchange(self, method: str, path: str, body: bytes | None) -> _Response:
        url = self._base_url + path
        async with self._session.request(method, url, data=body, allow_redirects=False) as response:
            pieces, size = [], 0
            while piece := await response.content.read(_PIECE_BYTES):
                pieces.append(piece)
                size += len(piece)
                if size > _MOST_BYTES:
                    # What follows is not read: the connection can not be used again.
                    response.close()
                    raise ValueError(f"an answer of more than {_MOST_BYTES} bytes")
            return _Response(response.status, response.headers, b"".join(pieces))

    def _note(self, resource: Resource, why: str) -> None:
        """Count a call without an answer, and now and then say why there is none."""
        metrics.FETCH_FAILURES.labels(resource).inc()
        if monotonic() >= self._log_at:
            self._log_at = monotonic() + _LOG_AGAIN_SECONDS
            _logger.warning(
                "Another shard gives no answer (%s, at %s): asking again. More of this is only counted for"
                " a minute.",
                mask_secrets(why)[:200],
                mask_secrets(self._base_url),
            )


def _path(key: AccountKey, resource: Resource) -> str:
    return f"/accounts/{u64(key[0])}/{u64(key[1])}/{resource}"


def _realm(response: _Response, key: AccountKey) -> Realm | None:
    """The realm of the shard that has answered, if it says so and that can be true."""
    said = response.headers.get(REALM_HEADER, "")
    if not _REALM.fullmatch(said):
        return None
    realm = Realm.parse(said)
    return realm if realm.owns(*key) else None


def _max_age_seconds(response: _Response) -> float:
    found = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
    return float(found[1]) if found else 0.0


def _unexpected(response: _Response) -> str:
    return f"status {response.status} with {len(response.body)} bytes"
