"""What a worker holds in memory when work piles up in front of it.

Three piles: a long queue at the start; a broker that takes nothing for a minute, which is blocked by its
memory alarm; a database in which every batch waits for a minute.  The broker is one of our own, because an
alarm concerns all who use it.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep, time
from typing import Any, Final

import msgspec
import pika
import psycopg2

from tests.services.rabbitmq import own_rabbitmq
from tests.services.rabbitmq_node import Rabbitmqctl

from .generator import QUEUE, Generator, Silence
from .line import Line, message
from .load import Load
from .memory import watching
from .server import Server
from .shapes import (
    ACCOUNTS_IN,
    DIRECT,
    FAR_FUTURE,
    MAX_DELAY,
    TO_COORDINATORS,
    TO_CREDITORS,
    TO_DEBTORS,
    PrepareTransfer,
    account_id,
    account_key,
    encode,
    now_text,
)

_SINK: Final = "sink"
_SILENCE_SECONDS: Final = 120.0
_LOOK_SECONDS: Final = 0.5
_SAMPLE_SECONDS: Final = 0.25
_UNCONFIRMED: Final = 5000
_STEADY_SECONDS: Final = 3.0
"""How long a worker works before it is disturbed."""


class Pile(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker got through a pile."""

    name: str
    messages: int
    seconds: float
    per_second: float
    """Messages, the time of the disturbance not counted."""

    megabytes: float
    """The most that the worker has held."""

    chores_megabytes: float
    samples: list[float]


class Press:
    """A server with a broker of its own, and accounts that have money."""

    def __init__(self, postgres_url: str, amqp_url: str, rabbitmqctl: Rabbitmqctl) -> None:
        self._rabbitmqctl = rabbitmqctl
        self._postgres_url = postgres_url
        self._server = Server(postgres_url, amqp_url)
        self._amqp_url = amqp_url
        self._request_id = int(time()) * 1_000_000
        self._prepared = 0
        with self._server.running(1) as _:
            generator = Generator(amqp_url, Load(transfers=0))
            generator.open_accounts()
            generator.close()
        self._debtor_id, self._creditor_ids = generator.debtor_id, generator.creditor_ids
        _replace_queue(amqp_url)

    def backlog(self, messages: int) -> Pile:
        """All of them wait when the worker starts."""
        return self._pile("a queue of messages at the start", messages, lambda: None)

    def blocked_broker(self, messages: int, seconds: float) -> Pile:
        """The broker gives out messages, and takes none."""

        def block() -> None:
            self._rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
            try:
                sleep(seconds)
            finally:
                self._rabbitmqctl("set_vm_memory_high_watermark", "0.4")

        return self._pile("the broker takes nothing", messages, block)

    def stalled_database(self, messages: int, seconds: float) -> Pile:
        """Every batch waits for the table of accounts."""

        def stall() -> None:
            connection = psycopg2.connect(self._postgres_url)
            with connection, connection.cursor() as cursor:
                cursor.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
                sleep(seconds)
            connection.close()

        return self._pile("the database stands still", messages, stall)

    def _pile(self, name: str, messages: int, disturb: Callable[[], None]) -> Pile:
        self._fill(messages)
        # The chores publish what the worker could not.
        with self._server.running(1, "chores") as roles, watching(roles, _SAMPLE_SECONDS) as watch:
            started = monotonic()
            sleep(_STEADY_SECONDS)
            disturbed_at = monotonic()
            disturb()
            disturbance = monotonic() - disturbed_at
            self._wait_until_done(messages)
            seconds = monotonic() - started
        held, chores = watch.results().values()
        return Pile(
            name=name,
            messages=messages,
            seconds=round(seconds, 1),
            per_second=round(messages / (seconds - disturbance), 1),
            megabytes=held.most,
            chores_megabytes=chores.most,
            samples=held.samples,
        )

    def _fill(self, messages: int) -> None:
        """Put new requests into the queue, all of them written by the broker."""
        line = Line(self._amqp_url)
        try:
            line.confirm()
            for frames in self._requests(messages):
                line.publish(frames)
                while line.published - line.confirmed > _UNCONFIRMED:
                    line.turn(1.0)
            limit = monotonic() + _SILENCE_SECONDS
            while line.confirmed < line.published:
                line.turn(1.0)
                if monotonic() > limit:
                    raise Silence("the broker does not confirm")
        finally:
            line.close()

    def _requests(self, number: int) -> Iterator[bytes]:
        chance, ts = random.Random(self._request_id), now_text()
        for _ in range(number):
            self._request_id += 1
            sender, recipient = chance.sample(self._creditor_ids, 2)
            request = PrepareTransfer(
                self._debtor_id,
                sender,
                DIRECT,
                sender,
                self._request_id,
                1,
                1,
                account_id(recipient),
                FAR_FUTURE,
                MAX_DELAY,
                ts,
            )
            headers = (
                ("message-type", "PrepareTransfer"),
                ("debtor-id", self._debtor_id),
                ("creditor-id", sender),
                ("coordinator-id", sender),
                ("coordinator-type", DIRECT),
            )
            key = account_key(self._debtor_id, sender)
            yield message(ACCOUNTS_IN, key, "PrepareTransfer", headers, encode(request))

    def _wait_until_done(self, messages: int) -> None:
        """Every request is prepared once, and every answer has left."""
        self._prepared += messages
        seen, limit = (-1, -1), monotonic() + _SILENCE_SECONDS
        while True:
            counts = prepared, unsent = self._counts()
            if counts == (self._prepared, 0):
                return
            if prepared > self._prepared or monotonic() > limit:
                raise Silence(f"{prepared} of {self._prepared} are prepared, {unsent} outbox rows wait")
            if counts != seen:
                seen, limit = counts, monotonic() + _SILENCE_SECONDS
            sleep(_LOOK_SECONDS)

    def _counts(self) -> tuple[int, int]:
        connection = psycopg2.connect(self._postgres_url)
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT sum(pending_transfers_count)::int8, (SELECT count(*) FROM outbox) FROM account"
                )
                [(prepared, unsent)] = cursor.fetchall()
                return int(prepared), int(unsent)
        finally:
            connection.close()


@contextmanager
def press(postgres_url: str) -> Iterator[Press]:
    """A press on this database, with a broker that ends with it."""
    with own_rabbitmq() as node:
        yield Press(postgres_url, f"{node.url}/%2F", node.rabbitmqctl)


def _replace_queue(amqp_url: str) -> None:
    """In place of the generator's queue one that forgets all but the newest answers."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel: Any = connection.channel()
    channel.queue_delete(QUEUE)
    channel.queue_declare(_SINK, arguments={"x-max-length": 1000})
    for exchange in (TO_CREDITORS, TO_DEBTORS, TO_COORDINATORS):
        channel.queue_bind(_SINK, exchange, "#")
    connection.close()
