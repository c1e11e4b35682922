"""One world: a client, a server, a bad network between them, an application, crashes, and time."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, Protocol

import msgspec

from swpt_accounts.events import Envelope as ServerEnvelope
from swpt_client.core import Result
from swpt_client.inputs import Begin, BeginBundle, Call, Configure, Refusal
from swpt_client.limits import HUGE_AMOUNT, ROOT_CREDITOR_ID
from swpt_client.messages import Envelope
from swpt_client.moments import DAY, HOUR, MINUTE, SECOND
from swpt_client.news import BundleFinished, TransferFinished
from swpt_client.policy import Policy
from swpt_client.records import AccountKey, Bundle, Decision, Terms, Transfer
from swpt_client.testing.client import MemoryClient
from swpt_client.testing.clock import Clock
from swpt_client.testing.crashes import Crash, Crashes
from swpt_client.testing.network import BAD, SLOW, Way
from swpt_client.testing.server import MemoryServer

from .counts import Counts
from .plan import CREDITORS, DEBTOR, SUBNET, Exchange, Payment, Plan, draw, request_of

POLICY: Final = Policy(subnet=SUBNET, debtor_ids=frozenset({DEBTOR}))
_CRASH_ODDS: Final = 0.02
_PAUSES: Final = (0, 0, 0, SECOND, MINUTE, MINUTE, 10 * MINUTE)
_LONGEST: Final = 2_000
"""Rounds until everything must have ended."""
_LONGEST_OF_ALL: Final = 20_000
"""The same, where answers are lost for ever, so that a year must pass."""


class ClientMaker(Protocol):
    """Makes the client of a world; tests plant faults here."""

    def __call__(
        self,
        policy: Policy,
        clock: Clock,
        dice: Random,
        *,
        crash_at: Callable[[str], None],
        on_commit: Callable[[Result], None],
    ) -> MemoryClient:
        """A client without records."""


class Broken(AssertionError):
    """Something has not come to its end."""


class World:
    """Everything in it follows from the seed."""

    def __init__(
        self,
        seed: int,
        make_client: ClientMaker = MemoryClient,
        *,
        crash_odds: float = _CRASH_ODDS,
        longest: int | None = None,
        creditors: Sequence[int] = CREDITORS,
    ) -> None:
        self.seed = seed
        self.dice = dice = Random(seed)  # noqa: S311 - it must be the same again
        self.creditors = creditors
        self.plan: Plan = draw(dice, creditors)
        self.clock = Clock()
        self.crashes = Crashes(dice, crash_odds)
        self.client = make_client(POLICY, self.clock, dice, crash_at=self.crashes, on_commit=self._committed)
        self.server = MemoryServer(self.clock, crash_at=self.crashes)
        odds = msgspec.structs.replace(BAD, late=0.5) if self.plan.is_slow else BAD
        self.to_server: Way[tuple[bytes, str]] = Way(dice, lambda: self.clock.now, odds)
        odds = BAD if self.plan.loses_answers else SLOW
        self.to_client: Way[tuple[bytes, str]] = Way(dice, lambda: self.clock.now, odds)
        self._longest = longest or (_LONGEST_OF_ALL if self.plan.loses_answers else _LONGEST)
        self.told: Counter[str] = Counter()
        """How often an outcome was told: keys of transfers and bundles."""
        self.finished: dict[str, Transfer] = {}
        """Transfers that have ended, legs of bundles as well; a client forgets them in the end."""
        self.finished_bundles: dict[str, Bundle] = {}
        """The same of bundles."""
        self.was_in: dict[str, set[str]] = {}
        """In which states each bundle has been."""

    def _committed(self, result: Result) -> None:
        for bundle in result.bundles.values():
            self.was_in.setdefault(bundle.key, set()).add(bundle.state)
        for transfer in result.transfers.values():
            if transfer.finished_at is not None:
                self.finished[transfer.key] = transfer
        for one in result.news:
            if isinstance(one, TransferFinished):
                self.told[one.transfer.key] += 1
            elif isinstance(one, BundleFinished):
                self.told[one.bundle.key] += 1
                self.finished_bundles[one.bundle.key] = one.bundle

    # --- one round --------------------------------------------------------------------------------

    def _put_to_server(self, envelopes: Sequence[Envelope]) -> None:
        self.to_server.put([(one.body, one.type) for one in envelopes])

    def _put_to_client(self, envelopes: Sequence[ServerEnvelope]) -> None:
        self.to_client.put([(one.body, one.type) for one in envelopes])

    def serve(self) -> None:
        """The server takes some messages, and sends; it may die."""
        try:
            taken = self.to_server.take(self.dice.randrange(1, 12))
            if taken:
                self.server.take([message for _, message in taken])
                self.to_server.ack([tag for tag, _ in taken])
            self.server.send(self._put_to_client)
        except Crash:
            self.to_server.give_back()

    def work(self) -> None:
        """The server does its periodic work; it may die."""
        try:
            self.server.work()
        except Crash:
            self.to_server.give_back()

    def attend(self) -> None:
        """The client takes some messages, looks at what is due, and sends; it may die."""
        try:
            self.client.receive(self.to_client, self.dice.randrange(1, 12))
            self.client.tick()
            self.client.send(self._put_to_server)
        except Crash:
            self.to_client.give_back()

    def step(self) -> None:
        """A round, in which some are too slow to do anything."""
        if self.dice.random() < 0.7:
            self.attend()
        if self.dice.random() < 0.7:
            self.serve()
        if self.dice.random() < 0.1:
            self.work()
        self.clock.advance(self.dice.choice(_PAUSES))

    # --- the application --------------------------------------------------------------------------

    def call(self, one: Call) -> None:
        """Call until it is known to be stored; who dies in a call calls again, with the same key."""
        for _ in range(self._longest):
            try:
                answer = self.client.call(one)
            except Crash:
                self.to_client.give_back()
                continue
            if not isinstance(answer, Refusal):
                return
            if answer.code != "LEDGER_IS_BEHIND":
                raise Broken(f"{one.key}: {answer.code}")
            self.step()
            if self.plan.loses_answers:
                # What was lost for ever is missed for two weeks.
                self.clock.advance(HOUR)
        raise Broken(f"{one.key}: its ledger stays behind")

    def configure(self, creditor_id: int, **settings: float) -> None:
        """Open or configure an account."""
        key = AccountKey(DEBTOR, creditor_id)
        self.call(Configure(key=key, negligible_amount=settings.get("negligible_amount", 0.0)))

    def set_rate(self, rate: float) -> None:
        """Configure the currency."""
        data = f'{{"type":"RootConfigData","rate":{rate}}}' if rate else ""
        key = AccountKey(DEBTOR, ROOT_CREDITOR_ID)
        self.call(Configure(key=key, negligible_amount=HUGE_AMOUNT, config_data=data))

    def begin(self, act: Payment | Exchange) -> None:
        """Begin a payment or a bundle, and call a second time, as who does not remember."""
        for _ in range(self.dice.choice([1, 1, 2])):
            if isinstance(act, Payment):
                decision = Decision(committed_amount=act.amount, transfer_note=act.key)
                self.call(Begin(key=act.key, request=act.request, decision=decision))
            else:
                self.call(
                    BeginBundle(
                        key=act.key,
                        legs=act.legs,
                        decide_within=act.decide_within,
                        repair_for=act.repair_for,
                    )
                )

    def begin_again(self, act: Payment | Exchange) -> None:
        """Who does not remember calls again, while the key still stands for what it was used for."""
        ended = self.finished.get(act.key) or self.finished_bundles.get(act.key)
        if ended is None or (ended.finished_at or 0) > self.clock.now - POLICY.timers.keep_cancelled:
            self.begin(act)

    def open(self) -> None:
        """Accounts are opened, and each gets money."""
        self.set_rate(self.plan.interest_rates[0])
        for creditor, amount in zip(self.creditors, self.plan.negligible_amounts, strict=True):
            self.configure(creditor, negligible_amount=amount)
        for _ in range(12):
            self.step()
        for creditor in self.creditors:
            request = request_of(ROOT_CREDITOR_ID, creditor, self.plan.issued, Terms())
            self.begin(Payment(f"issue {creditor}", request, self.plan.issued))
        for _ in range(self.dice.choice([0, 10, 20, 20])):
            self.step()

    def play(self) -> Counts:
        """From the first account to the last answer."""
        self.open()
        for number, act in enumerate(self.plan.acts):
            self.begin(act)
            if number == len(self.plan.acts) // 2:
                for rate in self.plan.interest_rates[1:]:
                    self.set_rate(rate)
            for _ in range(self.dice.randrange(3)):
                self.step()
            if self.dice.random() < 0.2:
                self.begin_again(self.dice.choice(self.plan.acts[: number + 1]))
        self.settle()
        return self.counts()

    # --- the end ----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Time passes, by leaps where nothing happens, until all has ended, and a while more."""
        for _ in range(self._longest):
            self.step()
            if self._is_over():
                break
            self._leap()
        else:
            raise Broken("it does not come to its end")
        # Who does not remember calls again, days after the end.
        self.clock.advance(DAY)
        for act in self.dice.sample(self.plan.acts, 2):
            self.begin_again(act)
        self.grow_calm()
        # Whatever the ledgers still lack has its place after two weeks, and heartbeats come.
        for _ in range(4):
            self.clock.advance(8 * DAY)
            self.work()
            for _ in range(self._longest):
                self.attend()
                self.serve()
                if len(self.to_server) == 0 and len(self.to_client) == 0:
                    break
                self.clock.advance(HOUR)

    def grow_calm(self) -> None:
        """From here on nobody dies any more, and nothing is lost."""
        self.crashes.odds = 0.0
        self.to_client.odds = SLOW

    def _leap(self) -> None:
        """To the next date of anybody, but at most a day."""
        if self.client.memory.outbox or self.server.outbox:
            return
        dates = (self.client.due_at(), self.to_server.due_at(), self.to_client.due_at())
        self.clock.advance_to(min(self.clock.now + DAY, *(date for date in dates if date is not None)))

    def _is_over(self) -> bool:
        memory = self.client.memory
        return (
            not memory.outbox
            and not self.server.tables.prepared
            and all(one.finished_at is not None for one in memory.transfers.values())
            and all(one.finished_at is not None or one.is_alarming for one in memory.bundles.values())
        )

    def counts(self) -> Counts:
        """What has happened."""
        memory = self.client.memory
        return Counts(
            worlds=1,
            transfers=len(memory.transfers),
            outcomes=Counter(one.outcome for one in memory.transfers.values()),
            bundles=Counter(state for states in self.was_in.values() for state in states),
            crashes=self.crashes.counts,
            to_server=self.to_server.counts,
            to_client=self.to_client.counts,
            ledger_entries=Counter(one.kind for one in memory.entries),
        )
