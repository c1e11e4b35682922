"""A world of the client's tests, in which the server is the real one, on a real database."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from swpt_accounts.events import Envelope as ServerEnvelope
from swpt_accounts.events import PreparedTransfer, RejectedTransfer, decode
from swpt_accounts.rules.facts import request_key
from swpt_accounts.wire.messages import CONTENT_TYPE, Malformed, PrepareTransfer
from swpt_accounts.wire.messages import decode as decode_incoming
from swpt_client.messages import Envelope
from swpt_client.moments import MINUTE
from swpt_client.testing.client import MemoryClient
from swpt_client.testing.clock import Clock
from swpt_client.testing.network import SLOW
from swpt_client.testing.server import MemoryServer
from swpt_client.testing.worlds.invariants import check
from swpt_client.testing.worlds.plan import DEBTOR
from swpt_client.testing.worlds.world import World

from .books import Auditor, read_tables
from .broker import Posted
from .database import Database
from .machine import Machine
from .mix import Mix
from .peers import Peers
from .processes import Sealer
from .sessions import stepped
from .time import Time

_AUDIT_ODDS: Final = 0.05
_MOST_CALM_STEPS: Final = 3000
_ROUGH_ROUNDS: Final = 1000
"""So long faults may happen: messages may pile up faster than a worker that dies all the time takes them."""
_MOST_STEPS: Final = 200_000
"""A world that makes more of them goes round in a circle."""


class DatabaseServer(MemoryServer):
    """What the invariants of worlds want to know of a server, read from the database."""

    def __init__(self, clock: Clock, database: Database) -> None:
        super().__init__(clock)
        self._database = database

    def read(self) -> None:
        """Read all that is asked for."""
        self.tables = read_tables(self._database.url, DEBTOR)

    def has_prepared(self) -> bool:
        """Whether something is locked."""
        found = self._database.rows("SELECT count(*) FROM prepared_transfer WHERE debtor_id = %s", [DEBTOR])
        return bool(found[0][0])

    def has_outbox(self) -> bool:
        """Whether events wait."""
        return bool(self._database.rows("SELECT count(*) FROM outbox")[0][0])


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
        super().__init__(seed, MemoryClient, crash_odds=0.02 if "crash" in mix.faults else 0.0)
        plan = self.plan
        # A broker loses nothing that it has.
        self.plan = msgspec.structs.replace(plan, acts=plan.acts[: max(2, acts)], loses_answers=False)
        self.to_client.odds = SLOW
        self.clock = self.client.clock = time = Time()
        self.server = DatabaseServer(time, database)
        self.peers = Peers(seed, mix.peers)
        self.machine = Machine(seed, mix, time, database, self.to_server, self._post)
        time.before, time.after = self.machine.before_leap, self.machine.after_leap
        self.auditor = Auditor(database.url, DEBTOR)
        self.sealer = Sealer(self.machine)
        self.asked: set[tuple[object, ...]] = set()
        self.answered: set[tuple[object, ...]] = set()
        self.malformed: set[bytes] = set()
        self.rounds = 0
        self.machine.queue.delivered = self._delivered
        self._database = database

    # --- messages ---------------------------------------------------------------------------------

    def _put_to_server(self, envelopes: Sequence[Envelope]) -> None:
        posted = [(one.body, one.type) for one in envelopes]
        self.peers.overhear(posted)
        self.to_server.put(posted)

    def _delivered(self, posted: Posted) -> None:
        message = decode_incoming(posted[0], CONTENT_TYPE, posted[1])
        if isinstance(message, Malformed):
            self.malformed.add(posted[0])
        elif isinstance(message, PrepareTransfer):
            self.asked.add(request_key(message))

    def _post(self, envelope: ServerEnvelope) -> None:
        self.machine.record(envelope.body.decode())
        event = decode(envelope.body)
        if isinstance(event, PreparedTransfer | RejectedTransfer):
            self.answered.add(
                (
                    event.debtor_id,
                    event.creditor_id,
                    event.coordinator_type,
                    event.coordinator_id,
                    event.coordinator_request_id,
                )
            )
        if envelope.debtor_id == DEBTOR:
            self.to_client.put([(envelope.body, envelope.type)])
        else:
            self.peers.receive(envelope)

    # --- a round ----------------------------------------------------------------------------------

    def serve(self) -> None:
        """The processes of the server go on for a while; the others send something."""
        self.machine.run(_MOST_CALM_STEPS if self.machine.is_calm else self.dice.randrange(1, 80))
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

    def audit(self) -> None:
        """Seal the journal, and look at the books.  Raises AssertionError."""
        self.sealer.seal()
        violations = self.auditor.look()
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
        )

    def _leap(self) -> None:
        if not self.client.memory.outbox and not self.server.has_outbox():
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
            self._database.empty(self.machine.settings, self.clock.now)
            with stepped(self.machine, self.machine.monotonic):
                try:
                    self.machine.start()
                    self.play()
                finally:
                    self.machine.stop()
            self.check()
            assert not alarms.unexpected, alarms.unexpected[0]
        finally:
            self.sealer.close()
            self.machine.counts.update(alarms.counts)
            logger.removeHandler(alarms)
            logger.level, logger.propagate = before

    def check(self) -> None:
        """What must be true at the end.  Raises AssertionError."""
        self.server.read()
        check(self)
        self.audit()
        left = self._database.rows("SELECT count(*), min(last_failure) FROM outbox")
        assert left[0][0] == 0, f"{left[0][0]} rows are left in the outbox, {left[0][1]}"
        unanswered = self.asked - self.answered
        assert not unanswered, f"without an answer: {sorted(map(str, unanswered))[:3]}"
        letters = {bytes(body) for (body,) in self._database.rows("SELECT body FROM dead_letter")}
        assert letters == self.malformed, "dead letters are what is malformed, all of it and nothing else"
