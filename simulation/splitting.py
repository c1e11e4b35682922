"""A shard of a world becomes two, by the command of operators.

The command and all below it are the server's own: what it looks at, the ladder that says the next step, the
orders, the copies of the database.  Only the broker is that of the world, and so are the hands: somebody
starts the command again and again, and does what it says; he dies, too, at any step.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import psycopg2

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.commands.shards import split as command
from swpt_accounts.operators.inspection.shards import split_view
from swpt_accounts.operators.inspection.shards.split_view import Wanted
from swpt_accounts.operators.operations import splitting
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.shard_record import keep_realm
from swpt_client.moments import Moment

from .actors import current, step
from .database import Database
from .exchange import Exchange
from .life import LOOKERS
from .machine import Machine
from .mix import Mix
from .processes import Process, Worker
from .queues import Administration
from .shards import Shard, queue_name
from .swapping import swapped

_NAMES: Final = ("child_0", "child_1")
"""The databases of the children."""

_NEXT: Final = "next: "
_DONE: Final = 0
_REFUSED: Final = 1
_PAUSES: Final = (1.0, 10.0, 60.0)
_LONG_PAUSES: Final = (60.0, 600.0, 3600.0)
"""Between two looks at rows that go by themselves."""

_OTHER_LOOKERS: Final = tuple(name for name in LOOKERS if name != " aside")
"""Those of whom nobody waits for anything while rows go."""


class Split:
    """What the command finds, and what those do whom it asks to."""

    def __init__(
        self,
        seed: int,
        mix: Mix,
        machine: Machine,
        exchange: Exchange,
        follow: Callable[[Shard, Sequence[Shard]], None],
    ) -> None:
        [parent] = [shard for shard in machine.shards if shard.settings.realm().binding_key == mix.split]
        self._mix = mix
        self._machine = machine
        self._exchange = exchange
        self._follow = follow
        """Takes notice that there are children instead of the parent."""
        self._dice = Random(f"{seed} operator")
        self.parent = parent
        self._keys = [mix.split.replace("#", f"{side}.#") for side in (0, 1)]
        self._databases = [parent.database.beside(name) for name in _NAMES]
        left, right = map(queue_name, self._keys)
        urls = self._databases[0].url, self._databases[1].url
        self._wanted = Wanted(urls, (left, right), can_copy=True)
        self.administration = Administration(machine.broker, exchange, self._consumers_of)
        self.administration.lines[queue_name(mix.split)] = exchange.line_of(parent.realm)
        self._children: list[Shard] = []
        self._started: set[str] = set()
        self._next = ""
        """What somebody else is to do, as it was said last."""
        self._now: Callable[[], Moment] = machine.wall
        self.is_begun = self.is_done = False

    @property
    def is_running(self) -> bool:
        """Whether it has begun, and is not done."""
        return self.is_begun and not self.is_done

    def begin(self) -> None:
        """Somebody sits down to split the shard."""
        self.is_begun = True
        make = partial(Operator, around=self.parent, split=self)
        self._machine.begin(make, f"operator of {self._mix.split}")

    def close(self) -> None:
        """Leave nothing behind for the next world."""
        for database in self._databases:
            database.drop()

    # --- the command ------------------------------------------------------------------------------

    def run(self, now: Callable[[], Moment]) -> float:
        """Start the command once, and do what it says; for how many seconds to rest then."""
        self._now, self._next = now, ""
        until = self._machine.monotonic() + self._dice.choice((0.0, 0.0, 30.0))
        code = None
        try:
            code = command._go_on(
                self.parent.settings, self._wanted, None, until, once=self._dice.random() < 0.3
            )
        except (OperatorError, BrokerProblem, psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            self._machine.record(f"command: {type(error).__name__}")
        assert code != _REFUSED, f"the command refuses to split: {self._next}"
        if code == _DONE:
            self.is_done = True
            self._machine.record("command: done")
        elif self._next:
            self._obey(self._next)
        is_settling = "rows of its sibling" in self._next
        self._machine.lookers = _OTHER_LOOKERS if is_settling else LOOKERS
        return self._dice.choice(_LONG_PAUSES if is_settling else _PAUSES)

    def order(self, _operator: str | None) -> Order:
        """In place of the order of who is logged in."""
        return Order("operator", "simulation", self._now)

    def echo(self, text: str = "", *, err: bool = False) -> None:
        """In place of a terminal."""
        if text.startswith(" "):
            return
        if err or text.startswith(_NEXT):
            self._next = text.removeprefix(_NEXT)
        self._machine.record(f"command: {text}")

    def sleep(self, seconds: float) -> None:
        """In place of a pause of the machine."""
        actor, until = current(), self._machine.monotonic() + seconds
        assert actor is not None, "it works as an actor"
        actor.sleep("pause", lambda: self._machine.monotonic() >= until)

    def connect(self, dsn: str, **given: Any) -> Any:
        """A session at the server that copies the parent; of those who watch none is in the way."""
        step("copy")
        if not self._machine.may_connect():
            raise psycopg2.OperationalError("connection refused")
        self.parent.database.rest()
        return psycopg2.connect(dsn, **given)

    # --- what it asks for -------------------------------------------------------------------------

    def _obey(self, text: str) -> None:
        """Do what somebody else is to do, before anybody has the next turn."""
        orders, machine = self._machine.orders, self._machine
        if "stop all roles of this shard" in text:
            orders.append(partial(machine.stop_shard, self.parent))
        elif "start the workers again" in text:
            orders.append(partial(machine.start_again, self.parent))
        for key in self._keys:
            if text.startswith(f"start the server of {key},"):
                orders.append(partial(self._start_child, key))

    def _start_child(self, key: str) -> None:
        """Start the server of a child; the first one that is started ends the parent for all."""
        if not self._children:
            self._children = [
                self._make_child(*child) for child in zip(self._keys, self._databases, strict=True)
            ]
            self._follow(self.parent, self._children)
        if key not in self._started:
            self._started.add(key)
            self._machine.start_shard(self._children[self._keys.index(key)])

    def _make_child(self, key: str, database: Database) -> Shard:
        machine, line = self._machine, self.administration.lines[queue_name(key)]
        with closing(psycopg2.connect(database.url)) as connection, connection, connection.cursor() as cursor:
            # As a server does that starts.
            keep_realm(cursor, key, machine.wall())
        child = Shard(
            key, self._mix, database, line, machine.broker, machine.network, machine.wall, machine.monotonic
        )
        child.settle()
        return child

    def _consumers_of(self, queue: str) -> int:
        processes = self._machine.processes
        return sum(
            isinstance(one, Worker) and one.around.settings.protocol_broker_queue == queue
            for one in processes
        )


class Operator(Process):
    """Somebody at a terminal, who does not give up."""

    is_role = False

    def __init__(self, name: str, around: Shard, split: Split) -> None:
        super().__init__(name, around)
        self._split = split
        self.begin("command", self._work)

    def _work(self) -> None:
        while not self._split.is_done:
            self._split.sleep(self._split.run(self.now))


@contextmanager
def commanding(split: Split) -> Iterator[None]:
    """As long as it lasts the command finds the broker, the terminal and the time of the world."""
    time = SimpleNamespace(monotonic=split._machine.monotonic, sleep=split.sleep)
    driver = SimpleNamespace(connect=split.connect, Error=psycopg2.Error)
    names: list[tuple[Any, str, Any]] = [
        (splitting, "administration", split.administration),
        (splitting, "psycopg2", driver),
        (split_view, "look_at_queue", split.administration.look_at_queue),
        (command, "time", time),
        (command, "order_of", split.order),
        (command, "click", SimpleNamespace(echo=split.echo)),
    ]
    with swapped(names):
        yield
