"""What a person does: after a restore of the database, and with dead letters."""

from collections.abc import Callable, Iterator
from itertools import chain
from logging import getLogger
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from .errors import Unsettled
from .inputs import Abandon, CloseTail, Park, Resume
from .office import Office
from .records import Account, AccountKey, Bundle, Transfer, TransferState
from .store.base import DeadLetter, LetterState

_logger = getLogger(__name__)
_T = TypeVar("_T")
_AT_ONCE: Final = 500
_BOTH: Final = ("kind", "must be said, transfer or bundle: the key stands for one of each")

Kind: TypeAlias = Literal["transfer", "bundle"]
"""What a key stands for."""


class Restored(msgspec.Struct, frozen=True):
    """What `after_restore` has done."""

    parked_transfers: int
    parked_bundles: int
    dropped_messages: int
    closed_tails: int


class Persons:
    """Questions and orders of the people who look after a client."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._store = office.store

    def after_restore(self) -> Restored:
        """The application's database was restored from a backup: park all that was under way.

        Call it before the agent is started.  What the backup says to be under way may have ended
        long ago: sent once more, it might be paid twice.  So open transfers and bundles are parked,
        their messages leave the outbox, and ledgers that are behind are brought to what the server has
        told.  Call it again later, when the server has told more: it does only what is left to do.
        """
        dropped = self._store.forget_outbox()
        transfers = self._park("transfer")
        bundles = self._park("bundle")
        # What a transfer has put there between the two.
        dropped += self._store.forget_outbox()
        done = Restored(transfers, bundles, dropped, len(self.close_tails()))
        _logger.warning("After a restore: %s", done)
        return done

    def _park(self, kind: str) -> int:
        count = 0
        after = ""
        while keys := self._store.open_keys(kind, after, _AT_ONCE):
            self._office.call_all([Park(kind=kind, key=key) for key in keys])
            count += len(keys)
            after = keys[-1]
        return count

    def behind(self) -> Iterator[Account]:
        """Accounts whose ledgers lack what the server has told; they take no new transfers after a minute."""
        after: AccountKey | None = None
        while accounts := self._store.accounts(after, _AT_ONCE):
            yield from (one for one in accounts if one.ledger and one.ledger.behind_since is not None)
            after = accounts[-1].key

    def close_tails(self) -> list[AccountKey]:
        """Bring all ledgers that are behind to what the server has told, each with a marked dummy entry."""
        keys = [one.key for one in self.behind()]
        for key in keys:
            self._office.call(CloseTail(key=key))
        return keys

    def parked(self) -> Iterator[Transfer | Bundle]:
        """What waits for a person: parked transfers and bundles, and bundles that are torn or unclear."""
        transfers: Iterator[Transfer] = _pages(self._store.parked_transfers, lambda one: one.key)
        bundles: Iterator[Bundle] = _pages(self._store.parked_bundles, lambda one: one.key)
        return chain(transfers, bundles)

    def resume(self, key: str, kind: Kind | None = None) -> Transfer | Bundle:
        """Go on from what the evidence shows.

        Transfers and bundles have key spaces of their own; `kind` is needed for a key that stands for both.
        Raises NotFound, NotParked, Unsettled; BadField if the kind is needed.
        """
        return self._decide(Resume(kind=self._kind_of(key, kind), key=key))

    def abandon(self, key: str, kind: Kind | None = None) -> Transfer | Bundle:
        """Let nothing move any more.

        `kind` as in `resume`.  Raises NotFound, NotParked, AlreadyDecided, Unsettled; BadField.
        """
        return self._decide(Abandon(kind=self._kind_of(key, kind), key=key))

    def _kind_of(self, key: str, kind: Kind | None) -> str:
        """Nobody guesses which of two is meant: what goes on might pay."""
        self._office.check_question(key)
        if kind is not None:
            return kind
        is_bundle = self._store.bundle(key) is not None
        if is_bundle and self._store.transfer(key) is not None:
            self._office.require(key, _BOTH)
        return "bundle" if is_bundle else "transfer"

    def _decide(self, call: Resume | Abandon) -> Transfer | Bundle:
        try:
            answer = self._office.call(call)
        except Unsettled as error:
            legs = ", ".join(map(repr, self._parked_legs(call.key)))
            detail = f"its parked legs must be resumed or abandoned before: {legs}"
            raise Unsettled(replace(error.refusal, detail=detail)) from None
        assert isinstance(answer, Transfer | Bundle)
        return answer

    def _parked_legs(self, key: str) -> Iterator[str]:
        bundle = self._store.bundle(key)
        for status in () if bundle is None else bundle.status:
            leg = self._store.transfer(status.transfer_key)
            if leg is not None and leg.state is TransferState.PARKED:
                yield leg.key

    def letters(self, state: LetterState = LetterState.OPEN) -> Iterator[DeadLetter]:
        """Dead letters, the oldest first."""
        after = 0
        while found := self._store.letters(state, after, _AT_ONCE):
            yield from found
            after = found[-1].id

    def put_back(self, number: int) -> bool:
        """A running agent processes a dead letter once more; False if it is not open."""
        return self._store.close_letter(number, LetterState.WAITING, self._office.clock())

    def discard(self, number: int) -> bool:
        """Nobody wants a dead letter; False if it is not open."""
        return self._store.close_letter(number, LetterState.DISCARDED, self._office.clock())


def _pages(read: Callable[[str, int], list[_T]], key_of: Callable[[_T], str]) -> Iterator[_T]:
    after = ""
    while found := read(after, _AT_ONCE):
        yield from found
        after = key_of(found[-1])
