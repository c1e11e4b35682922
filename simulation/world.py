"""A world of the client's tests, in which the server is the real one, on a real database."""

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Final

import msgspec

from swpt_accounts.events import Envelope as ServerEnvelope
from swpt_accounts.events import PreparedTransfer, RejectedTransfer, decode
from swpt_accounts.rules.facts import request_key
from swpt_accounts.wire.messages import (
    CONTENT_TYPE,
    Malformed,
    Message,
    PendingBalanceChange,
    PrepareTransfer,
)
from swpt_accounts.wire.messages import decode as decode_incoming
from swpt_accounts.wire.routing import Realm
from swpt_client.messages import Envelope
from swpt_client.moments import HOUR, MINUTE
from swpt_client.testing.client import MemoryClient
from swpt_client.testing.clock import Clock
from swpt_client.testing.network import SLOW, Way
from swpt_client.testing.server import MemoryServer
from swpt_client.testing.worlds.invariants import check
from swpt_client.testing.worlds.plan import DEBTOR, Payment
from swpt_client.testing.worlds.plan import Exchange as Act
from swpt_client.testing.worlds.world import World

from .books import Auditor, look_at_node, read_tables, wrong_rates
from .broker import CREDIT, Posted
from .database import Database
from .exchange import Exchange, Line
from .machine import Machine
from .mix import Mix
from .peers import Peers
from .processes import Sealer
from .questions import asking
from .refusals import Refusals
from .sessions import stepped
from .shards import INTERNAL_USER, Shard
from .splitting import Split, commanding
from .time import Time

_AUDIT_ODDS: Final = 0.05
_MOST_CALM_STEPS: Final = 3000
_ROUGH_ROUNDS: Final = 1000
"""So long faults may happen: messages may pile up faster than a worker that dies all the time takes them."""
_PATIENCE: Final = 100
"""So many rounds somebody waits for an account at the most."""
_MOST_STEPS: Final = 200_000
"""A world that makes more of them goes round in a circle."""


class DatabaseServer(MemoryServer):
    """What the invariants of worlds want to know of a server, read from the database."""

    def __init__(self, clock: Clock, databases: Sequence[Database]) -> None:
        super().__init__(clock)
        self.databases = databases

    def read(self) -> None:
        """Read all that is asked for."""
        self.tables = read_tables([one.url for one in self.databases], DEBTOR)

    def has_prepared(self) -> bool:
        """Whether something is locked."""
        return self._has("prepared_transfer WHERE debtor_id = %s", [DEBTOR])

    def has_account(self, creditor_id: int) -> bool:
        """Whether an account of the currency was opened."""
        return self._has("account WHERE debtor_id = %s AND creditor_id = %s", [DEBTOR, creditor_id])

    def has_waiting(self) -> bool:
        """Whether a request waits for another shard."""
        return len(self.databases) > 1 and self._has("waiting_request WHERE debtor_id = %s", [DEBTOR])

    def has_outbox(self) -> bool:
        """Whether events wait."""
        return self._has("outbox")

    def _has(self, rows: str, parameters: Sequence[object] = ()) -> bool:
        found = [one.rows(f"SELECT count(*) FROM {rows}", parameters) for one in self.databases]
        return any(count for ((count,),) in found)


class Alarms(logging.Handler):
    """Keeps what the server logs with a trace: errors that it did not expect."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.unexpected: list[str] = []
        self.counts: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep or count it."""
        if record.exc_info is not None:
            self.unexpected.append(self.format(record))
        else:
            self.counts[str(record.msg)[:60]] += 1


class RealWorld(World):
    """Everything in it follows from the seed and the mix."""

    server: DatabaseServer

    def __init__(self, seed: int, mix: Mix, database: Database, acts: int) -> None:
        crash_odds = 0.02 if "crash" in mix.faults else 0.0
        super().__init__(seed, MemoryClient, crash_odds=crash_odds, creditors=mix.creditors)
        plan = self.plan
        # A broker loses nothing that it has.
        self.plan = msgspec.structs.replace(plan, acts=plan.acts[: max(2, acts)], loses_answers=False)
        self.to_client.odds = SLOW
        self.clock = self.client.clock = time = Time()
        self.peers = Peers(seed, mix.peers)
        self.exchange = self._make_exchange(seed, mix)
        ways = {key: self._way(key) for key in mix.realms}
        self.machine = Machine(seed, mix, time, database, ways, self._post)
        if self.exchange is not None:
            self.to_server = self.exchange
        self.split = self._make_split(seed, mix)
        self.server = DatabaseServer(time, [one.database for one in self.machine.shards])
        time.before, time.after = self.machine.before_leap, self.machine.after_leap
        self.auditors = [Auditor(one.database.url, one.realm, DEBTOR) for one in self.machine.shards]
        self.sealers = [Sealer(one) for one in self.machine.shards]
        self.asked: set[tuple[object, ...]] = set()
        self.answered: set[tuple[object, ...]] = set()
        self.malformed: set[bytes] = set()
        self.refusals = Refusals()
        self.machine.on_commit = self._committed_on
        self.rounds = 0
        for shard in self.machine.shards:
            self._attend(shard)

    def _attend(self, shard: Shard) -> None:
        """Hear of what the workers of a shard get."""
        shard.queue.delivered = partial(self._delivered, shard.realm)
        shard.queue.user_of = self._user_of

    def _way(self, key: str) -> Way[Posted]:
        """The way to a shard; that of a server of all accounts loses what clients send by itself."""
        return self.to_server if self.exchange is None else self.exchange.line_of(Realm.parse(key))

    def _make_exchange(self, seed: int, mix: Mix) -> Exchange | None:
        if len(mix.realms) == 1:
            return None
        dice, odds = Random(f"{seed} exchange"), self.to_server.odds
        of_lines = msgspec.structs.replace(odds, lost=0.0, doubled=0.5)
        exchange = Exchange(
            dice,
            lambda: self.clock.now,
            odds,
            lambda: Line(self.dice, lambda: self.clock.now, of_lines),
            self._happens,
        )
        for key in mix.realms:
            exchange.bind(Realm.parse(key), exchange.new_line())
        return exchange

    def _happens(self, fault: str) -> bool:
        return self.machine.happens(fault)

    # --- a split ----------------------------------------------------------------------------------

    def _make_split(self, seed: int, mix: Mix) -> Split | None:
        # All accounts get money before the first act.
        self._acts_before_split = int(mix.split_at * (len(self.creditors) + len(self.plan.acts)))
        if self.exchange is None or not mix.split:
            return None
        return Split(seed, mix, self.machine, self.exchange, self._follow)

    def _follow(self, parent: Shard, children: Sequence[Shard]) -> None:
        """Look at the children of a shard from now on."""
        at = self.machine.shards.index(parent)
        self.machine.replace(parent, children)
        auditor = self.auditors[at]
        self.auditors[at : at + 1] = [auditor.heir(one.database.url, one.realm) for one in children]
        self.sealers[at].close()
        self.sealers[at : at + 1] = map(Sealer, children)
        self.server.databases = [one.database for one in self.machine.shards]
        for child in children:
            self._attend(child)

    def begin(self, act: Payment | Act) -> None:
        """Begin a payment or a bundle; at one of them a split begins."""
        super().begin(act)
        self._acts_before_split -= 1
        if self.split is not None and not self.split.is_begun and self._acts_before_split < 0:
            self.split.begin()

    # --- messages ---------------------------------------------------------------------------------

    def _put_to_server(self, envelopes: Sequence[Envelope]) -> None:
        posted = [(one.body, one.type) for one in envelopes]
        self.peers.overhear(posted)
        self.to_server.put(posted)

    def _user_of(self, posted: Posted) -> str:
        if self.exchange is not None and self.exchange.is_vouched(posted):
            return INTERNAL_USER
        return "forger" if posted[1] == CREDIT else ""

    def _delivered(self, realm: Realm, posted: Posted) -> None:
        message = decode_incoming(posted[0], CONTENT_TYPE, posted[1])
        if isinstance(message, Malformed) or self._is_wrong(realm, message, posted):
            self.malformed.add(posted[0])
        elif isinstance(message, PrepareTransfer):
            self.asked.add(request_key(message))
            self.refusals.ask(request_key(message), message, self.machine.steps)

    def _committed_on(self, shard: Shard) -> None:
        self.refusals.look(shard.database, shard.realm, self.machine.steps)

    def _is_wrong(self, realm: Realm, message: Message, posted: Posted) -> bool:
        """Whether it must not have come here, or not from there."""
        if not realm.owns(message.debtor_id, message.creditor_id):
            return True
        return isinstance(message, PendingBalanceChange) and self._user_of(posted) != INTERNAL_USER

    def _post(self, envelope: ServerEnvelope) -> None:
        self.machine.record(envelope.body.decode())
        if envelope.type == CREDIT:
            assert self.exchange is not None, "all accounts are here"
            self.exchange.forward(envelope)
            return
        event = decode(envelope.body)
        if isinstance(event, PreparedTransfer | RejectedTransfer):
            key = (
                event.debtor_id,
                event.creditor_id,
                event.coordinator_type,
                event.coordinator_id,
                event.coordinator_request_id,
            )
            self.answered.add(key)
            if isinstance(event, RejectedTransfer):
                self.refusals.judge(key, event)
        if envelope.debtor_id == DEBTOR:
            self.to_client.put([(envelope.body, envelope.type)])
        else:
            self.peers.receive(envelope)

    # --- a round ----------------------------------------------------------------------------------

    def serve(self) -> None:
        """The processes of the server go on for a while; the others send something."""
        machine = self.machine
        machine.begin_round()
        most = _MOST_CALM_STEPS if machine.is_calm else self.dice.randrange(1, 80)
        machine.run(most)
        self.rounds += 1
        if self.rounds == _ROUGH_ROUNDS and not self.machine.is_calm:
            self.machine.calm()
        assert self.machine.steps < _MOST_STEPS, "it does not come to its end"
        if not self.machine.is_calm:
            self.to_server.put(self.peers.send(self.clock.now))
        if self.dice.random() < _AUDIT_ODDS:
            self.audit()

    def work(self) -> None:
        """The chores have their own time."""

    def configure(self, creditor_id: int, **settings: float) -> None:
        """Open an account; of several shards nobody could be paid on another one before it is there."""
        super().configure(creditor_id, **settings)
        for _ in range(_PATIENCE if self.exchange is not None else 0):
            if self.server.has_account(creditor_id):
                break
            self.step()

    def audit(self, *, is_quiet: bool = False) -> None:
        """Seal the journal, and look at the books.  Raises AssertionError."""
        for shard, sealer in zip(self.machine.shards, self.sealers, strict=True):
            if shard.name not in self.machine.stopped:
                sealer.seal()
            if self.split is not None:
                # Who splits a shard waits until nobody has a session there.
                sealer.rest()
        violations = [one for auditor in self.auditors for one in auditor.look()]
        violations += look_at_node(self.auditors, self.clock.now, is_quiet=is_quiet)
        assert not violations, violations

    def grow_calm(self) -> None:
        """From here on nothing goes wrong any more."""
        super().grow_calm()
        self.machine.calm()
        self.to_server.put(self.peers.leave(self.clock.now))
        self.clock.advance(MINUTE)

    def _is_over(self) -> bool:
        memory = self.client.memory
        return (
            not memory.outbox
            and all(one.finished_at is not None for one in memory.transfers.values())
            and all(one.finished_at is not None or one.is_alarming for one in memory.bundles.values())
            and not self.server.has_prepared()
            and not self.server.has_waiting()
            and (self.split is None or self.split.is_done)
        )

    def committed(self) -> Counter[str]:
        """How many transfers of clients were committed, and how many of them between shards."""
        # The half of the recipient tells of no request.
        sent = [one for one in self.server.tables.journal if one.coordinator_request_id]
        crossing = sum(one.recipient_created_at is None for one in sent)
        return Counter({"committed": len(sent), "committed between shards": crossing})

    def _leap(self) -> None:
        if self.machine.is_one_away:
            # What is for that shard waits until it is back, and so do all who need its answers.
            self.clock.advance(HOUR)
        elif self.split is not None and self.split.is_running:
            # Nothing else happens that takes so many steps.
            pass
        elif not (self.client.memory.outbox or self.server.has_outbox() or self.server.has_waiting()):
            super()._leap()

    # --- all of it --------------------------------------------------------------------------------

    def live(self) -> None:
        """From the first account to the last answer, and all invariants.  Raises AssertionError."""
        alarms = Alarms()
        logger = logging.getLogger("swpt_accounts")
        before = logger.level, logger.propagate
        logger.addHandler(alarms)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        try:
            for shard in self.machine.shards:
                shard.database.empty(shard.settings, self.clock.now)
            monotonic = self.machine.monotonic
            with ExitStack() as stack:
                stack.enter_context(stepped(self.machine, monotonic))
                stack.enter_context(asking(self.machine.network, monotonic))
                if self.split is not None:
                    stack.enter_context(commanding(self.split))
                try:
                    self.machine.start()
                    self.play()
                    self._await_rates()
                finally:
                    self.machine.stop()
            self.check()
            assert not alarms.unexpected, alarms.unexpected[0]
        finally:
            for sealer in self.sealers:
                sealer.close()
            if self.split is not None:
                self.split.close()
            self.machine.counts.update(alarms.counts)
            logger.removeHandler(alarms)
            logger.level, logger.propagate = before

    def _await_rates(self) -> None:
        """Let passes over all accounts go on until all have the rates of their currencies, or never get them.

        A change that is put off (R6) waits for one, and rounds end when all just look for work.
        """
        rounds = 0
        while wrong_rates(self.server.databases) and rounds < _PATIENCE:
            self.clock.advance(8 * HOUR)
            self.serve()
            self.attend()
            rounds += 1
        while rounds and len(self.to_client):
            self.clock.advance(HOUR)
            self.attend()

    def check(self) -> None:
        """What must be true at the end.  Raises AssertionError."""
        self.server.read()
        check(self)
        self.audit(is_quiet=True)
        wrong = wrong_rates(self.server.databases)
        assert not wrong, wrong[:3]
        unanswered = self.asked - self.answered
        assert not unanswered, f"without an answer: {sorted(map(str, unanswered))[:3]}"
        letters: set[bytes] = set()
        for database in [one.database for one in self.machine.shards]:
            [(left, failure)] = database.rows("SELECT count(*), min(last_failure) FROM outbox")
            assert left == 0, f"{left} rows are left in the outbox, {failure}"
            [(waiting,)] = database.rows("SELECT count(*) FROM waiting_request")
            assert waiting == 0, f"{waiting} requests wait"
            letters |= {bytes(body) for (body,) in database.rows("SELECT body FROM dead_letter")}
        assert letters == self.malformed, "dead letters are what is malformed, all of it and nothing else"
