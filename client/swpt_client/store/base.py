"""What a store can do: transactions in which records are locked, read and written; outbox; dead letters."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from swpt_client.core import Needs, Records, Result
from swpt_client.moments import DAY, MINUTE, Moment
from swpt_client.records import Account, AccountKey, Bundle, Entry, LedgerKey, StoredTransfer, Transfer

from .packing import Parcel


class StoreAway(Exception):
    """The store cannot be reached, or cannot work: nothing was stored.  `key` says of what."""

    def __init__(self, text: str, key: object = None) -> None:
        super().__init__(text)
        self.key = key


class UnfitStore(Exception):
    """The database can not keep what must be kept, as it is set up; the text says how to mend it."""


class Overtaken(Exception):
    """Another transaction was quicker; nothing was stored, and the same may be tried again."""


class LetterKind(StrEnum):
    """What a dead letter holds."""

    MESSAGE = "message"
    """A message that does not decode, is not for us, or that we could not process."""
    NEWS = "news"
    """News of which a handler would not hear."""


class LetterState(StrEnum):
    """What has been done about a dead letter."""

    OPEN = "open"
    WAITING = "waiting"
    """To be handed over again, by a running agent."""
    RETURNED = "returned"
    DISCARDED = "discarded"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody could do anything with: it is kept for a person, and holds up nobody."""

    id: int = 0
    """Given by the store."""
    kind: LetterKind
    reason: str
    detail: str = ""
    body: bytes
    """A message's, as it came; or news, as JSON."""
    properties: dict[str, Any] = {}
    """Of a message: content_type, type, exchange, routing_key."""
    state: LetterState = LetterState.OPEN
    added_at: Moment
    closed_at: Moment | None = None


class OutboxRow(msgspec.Struct, frozen=True):
    """The messages of one batch that are not confirmed yet."""

    id: int
    parcels: list[Parcel]


class Claim(msgspec.Struct, frozen=True):
    """Who sends what is written now, and until when nobody else does."""

    owner: str
    until: Moment


def latest_claim(now: Moment, until: Moment) -> Moment:
    """What is claimed for longer was claimed by a clock that was wrong: nobody waits for it.

    `until` is the end of a claim that begins now.  Clocks of two processes may differ by a minute,
    and a row that was refused is left for some seconds.
    """
    return until + (until - now) + MINUTE


class LeftRow(msgspec.Struct, frozen=True):
    """What is left of a row: somebody may claim it again from a moment on."""

    id: int
    parcels: list[Parcel]
    retry_at: Moment


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """How long is kept what nothing depends on any more; microseconds, None: for ever.

    Finished transfers and bundles, and closed accounts, are kept as `Timers` says.
    """

    entries: int | None = None
    """Ledger entries, from when they were added."""
    closed_letters: int = 90 * DAY
    """Dead letters that are not open any more."""
    open_letters_most: int = 100_000
    """So many open dead letters keep their bodies; further ones are only told of."""


class Due(msgspec.Struct, frozen=True):
    """Keys of records whose `due_at` has passed, the oldest first."""

    accounts: Sequence[AccountKey]
    transfers: Sequence[str]
    bundles: Sequence[str]


class Transaction(Protocol):
    """Work on a store that is committed as a whole, or not at all."""

    @property
    def session(self) -> Any:
        """What handlers get: an SQLAlchemy session, or this transaction."""

    def savepoint(self) -> AbstractContextManager[Any]:
        """What happens within it is undone by an exception, and nothing else is."""

    def read(self, needs: Needs) -> Records:
        """Complete the keys; lock lone transfers, bundles, legs, accounts, each by key; read them."""

    def read_stored(self, ledgers: Sequence[LedgerKey]) -> Mapping[AccountKey, Sequence[StoredTransfer]]:
        """All that is stored for these ledgers of locked accounts."""

    def write(
        self, records: Records, result: Result, now: Moment, claim: Claim | None = None
    ) -> OutboxRow | None:
        """Store what a fold has decided.  Raises Overtaken.

        With a claim the row of the outbox is claimed as it is written, and given: whoever commits
        may send it at once.
        """

    def hurry(self) -> None:
        """What is lost with the machine (not with the process) does no harm: the commit need not wait."""

    def add_letters(self, letters: Sequence[DeadLetter], retention: Retention) -> None:
        """Keep what nobody could do anything with."""

    def settle(self, done: Sequence[int], left: Sequence[LeftRow]) -> None:
        """Delete rows of the outbox whose messages are confirmed; of others, keep what is left."""


class Store(Protocol):
    """Keeps everything of one client."""

    @property
    def is_persistent(self) -> bool:
        """Whether anything is left of it after the process."""

    def prepare(self) -> None:
        """Make or upgrade what the store needs; twice, and by two at once, is harmless.

        Raises StoreAway, or UnfitStore.
        """

    def begin(self) -> AbstractContextManager[Transaction]:
        """A transaction; an exception undoes it.  Raises StoreAway, or Overtaken at any moment."""

    def join(self, session: Any) -> Transaction:
        """The transaction of a session of the application; it commits."""

    def after_commit(self, session: Any, work: Callable[[], None]) -> None:
        """Do something when the transaction of a session has been committed, and nothing if it is not."""

    def is_passing(self, error: BaseException) -> bool:
        """Whether an exception is nobody's fault: a conflict, or a store that is away."""

    def is_unfit(self, error: BaseException) -> bool:
        """Whether an exception of our own statements says that a table or a grant is missing."""

    # --- the outbox -----------------------------------------------------------------------------

    def claim(self, owner: str, now: Moment, until: Moment, most: int) -> list[OutboxRow]:
        """The oldest rows that nobody claims, with about `most` messages in all; ours until then.

        See `latest_claim`.
        """

    def renew(self, owner: str, until: Moment) -> None:
        """Claim for longer what is claimed."""

    def release(self, owner: str) -> None:
        """Claim nothing any more."""

    def count_outbox(self) -> int:
        """How many messages wait for their confirmation."""

    # --- reading --------------------------------------------------------------------------------

    def due(self, now: Moment, most: int) -> Due:
        """What is due, at most so many of each kind."""

    def account(self, key: AccountKey, session: Any = None) -> Account | None:
        """The record of an account."""

    def accounts(self, after: AccountKey | None, most: int) -> list[Account]:
        """The records of accounts, in the order of their keys."""

    def transfer(self, key: str, session: Any = None) -> Transfer | None:
        """The record of a transfer."""

    def bundle(self, key: str, session: Any = None) -> Bundle | None:
        """The record of a bundle."""

    def entries(self, key: AccountKey, before: Entry | None, most: int) -> list[Entry]:
        """The entries of all ledgers of an account, the newest first."""

    def parked_transfers(self, after: str, most: int) -> list[Transfer]:
        """Parked transfers, in the order of their keys."""

    def parked_bundles(self, after: str, most: int) -> list[Bundle]:
        """Parked bundles, and those that wait for a person, in the order of their keys."""

    def open_keys(self, kind: str, after: str, most: int) -> list[str]:
        """Keys of transfers or bundles that have not ended and are not parked."""

    def letters(self, state: LetterState, after: int, most: int) -> list[DeadLetter]:
        """Dead letters, in the order of their ids."""

    # --- upkeep ---------------------------------------------------------------------------------

    def close_letter(self, number: int, state: LetterState, now: Moment, session: Any = None) -> bool:
        """Say what has been done about a dead letter; False if it is neither open nor waiting."""

    def forget_outbox(self) -> int:
        """After a restore: drop the outbox messages of transfers; says how many."""

    def clean(self, retention: Retention, now: Moment) -> int:
        """Delete some of what is kept too long; says how many rows."""
