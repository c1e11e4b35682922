"""Whom a shard asks, for how many at once, and that one bad shard holds up nobody else."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from swpt_accounts.rules.facts import request_key
from swpt_accounts.shards.client import ShardClient
from swpt_accounts.shards.questions import MOST_CALLS_TOGETHER, Questions
from swpt_accounts.transactions.waiting import Due
from swpt_accounts.wire.routing import Realm
from tests.backstage import far_shards as far
from tests.backstage.builders import DEBTOR, request
from tests.backstage.far_shards import FarShards, far_shards

OWN = Realm.parse("0.0.#")
OPEN_SECONDS = 30.0
PEOPLE = [number for number in range(1000, 4000) if not OWN.owns(DEBTOR, number)]


def people_of(binding_key: str, number: int) -> list[int]:
    """Creditors whose accounts are in this realm."""
    realm = Realm.parse(binding_key)
    return [person for person in PEOPLE if realm.owns(DEBTOR, person)][:number]


class Asker:
    """Asks in an event loop, and notes what it hears."""

    def __init__(self, shards: FarShards, connections: int, timeout_seconds: float) -> None:
        self.client = ShardClient(shards.url, timeout_seconds=timeout_seconds, connections=connections)
        self.verdicts: dict[int, bool] = {}
        self.silent: Counter[int] = Counter()
        self.remembered: dict[int, float] = {}
        self.changed = asyncio.Event()
        self.questions = Questions(
            self.client,
            OWN,
            connections,
            answered=self._hear,
            unanswered=self._hear_silence,
            remember=self._remember,
        )
        self._names: dict[Any, int] = {}

    def ask(self, people: Iterable[int]) -> None:
        """Somebody wants to pay each of them."""
        dues = []
        for person in people:
            asked = request(1001, person, coordinator_request_id=len(self._names))
            self._names[request_key(asked)] = person
            dues.append(Due(asked, 0))
        self.questions.ask(dues)

    async def until(self, is_done: Callable[[], bool]) -> None:
        """Wait until this is so."""
        async with asyncio.timeout(OPEN_SECONDS):
            while not is_done():
                self.changed.clear()
                await self.changed.wait()

    def _hear(self, answers: Iterable[Any]) -> None:
        for key, verdict in answers:
            self.verdicts[self._names[key]] = verdict
        self.changed.set()

    def _hear_silence(self, dues: Iterable[Due]) -> None:
        self.silent.update(self._names[request_key(due.request)] for due in dues)
        self.changed.set()

    def _remember(self, keys: Iterable[tuple[int, int]], asked_at: float, lasts_seconds: float) -> None:
        self.remembered |= {creditor_id: lasts_seconds for _, creditor_id in keys}


@asynccontextmanager
async def asking(shards: FarShards, connections: int = 8, timeout_seconds: float = 20.0):
    """An asker that is closed at the end."""
    asker = Asker(shards, connections, timeout_seconds)
    try:
        yield asker
    finally:
        await asker.questions.close()
        await asker.client.close()


@pytest.fixture
def shards():
    """Three other shards; everybody with an even number accepts transfers."""
    with far_shards("0.1.#", "1.0.#", "1.1.#") as shards:
        shards.reachable = {(DEBTOR, person) for person in PEOPLE if person % 2 == 0}
        yield shards


def right(people: Iterable[int]) -> dict[int, bool]:
    """What the shards have to say about them."""
    return {person: person % 2 == 0 for person in people}


def test_a_shard_is_known_after_its_first_answer_and_then_asked_for_many_together(shards):
    """Hundreds of questions become a few calls."""
    people = PEOPLE[:1200]

    async def story():
        async with asking(shards) as asker:
            asker.ask(people)
            await asker.until(lambda: len(asker.verdicts) == len(people))
            return asker

    asker = asyncio.run(story())
    assert asker.verdicts == right(people)
    assert set(asker.remembered) == {person for person in people if person % 2 == 0}
    assert set(asker.remembered.values()) == {10}
    assert not asker.silent
    assert all(times == 1 for times in shards.asked.values())
    assert len(shards.calls) <= 30


def test_who_asks_for_the_same_recipient_shares_a_question_that_has_not_begun(shards):
    """A hundred payments to one shop are two questions at most."""
    (shop,) = people_of("1.0.#", 1)

    async def story():
        async with asking(shards) as asker:
            asker.ask([shop] * 50)
            asker.ask([shop] * 50)
            await asker.until(lambda: len(asker.verdicts) == 1)
            return asker

    assert asyncio.run(story()).verdicts == right([shop])
    assert shards.asked[DEBTOR, shop] <= 2


def test_a_shard_of_another_make_is_asked_one_by_one_and_within_its_bounds(shards):
    """It names no realm; an eighth of all calls is for one shard at most."""
    shards.says_realm = False
    people = people_of("1.0.#", 60)

    async def story():
        async with asking(shards, connections=16) as asker:
            asker.ask(people)
            await asker.until(lambda: len(asker.verdicts) == len(people))
            return asker

    assert asyncio.run(story()).verdicts == right(people)
    assert {call.partition(" ")[0] for call in shards.calls} == {"GET"}
    assert shards.most_running <= 2


def test_a_shard_that_names_its_realm_but_takes_single_questions_only(shards):
    """The single question is the fallback."""
    shards.knows_many = False
    people = people_of("1.1.#", 40)

    async def story():
        async with asking(shards) as asker:
            asker.ask(people)
            await asker.until(lambda: len(asker.verdicts) == len(people))
            return asker

    asker = asyncio.run(story())
    assert asker.verdicts == right(people)
    assert not asker.silent
    assert sum(call.startswith("POST") for call in shards.calls) <= MOST_CALLS_TOGETHER + 1


@pytest.mark.parametrize("is_known", [False, True])
def test_a_shard_that_hangs_holds_up_no_other(shards, is_known):
    """Its questions stay open, those to the others are answered (behaviour 70)."""
    bad, good = people_of("1.1.#", 200), people_of("1.0.#", 200)
    bad_realm = Realm.parse("1.1.#")

    def hang(shards, handler):
        words = handler.path.split("/")
        is_bad = words[2] == "11" or (words[1] == "accounts" and bad_realm.owns(DEBTOR, int(words[3])))
        return is_bad and far.hangs(shards, handler)

    async def story():
        async with asking(shards) as asker:
            if is_known:
                asker.ask(bad[:1])
                await asker.until(lambda: len(asker.verdicts) == 1)
            shards.manner = hang
            asker.ask(bad)
            asker.ask(good)
            await asker.until(lambda: set(good) <= asker.verdicts.keys())
            return asker

    asker = asyncio.run(story())
    assert right(good).items() <= asker.verdicts.items()
    assert not asker.silent
    assert shards.most_running <= 8


def test_a_shard_that_is_away_leaves_everything_open(shards):
    """Nobody is told no; each request hears that there was no answer, once."""
    people = people_of("0.1.#", 50)

    async def story():
        async with asking(shards) as asker:
            asker.ask(people[:1])
            await asker.until(lambda: len(asker.verdicts) == 1)
            shards.manner = far.answers(503)
            asker.ask(people[1:])
            await asker.until(lambda: len(asker.silent) == len(people) - 1)
            return asker

    asker = asyncio.run(story())
    assert set(asker.silent.values()) == {1}
    assert asker.verdicts == right(people[:1])


def test_a_shard_that_was_split_is_found_again(shards):
    """The realm that was known is no more; one question tells, and the next ones go to the children."""
    people = people_of("1.1.#", 120)

    async def story():
        async with asking(shards) as asker:
            asker.ask(people[:20])
            await asker.until(lambda: len(asker.verdicts) == 20)
            shards.realms = [Realm.parse(key) for key in ("0.1.#", "1.0.#", "1.1.0.#", "1.1.1.#")]
            asker.ask(people[20:])
            await asker.until(lambda: len(asker.verdicts) + len(asker.silent) == len(people))
            # What was asked of the parent had no answer, and is asked again after its pause.
            again = list(asker.silent)
            asker.ask(again)
            await asker.until(lambda: len(asker.verdicts) == len(people))
            return asker

    asker = asyncio.run(story())
    assert asker.verdicts == right(people)
    assert {"POST /realms/110/reachable", "POST /realms/111/reachable"} & set(shards.calls)


def test_shards_that_were_merged_back_are_found_as_well(shards):
    """A realm that holds others takes their place."""
    people = people_of("1.#", 120)

    async def story():
        async with asking(shards) as asker:
            asker.ask(people[:40])
            await asker.until(lambda: len(asker.verdicts) == 40)
            shards.realms = [Realm.parse(key) for key in ("0.1.#", "1.#")]
            asker.ask(people[40:])
            await asker.until(lambda: len(asker.verdicts) + len(asker.silent) == len(people))
            asker.ask(list(asker.silent))
            await asker.until(lambda: len(asker.verdicts) == len(people))
            return asker

    assert asyncio.run(story()).verdicts == right(people)
    assert "POST /realms/1/reachable" in shards.calls
