"""Drives a server over AMQP with two-phase transfers, measures them, and checks what it says.

It knows the protocol and nothing else of the server.  Alone:

    python -m benchmarks.generator amqp://guest:guest@localhost/bench --transfers 60000 --window 1000
"""

import argparse
import gc
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic, time
from typing import Final

import msgspec
import pika
from pika.exceptions import AMQPError

from . import processor_time
from .books import ROOT, Books, Latencies, Outcome, Transfer
from .line import Headers, Line, message
from .load import Load, Payment
from .manners import amqp_url, mannered, not_negative, whole
from .shapes import (
    ACCOUNTS_IN,
    DIRECT,
    FAR_FUTURE,
    ISSUING,
    MAX_DELAY,
    TO_CREDITORS,
    TO_DEBTORS,
    ConfigureAccount,
    FinalizeTransfer,
    PreparedTransfer,
    PrepareTransfer,
    account_id,
    account_key,
    decode_event,
    encode,
    now_text,
)

QUEUE: Final = "benchmark"
_ISSUED: Final = 1_000_000_000
_SILENCE_SECONDS: Final = 120.0
_SET_UP_WINDOW: Final = 500
_AT_ONCE: Final = 200
"""So many transfers are begun at most before the generator looks for answers."""


class Silence(Exception):
    """The server does not go on."""


class Lane:
    """Payments of which so many are on their way at most, whatever becomes of others."""

    def __init__(self, payments: Iterator[Payment], window: int, ended_before: int) -> None:
        self._payments = payments
        self._window = window
        self._ended_before = ended_before
        self._begun = 0
        self.is_over = False

    def room(self, ended: int) -> int:
        """How many may be begun now."""
        return 0 if self.is_over else min(_AT_ONCE, self._window - self._begun + ended - self._ended_before)

    def take(self) -> Payment | None:
        """The next payment, which is begun now."""
        payment = next(self._payments, None)
        self._begun += payment is not None
        return payment

    def is_busy(self, ended: int) -> bool:
        """Whether there are more to begin, or some on their way."""
        return not self.is_over or ended - self._ended_before < self._begun


class Generator:
    """A creditors agent and a debtors agent of one currency, on two lines to the broker.

    What is published goes over a line of its own: when the broker slows publishers down, events
    still come.
    """

    def __init__(self, amqp_url: str, load: Load) -> None:
        self.load = load
        self.debtor_id = load.debtor_id or (1 << 32) + int(time() * 10)
        self.creditor_ids = load.creditor_ids()
        self.books = Books()
        self._random = random.Random(load.seed)
        self._next_number = int(time()) % 1_000_000 * 1_000_000_000
        self._seqnum = int(time()) % (1 << 30)
        self._now_text = now_text()
        _declare(amqp_url)
        self._in = Line(amqp_url)
        self._in.consume(QUEUE)
        self._out = Line(amqp_url)

    def close(self) -> None:
        """Hang up."""
        self._in.close()
        self._out.close()

    # -- steps ---------------------------------------------------------------------------------

    def open_accounts(self) -> None:
        """Open the accounts, and give money to each."""
        self._configure_all()
        self.books.open([ROOT, *self.creditor_ids])
        payments = ((ROOT, creditor_id, _ISSUED) for creditor_id in self.creditor_ids)
        self._transfer([payments], ISSUING, window=_SET_UP_WINDOW)

    def warm_up(self) -> None:
        """Make transfers that nobody measures."""
        self._transfer(self.load.lanes(self._random, self.load.warm_up), DIRECT, window=self.load.window)

    def measure(self, roles: Mapping[int, str]) -> Outcome:
        """Make the transfers of the load.  `roles` names the processes under test by their ids."""
        load, books = self.load, self.books
        books.latencies = Latencies()
        before, started, completed = processor_time.snapshot(), monotonic(), books.completed
        by_second, behind = self._transfer(
            load.lanes(self._random, load.transfers),
            DIRECT,
            window=load.window,
            rate=load.rate,
            pause_seconds=load.pause_seconds,
            until=started + load.seconds if load.seconds else None,
        )
        seconds = books.last_completed_at - started
        after, transfers = processor_time.snapshot(), books.completed - completed
        all_roles = {os.getpid(): "generator", **roles}
        return Outcome(
            transfers=transfers,
            seconds=round(seconds, 3),
            rate=round(transfers / seconds, 1),
            latencies_ms=books.latencies.percentiles(),
            cpu_percent=processor_time.split(before, after, monotonic() - started, all_roles),
            completed_by_second=by_second,
            most_behind_ms=round(1000 * behind, 2),
        )

    def verify(self) -> dict[str, int]:
        """Ask for all accounts once more, and compare; returns what is wrong, with counts."""
        self._configure_all()
        self.books.verify([ROOT, *self.creditor_ids])
        return dict(self.books.complaints)

    # -- transfers -----------------------------------------------------------------------------

    def _transfer(
        self,
        payments: Sequence[Iterator[Payment]],
        kind: str,
        *,
        window: int,
        rate: float = 0.0,
        pause_seconds: float = 0.0,
        until: float | None = None,
    ) -> tuple[list[int], float]:
        """Make payments until their end; returns completed ones by second, and the longest delay."""
        books, started = self.books, monotonic()
        lanes = [Lane(one, window // len(payments), books.ended[at]) for at, one in enumerate(payments)]
        begun, behind, not_before = 0, 0.0, 0.0
        by_second: list[int] = []
        last_news, last_completed = started, books.completed
        while books.transfers or any(lane.is_busy(books.ended[at]) for at, lane in enumerate(lanes)):
            now = monotonic()
            is_full = False
            for at, lane in enumerate(lanes):
                room = lane.room(books.ended[at])
                if rate:
                    room = min(room, int((now - started) * rate) - begun)
                for _ in range(room if now >= not_before else 0):
                    payment = lane.take() if until is None or now < until else None
                    if payment is None:
                        lane.is_over = True
                        break
                    # At a fixed rate the clock runs from the moment at which it should have been begun.
                    begun_at = started + begun / rate if rate else now
                    behind = max(behind, now - begun_at)
                    self._prepare(*payment, kind, begun_at, at)
                    begun += 1
                if pause_seconds and room > 0 and now >= not_before:
                    not_before = now + self._random.uniform(0.0, pause_seconds)
                is_full = is_full or room == _AT_ONCE
            if self._turn(0.001 if rate or pause_seconds or is_full else 0.1):
                last_news = monotonic()
                _count(by_second, int(last_news - started), books.completed - last_completed)
                last_completed = books.completed
            elif now - last_news > _SILENCE_SECONDS and begun:
                raise Silence(f"nothing for {_SILENCE_SECONDS:.0f} s, {len(books.transfers)} transfers wait")
        return by_second, behind

    def _prepare(
        self, sender: int, recipient: int, amount: int, kind: str, begun_at: float, lane: int
    ) -> None:
        number = self._next_number
        self._next_number += 1
        self.books.begin(number, Transfer(sender, recipient, amount, kind, begun_at, lane))
        coordinator_id = self._coordinator(sender, kind)
        self._send(
            PrepareTransfer(
                self.debtor_id,
                sender,
                kind,
                coordinator_id,
                number,
                amount,
                amount,
                account_id(recipient),
                FAR_FUTURE,
                MAX_DELAY,
                self._now_text,
            ),
            (("coordinator-id", coordinator_id), ("coordinator-type", kind)),
        )

    def _finalize(self, event: PreparedTransfer, transfer: Transfer) -> None:
        number, kind = event.coordinator_request_id, event.coordinator_type
        coordinator_id = event.coordinator_id
        self._send(
            FinalizeTransfer(
                self.debtor_id,
                transfer.sender,
                event.transfer_id,
                kind,
                coordinator_id,
                number,
                transfer.amount,
                str(number),
                "",
                self._now_text,
            ),
            (("coordinator-id", coordinator_id), ("coordinator-type", kind)),
        )

    def _coordinator(self, sender: int, kind: str) -> int:
        return sender if kind == DIRECT else self.debtor_id

    # -- accounts ------------------------------------------------------------------------------

    def _configure_all(self) -> None:
        """Configure all accounts, and wait for all answers."""
        self._seqnum += 1
        ids = [ROOT, *self.creditor_ids]
        for creditor_id in ids:
            # The root account may owe as much as anybody wants.
            negligible = 1e30 if creditor_id == ROOT else 0.0
            configure = ConfigureAccount(
                self.debtor_id, creditor_id, negligible, 0, "", now_text(), self._seqnum
            )
            self._send(configure, ())
            if creditor_id == ROOT:
                self._await_updates([ROOT])
        self._await_updates(ids)

    def _await_updates(self, ids: list[int]) -> None:
        updates, last_news = self.books.updates, monotonic()
        waiting = set(ids)
        while waiting:
            if self._turn(0.1):
                last_news = monotonic()
            answered = {
                one for one in waiting if one in updates and updates[one].last_config_seqnum == self._seqnum
            }
            waiting -= answered
            if monotonic() - last_news > _SILENCE_SECONDS:
                raise Silence(f"{len(waiting)} accounts do not answer")

    # -- the lines -----------------------------------------------------------------------------

    def _send(
        self,
        command: ConfigureAccount | PrepareTransfer | FinalizeTransfer,
        more_headers: Headers,
    ) -> None:
        type_, creditor_id = type(command).__name__, command.creditor_id
        headers: Headers = (
            ("message-type", type_),
            ("debtor-id", self.debtor_id),
            ("creditor-id", creditor_id),
            *more_headers,
        )
        key = account_key(self.debtor_id, creditor_id)
        self._out.publish(message(ACCOUNTS_IN, key, type_, headers, encode(command)))

    def _turn(self, timeout: float) -> int:
        """Write what is to be written, and take what has come; returns how many events have."""
        self._out.turn(0)
        # While the broker takes nothing, it still has to be asked again and again.
        bodies = self._in.turn(0.002 if self._out.unsent_bytes else timeout)
        if not bodies:
            return 0
        now, self._now_text = monotonic(), now_text()
        decode, take, debtor_id = decode_event.decode, self.books.take, self.debtor_id
        for body in bodies:
            event = decode(body)
            if event.debtor_id == debtor_id:
                transfer = take(event, now)
                if transfer is not None:
                    assert isinstance(event, PreparedTransfer)
                    self._finalize(event, transfer)
        self._out.flush()
        return len(bodies)


def drive(
    amqp_url: str,
    load: Load,
    roles: Mapping[int, str],
    settle: Callable[[], None] = lambda: None,
) -> Outcome:
    """The whole story with one load; `settle` is called before the measurement and after it.

    Raises Silence, or Wrong if the server has said anything that can not be true.
    """
    generator = Generator(amqp_url, load)
    # Nothing here makes cycles, and the pauses of a collector would be told as the server's.
    gc.collect()
    gc.disable()
    try:
        generator.open_accounts()
        generator.warm_up()
        settle()
        outcome = generator.measure(roles)
        settle()
        complaints = generator.verify()
    finally:
        gc.enable()
        generator.close()
    if complaints:
        raise Wrong(complaints)
    return outcome


class Wrong(Exception):
    """The verification has found something: the run does not count."""


def _count(by_second: list[int], second: int, number: int) -> None:
    by_second += [0] * (second + 1 - len(by_second))
    by_second[second] += number


def _declare(amqp_url: str) -> None:
    """The generator's own queue, empty; it gets all that is told to agents."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True)
    channel.queue_purge(QUEUE)
    for exchange in (TO_CREDITORS, TO_DEBTORS):
        channel.queue_bind(QUEUE, exchange, "#")
    connection.close()


def main() -> None:
    """Drive a server that runs already."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("amqp_url", type=amqp_url)
    parser.add_argument("--transfers", type=whole, default=10_000)
    parser.add_argument("--window", type=whole, default=1000)
    parser.add_argument("--rate", type=not_negative, default=0.0, help="begin so many per second")
    parser.add_argument(
        "--pause", type=not_negative, default=0.0, help="wait up to so many seconds before each"
    )
    parser.add_argument("--seconds", type=not_negative, default=0.0, help="begin no more after this time")
    parser.add_argument("--accounts", type=whole, default=1000)
    parser.add_argument("--warm-up", type=whole, default=2000, help="transfers that are not measured")
    parser.add_argument("--pattern", choices=("uniform", "hot recipient", "one sender"), default="uniform")
    options = parser.parse_args()
    load = Load(
        transfers=options.transfers,
        window=options.window,
        rate=options.rate,
        pause_seconds=options.pause,
        seconds=options.seconds,
        accounts=options.accounts,
        warm_up=options.warm_up,
        pattern=options.pattern,
    )
    with mannered(Wrong, Silence, AMQPError, OSError):
        outcome = drive(options.amqp_url, load, {})
    print(msgspec.json.format(msgspec.json.encode(outcome)).decode())


if __name__ == "__main__":
    main()
