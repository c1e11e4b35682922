"""Questions between shards, over a network and a router that follow from the seed.

Who asks is the server's own client of HTTP, with another session below it; who answers is the application of
the other shard's web role (see web.py).  Between them calls are slow, lost, refused and spoiled, and a cache
on the way repeats what it was allowed to keep.
"""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import msgspec

from swpt_accounts.demo.router import realm_of
from swpt_accounts.shards import client
from swpt_accounts.shards.terms import NO_SHARD
from swpt_accounts.wire.routing import Realm
from swpt_client.moments import SECOND, Moment

from .loops import SteppedLoops

ROUTER_URL: Final = "http://router"

_DELAYS: Final = (0, 0, 0, SECOND // 100, SECOND // 10, SECOND)
_SLOW: Final = (2 * SECOND, 6 * SECOND, 60 * SECOND)
_MAX_AGE: Final = re.compile(r"max-age=(\d+)")


class Answer(msgspec.Struct, frozen=True):
    """What a shard says, or somebody on the way."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_GATEWAY_ERROR: Final = Answer(502, {}, b"<html>Bad Gateway</html>")


class Question:
    """A call on its way, for which an actor waits in its loop."""

    def __init__(self, method: str, path: str, body: bytes, arrives_at: Moment) -> None:
        self.method = method
        self.path = path
        self.body = body
        self.arrives_at = arrives_at
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Answer] = self._loop.create_future()

    def settle(self, answer: Answer | Exception, after_seconds: float) -> None:
        """Let it have its answer, from any thread; who asks may be gone."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.call_later, after_seconds, self._end, answer)

    def _end(self, answer: Answer | Exception) -> None:
        if self.future.done():
            return
        if isinstance(answer, Exception):
            self.future.set_exception(answer)
        else:
            self.future.set_result(answer)


class Network:
    """Carries questions to the shards, and answers back, or does not, as its faults are."""

    def __init__(
        self,
        dice: Random,
        realms: Sequence[Realm],
        happens: Callable[[str], bool],
        clock: Callable[[], Moment],
        record: Callable[[str], None],
    ) -> None:
        self._dice = dice
        self._realms = list(realms)
        self._happens = happens
        self._clock = clock
        self._record = record
        self._kept: dict[str, tuple[Moment, Answer]] = {}
        """What a cache on the way may repeat, and until when."""
        self._waiting: dict[Realm, list[Question]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.is_up: Callable[[Realm], bool] = lambda _realm: False
        """Whether anybody listens for a shard."""

    def replace(self, parent: Realm, children: Sequence[Realm]) -> None:
        """Lead to the children of a shard that was split."""
        at = self._realms.index(parent)
        self._realms[at : at + 1] = children
        for question in self._waiting.pop(parent, []):
            self.reset(question)

    # --- who asks ---------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: bytes) -> Answer:
        """Ask the shard that has the account.  Raises ClientError."""
        self._record(f"asks {method} {path} {body.decode()}")
        self.counts["questions"] += 1
        realm = realm_of(path, self._realms)
        if realm is None:
            return Answer(503, {}, NO_SHARD.encode())
        if not self.is_up(realm) or self._happens("refuse question"):
            raise aiohttp.ClientConnectionError("connection refused")
        kept_until, kept = self._kept.get(path, (0, _GATEWAY_ERROR))
        if kept_until >= self._clock() and self._happens("old answer"):
            return kept
        question = Question(method, path, body, self._clock() + self._delay())
        if not self._happens("lose question"):
            self._waiting[realm].append(question)
        return await question.future

    def _delay(self) -> int:
        return self._dice.choice(_SLOW if self._happens("slow question") else _DELAYS)

    # --- who answers ------------------------------------------------------------------------------

    def has_some(self, realm: Realm) -> bool:
        """Whether a question for this shard has arrived."""
        return any(one.arrives_at <= self._clock() for one in self._waiting[realm])

    def take(self, realm: Realm) -> Question:
        """One that has arrived."""
        waiting = self._waiting[realm]
        question = min(waiting, key=lambda one: one.arrives_at)
        waiting.remove(question)
        return question

    def reply(self, question: Question, answer: Answer) -> None:
        """Carry an answer back."""
        self._record(f"answers {question.path} {answer.status} {answer.body.decode()}")
        if question.method == "GET" and (found := _MAX_AGE.search(answer.headers.get("Cache-Control", ""))):
            self._kept[question.path] = self._clock() + int(found[1]) * SECOND, answer
        self.counts["answers"] += 1
        if self._happens("lose answer"):
            return
        if self._happens("spoil answer"):
            text = answer.body + b"?" if answer.body or answer.status == 404 else b""
            answer = self._dice.choice((_GATEWAY_ERROR, Answer(answer.status, {}, text)))
        question.settle(answer, self._delay() / SECOND)

    def reset(self, question: Question) -> None:
        """Who should answer is gone, and the connection with him."""
        question.settle(aiohttp.ClientConnectionError("connection reset"), 0.0)


class Session:
    """In place of aiohttp's own, below the server's client of HTTP."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def request(self, method: str, url: str, *, data: bytes | None, allow_redirects: bool) -> "_Call":
        """A call, to be entered."""
        assert not allow_redirects, "no redirect is followed"
        return _Call(self._network, method, urlsplit(url).path, data or b"")

    async def close(self) -> None:
        """There is nothing to close."""


class _Call:
    """A call, and the response to it."""

    def __init__(self, network: Network, method: str, path: str, body: bytes) -> None:
        self._asked = method, path, body
        self._network = network
        self._rest = b""
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.content = self

    async def __aenter__(self) -> Self:
        answer = await self._network.ask(*self._asked)
        self.status, self.headers, self._rest = answer.status, answer.headers, answer.body
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def read(self, most: int) -> bytes:
        """The next bytes of the body; none at its end."""
        piece, self._rest = self._rest[:most], self._rest[most:]
        return piece

    def close(self) -> None:
        """Read no more."""


@contextmanager
def asking(network: Network, monotonic: Callable[[], float]) -> Iterator[None]:
    """As long as it lasts the server's questions go over this network, in loops by the world's time."""

    def unused(*_given: Any, **_named: Any) -> None:
        return None

    below = SimpleNamespace(
        ClientSession=lambda **_named: Session(network),
        ClientError=aiohttp.ClientError,
        ClientTimeout=unused,
        DummyCookieJar=unused,
        TCPConnector=unused,
    )
    module: Any = client
    before, policy = module.aiohttp, asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(SteppedLoops(monotonic))
    module.aiohttp = below
    try:
        yield
    finally:
        module.aiohttp = before
        asyncio.set_event_loop_policy(policy)
