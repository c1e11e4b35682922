"""Calls that wait: for the end of a transfer or a bundle, and for what is to be seen of an account."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from time import monotonic
from typing import Final, TypeVar

from swpt_client.errors import NotFound
from swpt_client.office import Office
from swpt_client.records import AccountKey, Bundle, Record, Transfer
from swpt_client.step import not_found
from swpt_client.store.base import StoreAway
from swpt_client.values import timeout_fault
from swpt_client.views import Account
from swpt_client.waiting import Waiters, is_resting, is_settled

_T = TypeVar("_T")
LOOK_SECONDS: Final = 1.0
"""So often somebody who waits looks for what another process has changed."""


def check_timeout(key: str | AccountKey, timeout: float) -> None:
    """Raise BadField for what is no number of seconds, or no end of waiting."""
    Office.require(key, timeout_fault(timeout))


class WaitCalls:
    """A part of the agent."""

    _office: Office
    _waiters: Waiters

    def wait(self, key: str, timeout: float) -> Transfer | Bundle:
        """Wait at most `timeout` seconds until a transfer or a bundle has ended, or is somebody's turn.

        Gives the record as it is then: one that is still under way says so by its state, and by its
        empty `outcome`; slowness raises nothing.  It is somebody's turn if a transfer is `prepared`
        or `parked`, or a bundle is parked or alarming.  If a transfer and a bundle have the same
        key, the transfer is meant.
        Raises BadField; NotFound; StoreAway only if nothing could be read at all.
        """
        check_timeout(key, timeout)
        changed = Event()
        with self.watch_end(key, changed.set) as look:
            return self._wait(changed, timeout, look, is_resting)

    def wait_for_account(
        self,
        debtor_id: int,
        creditor_id: int,
        timeout: float,
        until: Callable[[Account], bool] = is_settled,
    ) -> Account:
        """Wait at most `timeout` seconds until something is so of an account of ours.

        Without `until`: until the server has answered our configuration, and the account can be
        used (`is_effectual`, with its `account_id`), or is refused or closed (`state`; protocol.rst,
        ConfigureAccount, RejectedConfig).  `until=lambda account: account.principal >= 300` waits
        for the ledger, which follows the outcome of a transfer.  `until` must be quick, and ask
        nothing of the agent.

        Gives the account as it is then, whether it is so or not.  Raises BadField; NotFound if nobody
        has wanted the account (`open_account`); StoreAway only if nothing could be read at all.
        """
        key = AccountKey(debtor_id, creditor_id)
        check_timeout(key, timeout)
        changed = Event()
        with self.watch(key, changed.set):
            return self._wait(changed, timeout, lambda known: self.look_account(key, known), until)

    @staticmethod
    def _wait(
        changed: Event,
        timeout: float,
        look: Callable[[_T | None], _T],
        is_enough: Callable[[_T], bool],
    ) -> _T:
        deadline = monotonic() + timeout
        known: _T | None = None
        while True:
            changed.clear()
            known = look(known)
            left = deadline - monotonic()
            if is_enough(known) or left <= 0.0:
                return known
            changed.wait(min(left, LOOK_SECONDS))

    def watch(self, key: str | AccountKey, wake: Callable[[], None]) -> AbstractContextManager[None]:
        """While it lasts, `wake` is called when what has this key has changed, in some thread.

        A text is the key of a transfer or a bundle.  `wake` must be quick, and ask nothing of the
        agent.  What another process changes is not told: look once a second as well.
        """
        return self._waiters.watch(key, lambda _record: wake())

    @contextmanager
    def watch_end(
        self, key: str, wake: Callable[[], None]
    ) -> Iterator[Callable[[Transfer | Bundle | None], Transfer | Bundle]]:
        """As `watch`, but nobody is woken by steps on the way: only by what `wait` waits for.

        It gives a `look` that asks the store only for what has not been told; see `look`.
        """
        told = deque[Transfer]()

        def hear(record: Record) -> None:
            if isinstance(record, Transfer | Bundle) and is_resting(record):
                # What may change again may have changed since it was told.
                if isinstance(record, Transfer) and record.outcome:
                    told.append(record)
                wake()

        def look(known: Transfer | Bundle | None) -> Transfer | Bundle:
            return told.pop() if told else self.look(key, known)

        with self._waiters.watch(key, hear):
            yield look

    def look(self, key: str, known: Transfer | Bundle | None = None) -> Transfer | Bundle:
        """The record of a transfer or a bundle; what is `known` of it, while the store is away.

        Raises BadField; NotFound; StoreAway if nothing is known.
        """
        self._office.check_question(key)
        store = self._office.store
        try:
            found = store.transfer(key) or store.bundle(key)
        except StoreAway as error:
            if known is None:
                raise StoreAway(str(error), key) from error
            return known
        if found is None:
            raise NotFound(not_found(key, "transfer and no bundle"))
        return found

    def look_account(self, key: AccountKey, known: Account | None = None) -> Account:
        """An account of ours; what is `known` of it, while the store is away.

        Raises BadField; NotFound; StoreAway if nothing is known.
        """
        self._office.check_question(key)
        try:
            found = self._office.store.account(key)
        except StoreAway as error:
            if known is None:
                raise StoreAway(str(error), key) from error
            return known
        if found is None:
            raise NotFound(not_found(key, "account that was ever wanted"))
        return Account(found)
