"""`python -m benchmarks.crossing`: what transfers between two shards cost their procedures.

Two shards work by turns in this process, each with a database of its own, without broker and HTTP: what one
says to the other is handed over, and each question is answered with yes by the next batch.  Beside them, by
turns as well, one server with all accounts.  Microseconds of a processor for a transfer, whoever has spent
them; the steady state is that of `procedures`.
"""

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from statistics import median
from typing import Final, NamedTuple

from swpt_accounts.procedures import Applied
from swpt_accounts.rules.facts import RequestKey, request_key
from swpt_accounts.wire.messages import CONTENT_TYPE, Message, PendingBalanceChange, decode
from swpt_accounts.wire.routing import Realm
from tests.services.errors import ServiceMissing

from . import yardstick
from .load import FIRST_CREDITOR
from .manners import mannered, whole
from .procedures import (
    DEBTOR,
    Stopwatch,
    Workbench,
    batches,
    configurations,
    delivered,
    finalizations_of,
    issues,
    prepare_transfer,
    workbench,
)
from .shapes import DIRECT
from .site import NotDurable, Site, site

_ACCOUNTS_OF_A_SHARD: Final = 1000
_BATCH: Final = 140
# Nobody is asked there: a question has its answer before it could be put.
_NOWHERE: Final = "http://127.0.0.1:9"


class Case(NamedTuple):
    """So many shards, and every how many-th transfer goes to the other one; 0 if none does."""

    name: str
    keys: tuple[str, ...]
    crossing_every: int = 0


CASES: Final = (
    Case("one server", ("#",)),
    Case("two shards, 0 % crossing", ("0.#", "1.#")),
    Case("two shards, 50 % crossing", ("0.#", "1.#"), 2),
)


class Cost(NamedTuple):
    """Microseconds for a transfer."""

    python: float
    postgresql: float
    yardsticks: float
    """Both, by what one transfer costs that is only decided."""


class Shard:
    """The procedures of one shard, and what lies before them."""

    def __init__(self, bench: Workbench, realm: Realm) -> None:
        mine = (one for one in count(FIRST_CREDITOR) if realm.owns(DEBTOR, one))
        self.ids = [next(mine) for _ in range(_ACCOUNTS_OF_A_SHARD)]
        self.has_root = realm.owns(DEBTOR, 0)
        self.finalized = 0
        self.watch = Stopwatch(bench.connection)
        self.credits: list[Message] = []
        self._bench = bench
        self._finalizations: list[Message] = []
        self._answers: dict[RequestKey, bool] = {}
        for batch in batches(configurations([0, *self.ids] if self.has_root else self.ids), _BATCH):
            bench.apply(batch)

    @property
    def has_work(self) -> bool:
        """Whether something lies there."""
        return bool(self.credits or self._finalizations or self._answers)

    def work(self, prepares: Sequence[Message]) -> list[Message]:
        """One batch: all that lies there, and new transfers; gives the credits of other shards."""
        messages = [*self._finalizations, *self.credits, *prepares]
        answers, finalized = self._answers, len(self._finalizations)
        self.credits, self._finalizations = [], []
        items = [delivered(one) for one in messages]
        with self.watch.running():
            applied = self._bench.apply(items, answers)
        assert not applied.rejections, applied.rejections
        assert not applied.ignored, applied.ignored
        self.finalized += finalized
        self._finalizations = list(finalizations_of(applied))
        self._answers = {request_key(one): True for one in applied.waiting}
        return list(_credits_of(applied))


def _credits_of(applied: Applied) -> Iterator[Message]:
    """What another shard has to do, as that reads it."""
    for envelope in () if applied.stored is None else applied.stored.envelopes:
        if envelope.type == PendingBalanceChange.__name__:
            credit = decode(envelope.body, CONTENT_TYPE, envelope.type)
            assert isinstance(credit, PendingBalanceChange), credit
            yield credit


class Node:
    """All shards of a case, which take turns."""

    def __init__(self, case: Case, shards: Sequence[Shard]) -> None:
        self._case = case
        self._shards = shards
        self._random = random.Random(1)
        self._numbers = count(1)

    def issue(self) -> None:
        """Give money to all accounts."""
        root = next(place for place, shard in enumerate(self._shards) if shard.has_root)
        waiting = issues([one for shard in self._shards for one in shard.ids])
        while waiting or self._has_work:
            self._take_turns({root: waiting[:_BATCH]})
            del waiting[:_BATCH]

    def work(self, transfers: int) -> None:
        """At least so many transfers, and until nothing lies anywhere."""
        begun = 0
        while begun < transfers or self._has_work:
            new = _BATCH // 2 if begun < transfers else 0
            prepares = {place: [self._prepare(place) for _ in range(new)] for place in self._places}
            begun += new * len(prepares)
            self._take_turns(prepares)

    @property
    def _places(self) -> range:
        return range(len(self._shards))

    @property
    def _has_work(self) -> bool:
        return any(shard.has_work for shard in self._shards)

    def _take_turns(self, prepares: Mapping[int, Sequence[Message]]) -> None:
        for place, shard in enumerate(self._shards):
            for credit in shard.work(prepares.get(place, ())):
                self._shards[1 - place].credits.append(credit)

    def _prepare(self, place: int) -> Message:
        number = next(self._numbers)
        is_crossing = self._case.crossing_every and number % self._case.crossing_every == 0
        sender, recipient = self._random.sample(self._shards[place].ids, 2)
        if is_crossing:
            recipient = self._random.choice(self._shards[1 - place].ids)
        return prepare_transfer(DIRECT, sender, sender, recipient, number, 1)


@contextmanager
def _node(place: Site, case: Case) -> Iterator[tuple[Node, Sequence[Shard]]]:
    with ExitStack() as stack:
        shards = []
        for key in case.keys:
            url = stack.enter_context(place.database())
            settings = {
                "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": key,
                "FETCH_API_URL": _NOWHERE,
                "INTERNAL_USER": "guest",
            }
            shards.append(Shard(stack.enter_context(workbench(url, **settings)), Realm.parse(key)))
        node = Node(case, shards)
        node.issue()
        yield node, shards


def _measure(place: Site, case: Case, transfers: int) -> Cost:
    with _node(place, case) as (node, shards):
        node.work(len(shards) * _ACCOUNTS_OF_A_SHARD)
        for shard in shards:
            shard.watch.reset()
            shard.finalized = 0
        unit = yardstick.measure()
        node.work(transfers)
        unit = (unit + yardstick.measure()) / 2
        done = sum(shard.finalized for shard in shards)
        outcomes = [shard.watch.outcome(done, _BATCH, {}) for shard in shards]
    python = sum(one.python_us for one in outcomes)
    postgresql = sum(one.postgresql_us for one in outcomes)
    return Cost(python, postgresql, (python + postgresql) / unit)


def main() -> None:
    """Measure all cases by turns, and print them beside each other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crossing", description=__doc__)
    parser.add_argument("--transfers", type=whole, default=4000, help="of one run")
    parser.add_argument("--rounds", type=whole, default=3, help="repetitions, whose median counts")
    options = parser.parse_args()
    with mannered(ServiceMissing, NotDurable), site() as place:
        rounds = [[_measure(place, case, options.transfers) for case in CASES] for _ in range(options.rounds)]
    for number, case in enumerate(CASES):
        runs = [one[number] for one in rounds]
        ratio = median(one[number].yardsticks / one[0].yardsticks for one in rounds)
        print(
            f"{case.name:28} {median(one.python for one in runs):5.0f} + "
            f"{median(one.postgresql for one in runs):.0f} us of Python + PostgreSQL = "
            f"{median(one.yardsticks for one in runs):.1f} yardsticks = {ratio:.2f} of one server"
        )


if __name__ == "__main__":
    main()
