"""Who waits for a transfer, a bundle or an account is woken when it has changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from .core import Result
from .records import AccountKey, Bundle, ConfigurationState, Transfer, TransferState
from .verdicts import LAST_STATES
from .views import Account

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
    """Callbacks by key.  They are called in the thread that has brought the change."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._wakers: dict[str | AccountKey, list[Callable[[], None]]] = {}

    @contextmanager
    def watch(self, key: str | AccountKey, wake: Callable[[], None]) -> Iterator[None]:
        """While it lasts, `wake` is called when the record has changed; it is quick."""
        with self._lock:
            self._wakers.setdefault(key, []).append(wake)
        try:
            yield
        finally:
            with self._lock:
                wakers = self._wakers[key]
                wakers.remove(wake)
                if not wakers:
                    del self._wakers[key]

    def tell(self, result: Result) -> None:
        """What has been committed."""
        if not self._wakers:
            return
        with self._lock:
            found = [
                wake
                for changed in (result.transfers, result.bundles, result.accounts)
                for key in changed
                for wake in self._wakers.get(key, ())
            ]
        for wake in found:
            wake()
