"""Customers who pay through the agent of the SDK while things break, and who keep books of their own."""

import random
import threading
from collections import Counter
from itertools import pairwise
from time import monotonic
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, text

from swpt_client.agent import Agent
from swpt_client.errors import Refused
from swpt_client.moments import SECOND
from swpt_client.news import TransferFinished, TransferPrepared
from swpt_client.policy import Timers
from swpt_client.transport.rabbitmq import RabbitmqTransport
from tests.backstage.waiting import wait_until

DEBTOR: Final = 7
SUBNET: Final = 0x0000010000000000
CUSTOMERS: Final = tuple(SUBNET + number for number in range(1, 7))
ISSUED: Final = 1_000_000
TOO_MUCH: Final = 1_000_000_000

MOST_UNDER_WAY: Final = 400
"""So many payments are under way at most: who waits for all of them begins no more."""

_PAUSES: Final = (2 * SECOND, 5 * SECOND, 10 * SECOND)
_TIMERS: Final = Timers(prepare_pauses=_PAUSES, finalize_pauses=_PAUSES, configure_pauses=_PAUSES)
_PATIENCE_SECONDS: Final = 180.0


class Begun(msgspec.Struct, frozen=True):
    """A payment that was asked for."""

    sender: int
    recipient: int
    amount: int


class Customers:
    """An agent over RabbitMQ, with a database that nothing happens to.

    Of twelve payments one is only reserved, and dismissed when it is prepared; one asks for more than there
    is.
    """

    def __init__(self, engine: Engine, amqp_url: str, *, rate: float = 20.0) -> None:
        self._engine = engine
        self._pause = 1.0 / rate
        self._random = random.Random(1)
        self._ids: dict[int, str] = {}
        self._stop = threading.Event()
        self._payer = threading.Thread(target=self._pay, daemon=True)
        self.begun: dict[str, Begun] = {}
        self.refused: Counter[str] = Counter()
        self.moments: list[float] = []
        """When outcomes came."""
        self.agent = Agent(
            engine,
            RabbitmqTransport(amqp_url, "customers"),
            subnet=SUBNET,
            debtor_ids=[DEBTOR],
            poll_seconds=0.1,
            claim_seconds=2.0,
            timers=_TIMERS,
        )
        self.agent.on(TransferFinished)(self._finished)
        self.agent.on(TransferPrepared)(self._prepared)

    # -- the load ------------------------------------------------------------------------------

    def open(self) -> None:
        """Start the agent, open the accounts, give money to each customer, and begin to pay."""
        with self._engine.begin() as connection:
            connection.execute(text("CREATE TABLE told (key text)"))
        self.agent.start()
        self.agent.open_account(DEBTOR, 0, negligible_amount=1e30)
        for one in CUSTOMERS:
            self.agent.open_account(DEBTOR, one)
        for one in (0, *CUSTOMERS):
            account = self.agent.wait_for_account(DEBTOR, one, _PATIENCE_SECONDS)
            assert account.is_effectual, f"the account {one} is not there"
            self._ids[one] = account.account_id
        for one in CUSTOMERS:
            self.agent.issue(f"issue {one}", debtor_id=DEBTOR, recipient=self._ids[one], amount=ISSUED)
            self.begun[f"issue {one}"] = Begun(0, one, ISSUED)
        wait_until(lambda: len(self.moments) == len(CUSTOMERS), "money", _PATIENCE_SECONDS)
        self._payer.start()

    def rest(self) -> None:
        """Begin no more payments."""
        self._stop.set()
        if self._payer.is_alive():
            self._payer.join(_PATIENCE_SECONDS)

    def close(self) -> None:
        """Stop the agent as well."""
        self.rest()
        self.agent.stop()

    def _pay(self) -> None:
        number = 0
        while not self._stop.wait(self._pause):
            if len(self.begun) - len(self.moments) < MOST_UNDER_WAY:
                number += 1
                self._begin(number)

    def _begin(self, number: int) -> None:
        key = f"payment {number}"
        sender, recipient = self._random.sample(CUSTOMERS, 2)
        amount = TOO_MUCH if number % 12 == 5 else 1 + number % 100
        where: dict[str, Any] = {"debtor_id": DEBTOR, "sender": sender, "recipient": self._ids[recipient]}
        try:
            if number % 12 == 0:
                self.agent.reserve(key, **where, min_amount=0, max_amount=amount)
            else:
                self.agent.transfer(key, **where, amount=amount)
        except Refused as error:
            self.refused[type(error).__name__] += 1
        else:
            self.begun[key] = Begun(sender, recipient, amount)

    # -- what they hear ------------------------------------------------------------------------

    def _prepared(self, session: Any, news: TransferPrepared) -> None:
        self.agent.dismiss(news.transfer.key, session=session)

    def _finished(self, session: Any, news: TransferFinished) -> None:
        # Without a key of its own, the table shows who was told twice.
        session.execute(text("INSERT INTO told VALUES (:key)"), {"key": news.transfer.key})
        self.moments.append(monotonic())

    def await_outcomes(self, count: int) -> None:
        """Wait for so many outcomes from now on."""
        goal = len(self.moments) + count
        wait_until(lambda: len(self.moments) >= goal, f"{count} outcomes", _PATIENCE_SECONDS)

    def first_outcome_after(self, moment: float) -> float:
        """When the first outcome came after a moment; waits for it."""
        wait_until(lambda: self.moments and self.moments[-1] > moment, "an outcome", _PATIENCE_SECONDS)
        return next(one for one in list(self.moments) if one > moment)

    def longest_pause(self, begin: float, end: float) -> float:
        """The longest time without an outcome that began after `begin` and ended until `end`."""
        heard = [begin, *(one for one in list(self.moments) if begin < one <= end)]
        return max((later - earlier for earlier, later in pairwise(heard)), default=0.0)

    # -- their books ---------------------------------------------------------------------------

    def outcomes(self) -> dict[str, str]:
        """What has become of each payment; empty text if nothing has yet."""
        found = {key: self.agent.find_transfer(key) for key in self.begun}
        return {key: "" if one is None else one.outcome for key, one in found.items()}

    def told(self) -> Counter[str]:
        """How many times each outcome was told."""
        with self._engine.connect() as connection:
            return Counter(connection.execute(text("SELECT key FROM told")).scalars())

    def expected(self) -> dict[int, int]:
        """What each account must have, by the outcomes alone."""
        principals: Counter[int] = Counter(dict.fromkeys((0, *CUSTOMERS), 0))
        for key, outcome in self.outcomes().items():
            if outcome == "OK":
                one = self.begun[key]
                principals[one.sender] -= one.amount
                principals[one.recipient] += one.amount
        return dict(principals)

    def ledger(self, creditor_id: int) -> list[tuple[int, int, int]]:
        """Number, amount and principal of each entry that the server has announced, the oldest first."""
        entries = self.agent.entries(DEBTOR, creditor_id, limit=1_000_000)
        return [
            (one.transfer.transfer_number if one.transfer else 0, one.acquired_amount, one.principal)
            for one in reversed(entries)
        ]

    def letters(self) -> list[str]:
        """Messages that the client could not process."""
        return [repr(one) for one in self.agent.persons.letters()]
