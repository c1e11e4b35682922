"""The parts of a node, as the router shows them: whether each key has one shard, and each shard its queue.

Asked is for one account of each part, whose shard signs its answer with its realm and its queue.  What is no
answer says nothing: a shard may be away.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from operator import attrgetter
from typing import TypeAlias

import msgspec

from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.rules.node import wrong_realms
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.routing import Realm

from .client import ShardClient, Whose

Ask: TypeAlias = Callable[[AccountKey], Awaitable[Whose | None]]


class Survey(msgspec.Struct, frozen=True):
    """What a shard has seen of its node."""

    parts: int
    """Shards that were seen, this one among them."""

    faults: list[str]
    """Gaps, overlaps and shared queues."""

    unanswered: list[Realm]
    """Parts for which nobody has answered."""


def look_around(settings: Settings) -> Survey:
    """Ask for all parts of the node; for a shard of several."""
    assert settings.fetch_api_url is not None, "the settings of a shard are checked"
    return asyncio.run(_ask_router(settings, settings.fetch_api_url))


async def _ask_router(settings: Settings, url: str) -> Survey:
    client = ShardClient(url, timeout_seconds=settings.fetch_timeout, connections=1)
    try:
        return await survey(client.ask_whose, settings.realm(), settings.protocol_broker_queue)
    finally:
        await client.close()


async def survey(ask: Ask, own: Realm, queue: str) -> Survey:
    """What the answers of `ask` say about a node in which we are `own`, with this queue."""
    parts = {(own, queue)}
    faults, unanswered, unclear = [], [], []
    # All that is not ours, as few areas; nobody is ever asked for an account of ours.
    areas = _rest(Realm(0, 0), own)
    while areas:
        area = areas.pop()
        answer = await ask(_account_of(area))
        if answer is None:
            unanswered.append(area)
        elif answer.realm is None:
            unclear.append(area)
            faults.append(f"the router knows no shard for an account in {area.binding_key}")
        elif not (answer.realm.holds(area) or area.holds(answer.realm)):
            unclear.append(area)
            said = answer.realm.binding_key
            faults.append(
                f"the router leads to {said} where somebody asks for an account in {area.binding_key}"
            )
        else:
            parts.add((answer.realm, answer.queue))
            areas += _rest(area, answer.realm)
    faults += _overlaps(parts, unanswered + unclear)
    faults += _shared_queues(parts)
    return Survey(len(parts), faults, sorted(unanswered, key=attrgetter("digits")))


def _overlaps(parts: set[tuple[Realm, str]], unknown: list[Realm]) -> Iterator[str]:
    """What is wrong with the parts, whatever is true of those areas of which nothing is known."""
    named = [(realm, f"queue {name}" if name else "unknown queue") for realm, name in sorted(parts)]
    rest = [area for area in unknown if not any(realm.holds(area) for realm, _ in parts)]
    return wrong_realms(named + [(area, "unknown") for area in rest])


def _rest(area: Realm, part: Realm) -> list[Realm]:
    """All keys of an area that are not in a part of it, as few realms; none if the part is no smaller."""
    return [
        Realm(bits, part.prefix >> (part.bits - bits) ^ 1) for bits in range(area.bits + 1, part.bits + 1)
    ]


def _account_of(area: Realm) -> AccountKey:
    """An account of a realm: nobody needs to have it."""
    return next((0, creditor_id) for creditor_id in count(1) if area.owns(0, creditor_id))


def _shared_queues(parts: set[tuple[Realm, str]]) -> Iterator[str]:
    owners = defaultdict(list)
    for realm, queue in sorted(parts, key=lambda part: part[0].digits):
        if queue:
            owners[queue].append(realm.binding_key)
    for queue, keys in sorted(owners.items()):
        if len(keys) > 1:
            yield f"{' and '.join(keys)} have the same queue {queue}, and take each other's messages"
