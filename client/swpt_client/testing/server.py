"""A server in memory: the rules of swpt_accounts behind a clock that a test moves.

What a real server keeps in PostgreSQL lies in dictionaries, and it decides by the very same rules.
It has an outbox, and may die at each named step (see `crashes`): what is not stored is lost with
it, and what is stored goes out when it lives again.
"""

from collections.abc import Callable, Sequence

from swpt_accounts.events import Envelope, Event, envelop
from swpt_accounts.rules import upkeep
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.deciding import decide
from swpt_accounts.rules.facts import Facts
from swpt_accounts.rules.policy import Periods, Policy
from swpt_accounts.wire.messages import CONTENT_TYPE, Malformed, Message, decode
from swpt_client.moments import Moment

from .clock import Clock
from .periods import PERIODS
from .tables import Tables

_SERVER_DEFAULTS = Policy()


class MemoryServer:
    """The server's half of the protocol, as one shard, in one thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        policy: Policy = _SERVER_DEFAULTS,
        periods: Periods = PERIODS,
        crash_at: Callable[[str], None] = lambda _step: None,
    ) -> None:
        self.clock = clock
        self.policy = policy
        self.periods = periods
        self.tables = Tables()
        self.outbox: list[Envelope] = []
        """Events that are stored, and have not left."""
        self.dead_letters: list[Malformed] = []
        self.alarms: list[str] = []
        self._crash_at = crash_at

    # --- messages -------------------------------------------------------------------------------

    def take(self, messages: Sequence[tuple[bytes, str]]) -> None:
        """Apply messages (body and type) in one transaction; afterwards they may be acknowledged."""
        self._crash_at("received")
        good: list[Message] = []
        bad: list[Malformed] = []
        for body, kind in messages:
            message = decode(body, CONTENT_TYPE, kind)
            if isinstance(message, Malformed):
                bad.append(message)
            else:
                good.append(message)
        book = Book(self.tables.facts_of(good, self.policy, self.clock.now))
        for message in good:
            decide(book, message)
        self._store(book, bad)

    def send(self, put: Callable[[Sequence[Envelope]], None]) -> None:
        """Let everything out that waits in the outbox."""
        if self.outbox:
            put(self.outbox)
            self._crash_at("sent")
            self.outbox = []

    def _store(self, book: Book, bad: Sequence[Malformed] = ()) -> None:
        events: list[Event] = book.events
        leaving = list(map(envelop, events))
        self._crash_at("before_store")
        self.tables.store(book)
        self.outbox += leaving
        self.dead_letters += bad
        self.alarms += map(str, [*book.alarms, *book.interest_alarms()])
        self._crash_at("after_store")

    # --- periodic work --------------------------------------------------------------------------

    def announce(self) -> None:
        """Send the AccountUpdates of changed balances that are due."""
        for key in list(self.tables.accounts):
            book = self._open(self.tables.facts_about(key, self.policy, self.clock.now))
            if upkeep.announce_pending(book, key):
                self._store(book)

    def work(self) -> None:
        """Do all periodic work that is due: heartbeats, interest, settings, deletions, purges, reminders."""
        self.announce()
        for key in list(self.tables.accounts):
            book = self._open(self.tables.facts_about(key, self.policy, self.clock.now))
            if upkeep.tend(book, key, self.periods):
                self._store(book)
        for transfer in list(self.tables.prepared):
            book = self._open(self.tables.facts_about_transfer(transfer, self.policy, self.clock.now))
            if upkeep.remind(book, transfer, self.periods):
                self._store(book)

    @staticmethod
    def _open(facts: Facts) -> Book:
        return Book(facts)

    def due_at(self) -> Moment | None:
        """When the next AccountUpdate of a changed balance is due."""
        dates = []
        for key in self.tables.accounts:
            book = self._open(self.tables.facts_about(key, self.policy, self.clock.now))
            due_at = upkeep.due_later(book, key)
            if due_at is not None:
                dates.append(due_at)
        return min(dates, default=None)

    # --- questions of a test ----------------------------------------------------------------------

    def principal(self, debtor_id: int, creditor_id: int) -> int | None:
        """The principal of an account; None if there is none."""
        account = self.tables.accounts.get((debtor_id, creditor_id))
        return None if account is None or account.is_deleted else account.principal

    def locked_count(self) -> int:
        """How many transfers are prepared and not ended."""
        return len(self.tables.prepared)
