"""News reach the application within the transaction in which they became true.

A handler that fails is found by bisection.  Its news are parked, its own work is undone, and
nothing else is: everybody else goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging import getLogger
from threading import current_thread, local, main_thread
from typing import Any, Final, TypeAlias

from .metrics import Metrics
from .moments import Moment
from .news import News, Silent, Surprise
from .store.base import DeadLetter, LetterKind, Retention, Store, Transaction
from .store.packing import to_text

Handler: TypeAlias = Callable[[Any, Any], None]
"""`handler(session, news)`: within the transaction of the batch.  It must be quick, and may be called
again with the same news, after its work has been undone."""

_logger = getLogger(__name__)


_ENDS: Final = ("commit", "rollback", "close")
"""What a handler must not do with its session: the transaction is that of the whole batch."""


@contextmanager
def _kept_open(session: Any) -> Iterator[None]:
    """A handler that ends the transaction fails; otherwise all that it belongs to would be lost with it."""

    def refuse(*_args: Any, **_options: Any) -> None:
        raise RuntimeError(
            "within a handler the transaction is not yours to end: use session.begin_nested(), or raise"
        )

    names = [name for name in _ENDS if hasattr(session, name)]
    # News of a call in a handler are told within it: then it is so already.
    before = {name: vars(session)[name] for name in names if name in vars(session)}
    vars(session).update(dict.fromkeys(names, refuse))
    try:
        yield
    finally:
        for name in names:
            del vars(session)[name]
        vars(session).update(before)


def _words_of(error: BaseException) -> str:
    """What an exception says, as far as a store can keep it."""
    try:
        return str(error).encode(errors="backslashreplace").decode()
    except Exception:
        return "(it cannot say what)"


class Handlers:
    """Who wants to hear which news."""

    def __init__(self, store: Store, metrics: Metrics, retention: Retention) -> None:
        self._store = store
        self._metrics = metrics
        self._retention = retention
        self._handlers: dict[type, list[Handler]] = {}
        self._here = local()

    def add(self, kind: type, handler: Handler) -> None:
        """From now on the handler hears news of this kind; before the agent has started."""
        self._handlers.setdefault(kind, []).append(handler)

    @property
    def is_within(self) -> bool:
        """Whether this thread is in a handler now."""
        return getattr(self._here, "depth", 0) > 0

    @contextmanager
    def _within(self) -> Iterator[None]:
        self._here.depth = getattr(self._here, "depth", 0) + 1
        try:
            yield
        finally:
            self._here.depth -= 1

    def tell(self, transaction: Transaction, news: Sequence[News], now: Moment) -> None:
        """Hand news over, in their order; what a handler refuses is parked."""
        wanted = [one for one in news if type(one) in self._handlers]
        if wanted:
            with self._within():
                self._try(transaction, wanted, now)

    def report(self, news: Sequence[News]) -> None:
        """Count and log what has been committed."""
        for one in news:
            self._metrics.count("news_total", kind=type(one).__name__)
            if isinstance(one, Surprise):
                _logger.error("Surprise %s of %r: a person should look at it", one.kind, one.key)
            elif isinstance(one, Silent):
                _logger.warning("The server is silent about %s %r; we go on asking", one.subject, one.key)

    def _try(self, transaction: Transaction, news: Sequence[News], now: Moment) -> None:
        try:
            with transaction.savepoint(), _kept_open(transaction.session):
                for one in news:
                    for handler in self._handlers[type(one)]:
                        handler(transaction.session, one)
                self._flush(transaction)
        except BaseException as error:
            # Who calls `sys.exit` in a handler must not end the agent's thread.  In the main thread it may
            # be the handler of a signal, or a test that fails.
            is_for_all = not isinstance(error, Exception) and current_thread() is main_thread()
            if is_for_all or self._store.is_passing(error):
                raise
            if len(news) == 1:
                self._park(transaction, news[0], error, now)
                return
            half = len(news) // 2
            self._try(transaction, news[:half], now)
            self._try(transaction, news[half:], now)

    @staticmethod
    def _flush(transaction: Transaction) -> None:
        """What a handler has only prepared fails within its own savepoint."""
        flush = getattr(transaction.session, "flush", None)
        if flush is not None:
            flush()

    def _park(self, transaction: Transaction, news: News, error: BaseException, now: Moment) -> None:
        kind = type(news).__name__
        _logger.error("A handler fails for %s, which is parked as a dead letter", kind, exc_info=error)
        self._metrics.count("handler_failures_total")
        letter = DeadLetter(
            kind=LetterKind.NEWS,
            reason="handler_failed",
            detail=f"{kind}: {type(error).__name__}: {_words_of(error)}"[:200],
            body=to_text(news).encode(),
            added_at=now,
        )
        transaction.add_letters([letter], self._retention)
