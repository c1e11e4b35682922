"""Accounts as a connection has last seen them, so that a row that is still the same is not read again.

PostgreSQL marks each version of a row with the id of the transaction that wrote it (`xmin`).  Who locks
an account says which version is remembered, and is given the row only if it is another one.  So
nothing has to be forgotten when somebody else changes an account, and nothing can be out of date.

The ids are used again after four billion transactions, and maybe on a standby that has become the
primary; so the memory ends with its connection, and after an hour.
"""

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Final, TypeAlias
from weakref import ref

from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.facts import AccountKey, account_key

Version: TypeAlias = int
"""The id of the transaction that wrote a row."""

UNKNOWN: Final[Version] = 0

# Ids below do not stand for a transaction: versions that are marked by them can not be distinguished.
_FIRST_TRANSACTION: Final = 3
_LASTS_SECONDS: Final = 3600.0


class AccountMemory:
    """The accounts that were used last: `size` of them at least, and less than twice as many.

    One of these serves one connection at a time, in one thread.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._young: dict[AccountKey, tuple[Version, Account]] = {}
        self._old: dict[AccountKey, tuple[Version, Account]] = {}
        self._connection: ref[Any] | None = None
        self._ends_at = 0.0

    def recall(
        self, connection: Any, keys: Iterable[AccountKey]
    ) -> dict[AccountKey, tuple[Version, Account]]:
        """Those of the accounts that this connection remembers, with the versions of their rows."""
        if self._connection is None or self._connection() is not connection or monotonic() > self._ends_at:
            self._young, self._old = {}, {}
            self._connection = ref(connection)
            self._ends_at = monotonic() + _LASTS_SECONDS
        young, old = self._young, self._old
        return {key: known for key in keys if (known := young.get(key) or old.get(key)) is not None}

    def keep(self, version: Version, accounts: Sequence[Account]) -> None:
        """Remember accounts that a committed transaction has written, or that are locked as they are."""
        if version < _FIRST_TRANSACTION:
            return
        young = self._young
        for account in accounts:
            young[account_key(account)] = version, account
        if len(young) >= self._size:
            self._young, self._old = {}, young
