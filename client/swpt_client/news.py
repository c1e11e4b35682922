"""What a client tells its application: values, handed over inside the transaction of their batch."""

from datetime import date
from typing import TypeAlias

import msgspec

from .messages import ServerMessage
from .moments import Moment
from .records import Account, AccountKey, Bundle, Entry, LedgerKey, Transfer


class _News(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """What all news share."""


class TransferPrepared(_News, frozen=True, kw_only=True):
    """The amount is locked, and nobody has decided yet: commit it or dismiss it."""

    transfer: Transfer


class TransferFinished(_News, frozen=True, kw_only=True):
    """The one outcome of a transfer, told once; `transfer.outcome` says which."""

    transfer: Transfer


class BundleFinished(_News, frozen=True, kw_only=True):
    """The one outcome of a bundle, told once: DISMISSED, DONE, FAILED, REVERSED or TORN."""

    bundle: Bundle


class EntriesAppended(_News, frozen=True, kw_only=True):
    """A ledger has grown, by `entries`, the oldest first (protocol.rst, AccountTransfer)."""

    ledger: LedgerKey
    entries: tuple[Entry, ...]


class ConfigEffectual(_News, frozen=True, kw_only=True):
    """The server has shown that the configuration which we want is in effect."""

    account: Account


class ConfigRejected(_News, frozen=True, kw_only=True):
    """The server refuses the configuration; `account.configuration.rejection_code` says why."""

    account: Account


class AccountClosed(_News, frozen=True, kw_only=True):
    """The account is gone, and nothing comes any more."""

    key: AccountKey
    creation_date: date


class Silent(_News, frozen=True, kw_only=True):
    """An answer is missing for long; we go on asking.

    `subject` is `transfer` or `configuration` (a day), `account` (no heartbeat for weeks),
    or `ledger` (a number that the server has told has not arrived for a minute).
    """

    subject: str
    key: str | AccountKey
    since: Moment


class Surprise(_News, frozen=True, kw_only=True):
    """Something that should not happen; a person should look at it.

    `kind` is one of PARTIES (what was prepared is not what was asked for), CHANGED (a prepared
    transfer comes back with another recipient or amount), RESTORED (an answer to a decision that
    we do not remember: this client was restored; the transfer is parked), OUTCOME (the answer
    contradicts the decision), CONFIGURED (somebody else configures our account), UNKNOWN_ACCOUNT
    (the server keeps an account for us of which we know nothing), UNKNOWN_LEG and TORN (a bundle
    waits for a person).
    """

    kind: str
    key: str | AccountKey
    message: ServerMessage | None = None


News: TypeAlias = (
    TransferPrepared
    | TransferFinished
    | BundleFinished
    | EntriesAppended
    | ConfigEffectual
    | ConfigRejected
    | AccountClosed
    | Silent
    | Surprise
)
