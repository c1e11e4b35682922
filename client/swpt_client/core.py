"""Folds the tables over a batch: records and inputs in; changed records, messages and news out.

How a store drives it, in one transaction:

1. `needs(inputs)` names the keys of the records that the inputs touch.  The store completes them
   (a request key leads to its transfer, a transfer with a `bundle_key` to its bundle, a bundle to
   the transfers in its `status` and to the accounts of its legs), locks bundles, then transfers,
   then accounts, each by key, and reads the records under the lock.
2. `needs_stored(inputs, records, now)` names the accounts whose stored transfers are needed, all
   of their latest ledger.  In ordinary life there are none, and nothing is asked for.
3. `fold(inputs, records, now, chance, policy)` decides.  It never fails: "no" is a `Refusal` in
   `Result.answers`, a message that is not ours is in `Result.foreign`.
4. The store upserts `accounts`, `transfers` and `bundles`, deletes what `deleted_…` names, inserts
   `entries`, inserts `stored` where it is not there yet, deletes what `unstored` names, and puts
   `outgoing` with their `ref` into the outbox.  It hands `news` to the handlers.  It commits.
5. When the broker has confirmed a message with a `ref`, the outbox row goes, and a `Sent` with
   that `ref` comes in, both in one transaction (a lost report only means that the row is still
   there, so the message is sent and reported again).
6. A timer reads keys of records with `due_at` ≤ now, and feeds `Due`; the records are read again
   under the lock, and `fold` ignores what is not due any more.

A store may fold inputs one by one or in batches of any size, with the same result, except that
repeated messages and news are fewer in batches.  `chance` is 64 fresh random bits for each fold:
request ids and the jitter of repetitions are made from them.  If the unique index of request keys
refuses a new transfer, the transaction is repeated with a new `chance`.  `now` is read once, after
the records are locked; a clock that steps back does no harm.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from .inputs import Input, Refusal
from .moments import Moment
from .news import News
from .policy import Policy
from .records import (
    Account,
    AccountKey,
    Bundle,
    Entry,
    LedgerKey,
    RequestKey,
    StoredTransfer,
    Transfer,
)
from .step import Outgoing

Answer: TypeAlias = Account | Transfer | Bundle | Refusal | None
"""What a call gets; None for all other inputs."""


class Needs(msgspec.Struct, frozen=True):
    """Keys of the records that some inputs touch, before the store completes them."""

    accounts: set[AccountKey]
    transfers: set[str]
    requests: set[RequestKey]
    bundles: set[str]


class Records(msgspec.Struct, frozen=True):
    """What was read under the lock.  A key without a record is simply not there."""

    accounts: Mapping[AccountKey, Account] = {}
    transfers: Mapping[str, Transfer] = {}
    bundles: Mapping[str, Bundle] = {}
    stored: Mapping[AccountKey, Sequence[StoredTransfer]] = {}
    """Only for the accounts of `needs_stored`."""


class Result(msgspec.Struct):
    """What a fold has decided."""

    answers: list[Answer]
    """One for each input."""
    foreign: list[int]
    """Indexes of messages that are not ours; they belong to the dead letters."""
    accounts: dict[AccountKey, Account]
    transfers: dict[str, Transfer]
    bundles: dict[str, Bundle]
    """New and changed records."""
    deleted_accounts: list[AccountKey]
    deleted_transfers: list[str]
    deleted_bundles: list[str]
    entries: list[Entry]
    stored: list[StoredTransfer]
    unstored: dict[LedgerKey, int]
    """Stored transfers of the ledger with numbers up to this one are not needed any more.

    To be deleted before `stored` is inserted."""
    outgoing: list[Outgoing]
    news: list[News]
    ignored: dict[str, int]
    """How often each row of the tables that ignores something was taken; for metrics."""


def needs(inputs: Iterable[Input]) -> Needs:
    """The keys of the records that the inputs touch.  Takes no records and no clock."""
    raise NotImplementedError


def needs_stored(inputs: Sequence[Input], records: Records, now: Moment) -> set[AccountKey]:
    """The accounts whose stored transfers the fold will want to see."""
    raise NotImplementedError


def fold(inputs: Sequence[Input], records: Records, now: Moment, chance: int, policy: Policy) -> Result:
    """Take the inputs one after the other, and decide."""
    raise NotImplementedError
