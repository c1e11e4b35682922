"""Which recipients are asked for together, and how many questions run at once.

A shard that is slow, or away, holds up nobody but those who want to know something of it: questions are
bounded for each shard.  Whom an account belongs to is learned from answers, which name the realm of their
shard; all that is asked of a shard that is known goes in one call.  A shard of another make names no
realm, or does not know that question; its recipients are asked for one by one.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from time import monotonic
from typing import Final, TypeAlias

from swpt_accounts.rules.facts import AccountKey, RequestKey, request_key
from swpt_accounts.rules.transfers import parse_recipient
from swpt_accounts.transactions.waiting import Due
from swpt_accounts.wire.routing import Realm, account_word

from .client import Said, ShardClient
from .terms import MOST_ASKED_TOGETHER

MOST_CALLS_TOGETHER: Final = 2
"""Calls about many recipients that run at once for a shard: what comes meanwhile goes with the next."""

_SHARE: Final = 8
"""One shard has at most this part of all calls."""

_ONE_BY_ONE_SECONDS: Final = 60.0

Answered: TypeAlias = Callable[[Iterable[tuple[RequestKey, bool]]], None]
Unanswered: TypeAlias = Callable[[Iterable[Due]], None]
Remember: TypeAlias = Callable[[Iterable[AccountKey], float, float], None]


class _Target:
    """What is to be asked of one shard."""

    def __init__(self) -> None:
        self.wanted: dict[AccountKey, list[Due]] = {}
        self.running = 0
        self.one_by_one_until = 0.0

    def take(self, most: int) -> dict[AccountKey, list[Due]]:
        """The next recipients, with those who want to know; who asks later gets another answer."""
        keys = list(self.wanted)[:most]
        return {key: self.wanted.pop(key) for key in keys}


class Questions:
    """The questions of a process, all in one event loop.

    `answered` and `unanswered` hear what has become of each request; `remember` hears of recipients that
    have said yes, when they were asked, and for how many seconds that lasts.
    """

    def __init__(
        self,
        client: ShardClient,
        realm: Realm,
        connections: int,
        *,
        answered: Answered,
        unanswered: Unanswered,
        remember: Remember,
    ) -> None:
        self._client = client
        self._realm = realm
        self._most_single = max(1, connections // _SHARE)
        self._answered = answered
        self._unanswered = unanswered
        self._remember = remember
        self._targets: dict[Realm, _Target] = {}
        self._known: set[Realm] = set()
        self._lengths: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self, dues: Iterable[Due]) -> None:
        """Ask for the recipients of these requests, as soon as there is room."""
        touched = set()
        for due in dues:
            request = due.request
            recipient_id = parse_recipient(request.recipient)
            assert recipient_id is not None, "rule P3 has refused the others"
            key = request.debtor_id, recipient_id
            where = self._where(key)
            self._targets.setdefault(where, _Target()).wanted.setdefault(key, []).append(due)
            touched.add(where)
        for where in touched:
            self._go_on(where)

    async def close(self) -> None:
        """Drop what runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- whom to ask ---------------------------------------------------------------------------

    def _where(self, key: AccountKey) -> Realm:
        """The realm of the account's shard if it is known, otherwise one as large as ours."""
        word = account_word(*key)
        for bits in self._lengths:
            if (realm := Realm.of(word, bits)) in self._known:
                return realm
        return Realm.of(word, self._realm.bits)

    def _learn(self, realm: Realm) -> None:
        """Ask together from now on what belongs to this shard."""
        if realm in self._known:
            return
        # Realms change only by splits, so that one that overlaps is out of date.
        self._known = {one for one in self._known if not (one.holds(realm) or realm.holds(one))}
        self._known.add(realm)
        self._sort_again()

    def _forget(self, realm: Realm) -> None:
        self._known.discard(realm)
        self._sort_again()

    def _sort_again(self) -> None:
        self._lengths = sorted({realm.bits for realm in self._known})
        wanted = [due for target in self._targets.values() for dues in target.wanted.values() for due in dues]
        for where, target in list(self._targets.items()):
            target.wanted = {}
            if not target.running:
                del self._targets[where]
        self.ask(wanted)

    # -- asking --------------------------------------------------------------------------------

    def _go_on(self, where: Realm) -> None:
        target = self._targets[where]
        is_together = where in self._known and monotonic() >= target.one_by_one_until
        most = MOST_CALLS_TOGETHER if is_together else self._most_single
        while target.wanted and target.running < most:
            asked = target.take(MOST_ASKED_TOGETHER if is_together else 1)
            target.running += 1
            call = self._ask_together(where, asked) if is_together else self._ask_one(asked)
            task = asyncio.get_running_loop().create_task(call)
            self._tasks.add(task)
            task.add_done_callback(lambda task: self._end(where, task))

    def _end(self, where: Realm, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        target = self._targets[where]
        target.running -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        if not task.cancelled() and target.wanted:
            self._go_on(where)

    async def _ask_one(self, asked: dict[AccountKey, list[Due]]) -> None:
        [(key, dues)] = asked.items()
        await self._ask_for(key, dues)

    async def _ask_for(self, key: AccountKey, dues: Collection[Due]) -> Said:
        asked_at = monotonic()
        said = await self._client.ask_reachable(key)
        self._hear(key, dues, said.is_reachable)
        if said.is_reachable:
            self._remember([key], asked_at, said.lasts_seconds)
        if said.realm is not None:
            self._learn(said.realm)
        return said

    async def _ask_together(self, where: Realm, asked: dict[AccountKey, list[Due]]) -> None:
        asked_at, keys = monotonic(), list(asked)
        said = await self._client.ask_together(where, keys)
        if said.is_unknown:
            self._targets[where].one_by_one_until = monotonic() + _ONE_BY_ONE_SECONDS
            self.ask(due for dues in asked.values() for due in dues)
        elif said.reachable is None:
            # Is the shard away, or was it split?  One of them finds out.
            first = keys[0]
            for key in keys[1:]:
                self._hear(key, asked[key], None)
            one = await self._ask_for(first, asked[first])
            if one.is_reachable is not None and one.realm != where:
                self._forget(where)
        else:
            verdicts = dict(zip(keys, said.reachable, strict=True))
            self._answered(
                (request_key(due.request), verdicts[key]) for key, dues in asked.items() for due in dues
            )
            yes = [key for key, verdict in verdicts.items() if verdict]
            self._remember(yes, asked_at, said.lasts_seconds)

    def _hear(self, key: AccountKey, dues: Collection[Due], verdict: bool | None) -> None:
        if verdict is None:
            self._unanswered(dues)
        else:
            self._answered((request_key(due.request), verdict) for due in dues)
