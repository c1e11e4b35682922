"""Who waits for a transfer, a bundle or an account is woken when it has changed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final, TypeAlias

from .core import Result
from .records import AccountKey, Bundle, ConfigurationState, Record, Transfer, TransferState
from .verdicts import LAST_STATES
from .views import Account

Hear: TypeAlias = Callable[[Record], None]
_RESTING: Final = frozenset(
    {TransferState.PREPARED, TransferState.FINISHED, TransferState.CANCELLED, TransferState.PARKED}
)


def is_resting(one: Transfer | Bundle) -> bool:
    """Whether nothing more is to be waited for: it has ended, or it is somebody's turn.

    A prepared transfer wants a decision, a parked one and an alarming bundle a person.
    """
    if isinstance(one, Transfer):
        return one.state in _RESTING
    return one.state in LAST_STATES or one.parked_state is not None or one.is_alarming


def is_settled(one: Account) -> bool:
    """Whether the server has answered what we want of an account; if it is in use, we know its identifier."""
    return one.account_id != "" if one.is_effectual else one.state is not ConfigurationState.SENT


class Waiters:
    """Callbacks by key.  They get the record, in the thread that has brought the change."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hearers: dict[str | AccountKey, list[Hear]] = {}

    @contextmanager
    def watch(self, key: str | AccountKey, hear: Hear) -> Iterator[None]:
        """While it lasts, `hear` gets the record when it has changed, as it is stored now; it is quick."""
        with self._lock:
            self._hearers.setdefault(key, []).append(hear)
        try:
            yield
        finally:
            with self._lock:
                hearers = self._hearers[key]
                hearers.remove(hear)
                if not hearers:
                    del self._hearers[key]

    def tell(self, result: Result) -> None:
        """What has been committed."""
        if not self._hearers:
            return
        changed: tuple[Mapping[Any, Record], ...] = (result.transfers, result.bundles, result.accounts)
        with self._lock:
            found = [
                (hear, record)
                for records in changed
                for key, record in records.items()
                for hear in self._hearers.get(key, ())
            ]
        for hear, record in found:
            hear(record)
