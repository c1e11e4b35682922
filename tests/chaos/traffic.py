"""A client that pays at random, at least once, and remembers what it was told."""

import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import Any, Final

import pika
import pika.exceptions

from swpt_accounts.runtime import clock
from swpt_accounts.wire.messages import Message
from tests.backstage.builders import DEBTOR, ROOT, configure, finalize, prepared, request
from tests.backstage.mailbox import Mailbox
from tests.backstage.wire import body_of, key_of

FIRST_ACCOUNT: Final = 100_000
START: Final = 1_000_000


class Sender:
    """Publishes messages and keeps each until the broker has it; a part of them twice."""

    def __init__(self, amqp_url: str, duplicates: float, seed: int, *, one_by_one: bool = False) -> None:
        self._parameters = pika.URLParameters(amqp_url)
        self._one_by_one = one_by_one
        """Wait for each confirm: a quorum queue whose leader dies has not all that `tx` has committed."""
        self._duplicates = duplicates
        self._random = random.Random(seed)
        self._waiting: list[Message] = []
        self._changed = threading.Condition()
        self._is_closing = False
        self.sent: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def send(self, messages: Iterable[Message]) -> None:
        """Hand messages over; some will be sent again, now or with a later group."""
        with self._changed:
            self._waiting += messages
            self._changed.notify()

    def close(self) -> None:
        """Send what is there, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(30)

    def _run(self) -> None:
        late: list[Message] = []
        while True:
            with self._changed:
                while not self._waiting and not self._is_closing:
                    self._changed.wait()
                group, self._waiting = self._waiting, []
            again = [message for message in group if self._random.random() < self._duplicates]
            # Half of the duplicates at once, the others long after their first copy was answered.
            middle = len(again) // 2
            is_time = self._is_closing or self._random.random() < 0.1
            self._publish([*group, *again[:middle], *(late if is_time else [])])
            late = again[middle:] if is_time else late + again[middle:]
            if not group and not late:
                return

    def _publish(self, messages: Sequence[Message]) -> None:
        while True:
            try:
                with pika.BlockingConnection(self._parameters) as connection:
                    channel = connection.channel()
                    if self._one_by_one:
                        channel.confirm_delivery()
                    else:
                        channel.tx_select()
                    for message in messages:
                        properties = pika.BasicProperties(
                            content_type="application/json", delivery_mode=2, type=type(message).__name__
                        )
                        channel.basic_publish("accounts_in", key_of(message), body_of(message), properties)
                    if not self._one_by_one:
                        channel.tx_commit()
            except (pika.exceptions.AMQPError, OSError):
                threading.Event().wait(0.1)  # it was cut: all of them once more
            else:
                self.sent.update(type(message).__name__ for message in messages)
                return


class Bank:
    """Many accounts that pay each other; `window` transfers are under way at the same time."""

    def __init__(
        self,
        amqp_url: str,
        transfers: int,
        *,
        accounts: int,
        window: int,
        seed: int,
        one_by_one: bool = False,
    ) -> None:
        self._random = random.Random(seed)
        self._accounts = range(FIRST_ACCOUNT, FIRST_ACCOUNT + accounts)
        self._transfers = transfers
        self._window = window
        self._started = 0
        self._waiting_for: set[int] = set()
        self.opened: set[int] = set()
        self.prepared: dict[int, int] = {}
        self.committed: dict[int, tuple[int, int, int]] = {}
        self.finalized: dict[int, Mapping[str, Any]] = {}
        self.surplus: set[tuple[int, int, int]] = set()
        self.dismissed: set[tuple[int, int, int]] = set()
        self.is_done = threading.Event()
        self.moments: dict[int, float] = {}
        """When each transfer was finished, by a clock that never jumps."""
        self.sender = Sender(amqp_url, 0.05, seed, one_by_one=one_by_one)
        self.mailbox = Mailbox(amqp_url, self._on_events)

    def has_reached(self, goal: int) -> bool:
        """Whether so many transfers are finished."""
        return self.progress >= goal

    def begin_no_more(self) -> None:
        """Finish what is under way."""
        self._transfers = self._started

    @property
    def is_over(self) -> bool:
        """Whether all transfers are finished, however many there were to be."""
        return self._started >= self._transfers and not self._waiting_for

    def follow_up(self, sender: Sender) -> None:
        """Send the duplicates that are still held back, and what the answers to them ask for."""
        first, self.sender = self.sender, sender
        first.close()

    @property
    def progress(self) -> int:
        """How many transfers are finished."""
        return len(self.finalized)

    def open(self) -> None:
        """Make a currency, and an account with money for everybody."""
        ts = clock.utcnow()
        self.sender.send([configure(ROOT, ts=ts, negligible_amount=1e30)])
        self.mailbox.wait_for("AccountUpdate", creditor_id=ROOT)
        self.sender.send(configure(creditor_id, ts=ts) for creditor_id in self._accounts)

    @property
    def is_settled(self) -> bool:
        """Whether all locks are dismissed that repeated requests have made."""
        return self.surplus <= self.dismissed

    # -- what the server says --------------------------------------------------------------

    def _on_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        answers: list[Message] = []
        for event in events:
            if event["type"] == "AccountUpdate":
                answers += self._on_update(event)
            elif event["type"] == "PreparedTransfer":
                answers += self._on_prepared(event)
            elif event["type"] == "RejectedTransfer":
                self._waiting_for.discard(event["coordinator_request_id"])
                self.finalized.setdefault(event["coordinator_request_id"], event)
            elif event["type"] == "FinalizedTransfer":
                self._on_finalized(event)
        if len(self.opened) == len(self._accounts):
            answers += self._start()
        if answers:
            self.sender.send(answers)

    def _on_update(self, event: Mapping[str, Any]) -> list[Message]:
        """A new account gets money: the request has the number of the account, which is below all others."""
        creditor_id = event["creditor_id"]
        if creditor_id == ROOT or creditor_id in self.opened or creditor_id in self.prepared:
            return []
        self._waiting_for.add(-creditor_id)
        return [
            request(
                ROOT,
                creditor_id,
                coordinator_type="issuing",
                coordinator_id=DEBTOR,
                coordinator_request_id=-creditor_id,
                max_locked_amount=0,
                ts=clock.utcnow(),
            )
        ]

    def _on_prepared(self, event: Mapping[str, Any]) -> list[Message]:
        """Commit the first transfer of a request; dismiss those that repetitions have made."""
        serial, transfer_id = event["coordinator_request_id"], event["transfer_id"]
        key = event["debtor_id"], event["creditor_id"], transfer_id
        is_first = self.prepared.setdefault(serial, transfer_id) == transfer_id
        if not is_first and key in self.surplus:
            return []
        amount = 0
        if is_first:
            if serial in self.committed:
                return []
            amount = START if serial < 0 else 1 + serial % 10
            amount = amount if serial % 20 or serial < 0 else 0  # some are dismissed
            recipient_id = int(event["recipient"])
            self.committed[serial] = event["creditor_id"], recipient_id, amount
        else:
            self.surplus.add(key)
        transfer = prepared(
            event["creditor_id"],
            transfer_id=transfer_id,
            coordinator_type=event["coordinator_type"],
            coordinator_id=event["coordinator_id"],
            coordinator_request_id=serial,
        )
        return [finalize(transfer, amount, ts=clock.utcnow(), transfer_note=str(serial))]

    def _on_finalized(self, event: Mapping[str, Any]) -> None:
        serial = event["coordinator_request_id"]
        if self.prepared.get(serial) != event["transfer_id"]:
            self.dismissed.add((event["debtor_id"], event["creditor_id"], event["transfer_id"]))
            return
        self.finalized.setdefault(serial, event)
        self.moments.setdefault(serial, monotonic())
        self._waiting_for.discard(serial)
        if serial < 0:
            self.opened.add(-serial)
        if self._started == self._transfers and not self._waiting_for:
            self.is_done.set()

    def _start(self) -> list[Message]:
        messages: list[Message] = []
        while self._started < self._transfers and len(self._waiting_for) < self._window:
            self._started += 1
            serial = self._started
            self._waiting_for.add(serial)
            sender_id, recipient_id = self._random.sample(self._accounts, 2)
            if serial % 4 == 0:
                recipient_id = self._accounts[0] if sender_id != self._accounts[0] else self._accounts[1]
            messages.append(
                request(sender_id, recipient_id, coordinator_request_id=serial, ts=clock.utcnow())
            )
        return messages

    def expected_principals(self) -> dict[int, int]:
        """What every account must have, by what the coordinators were told."""
        principals: Counter[int] = Counter({ROOT: 0, **dict.fromkeys(self._accounts, 0)})
        for serial, (sender_id, recipient_id, amount) in self.committed.items():
            assert self.finalized[serial]["status_code"] == "OK", self.finalized[serial]
            principals[sender_id] -= amount
            principals[recipient_id] += amount
        return dict(principals)
