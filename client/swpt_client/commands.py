"""What a person types: `swpt-client`, on the database of an application.

Only `park` must be typed while no agent runs; all the rest is done beside running agents.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any, Final

from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from .core import Result
from .errors import Refused
from .handlers import Handlers
from .metrics import NoMetrics
from .moments import Moment, of_datetime, render
from .office import Office
from .persons import Persons
from .policy import Policy
from .records import Account, Bundle, Transfer
from .store.base import DeadLetter, LetterKind, LetterState, OutboxRow, Overtaken, Retention, StoreAway
from .store.packing import to_full_text, to_text
from .store.sql import SqlStore

_URL: Final = "SWPT_CLIENT_DATABASE_URL"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the status of the process: 0, 1 for a no, 2 for what cannot be understood."""
    options = _parser().parse_args(arguments)
    url = options.database or os.environ.get(_URL, "")
    if not url:
        return _fail(f"say --database URL, or set {_URL}", 2)
    try:
        engine = create_engine(_with_driver(url))
    except (SQLAlchemyError, ValueError, ImportError) as error:
        return _fail(f"not a database that can be used: {error}", 2)
    try:
        for line in options.work(_persons(SqlStore(engine)), options):
            print(line)  # noqa: T201 - it is what a command is for
    except (Refused, StoreAway, Overtaken, ValueError) as error:
        return _fail(str(error))
    except SQLAlchemyError as error:
        return _fail(f"not a database of the client: {str(error).partition(chr(10))[0]}")
    except BrokenPipeError:
        return 1
    finally:
        engine.dispose()
    return 0


def _with_driver(text: str) -> URL:
    """A URL of PostgreSQL that names no driver gets the one that is installed, as applications have it."""
    url = make_url(text)
    if url.drivername not in ("postgresql", "postgres"):
        return url
    driver = next((one for one in ("psycopg", "psycopg2") if find_spec(one) is not None), None)
    if driver is None:
        raise ValueError("no driver of PostgreSQL is installed: pip install 'swpt-client[psycopg2]'")
    return url.set(drivername=f"postgresql+{driver}")


def _fail(text: str, status: int = 1) -> int:
    print(f"swpt-client: {text}", file=sys.stderr)  # noqa: T201
    return status


class _ForTheAgent(Handlers):
    """News of what a person has done wait for a running agent, which has the handlers."""

    def tell(self, transaction: Any, news: Sequence[Any], now: Moment) -> None:
        """Put them where the agent looks."""
        letters = [
            DeadLetter(
                kind=LetterKind.NEWS,
                reason="command",
                detail=type(one).__name__,
                body=to_text(one).encode(),
                state=LetterState.WAITING,
                added_at=now,
            )
            for one in news
        ]
        transaction.add_letters(letters, Retention())


def _persons(store: SqlStore) -> Persons:
    handlers = _ForTheAgent(store, NoMetrics(), Retention())
    return Persons(Office(store, Policy(), _now, handlers, NoMetrics(), _no_commit))


def _now() -> Moment:
    return of_datetime(datetime.now(UTC))


def _no_commit(_result: Result, _row: OutboxRow | None) -> None:
    """Running agents look by themselves."""


# --- the commands --------------------------------------------------------------------------------------


def _park(persons: Persons, _options: Any) -> Iterator[str]:
    done = persons.after_restore()
    yield f"parked: {done.parked_transfers} transfers, {done.parked_bundles} bundles"
    yield f"dropped from the outbox: {done.dropped_messages} messages"
    yield f"closed with a dummy entry: {done.closed_tails} ledgers"


def _parked(persons: Persons, options: Any) -> Iterator[str]:
    for one in persons.parked():
        yield to_full_text(one) if options.json else _line_of(one)


def _line_of(one: Transfer | Bundle) -> str:
    if isinstance(one, Bundle):
        state = f"{one.state}, was {one.parked_state}" if one.parked_state else str(one.state)
        return f"bundle {one.key}  {state}  {one.reason}".rstrip()
    request = one.request
    kinds = ", ".join(type(evidence.message).__name__ for evidence in one.evidence) or "no evidence"
    amount = request.max_locked_amount if one.decision is None else one.decision.committed_amount
    return (
        f"transfer {one.key}  was {one.parked_state}  {amount} of {request.debtor_id}"
        f" from {request.creditor_id} to {request.recipient}  begun {render(one.began_at)}  {kinds}"
    )


def _resume(persons: Persons, options: Any) -> Iterator[str]:
    yield from _each(persons.resume, options.key)


def _abandon(persons: Persons, options: Any) -> Iterator[str]:
    yield from _each(persons.abandon, options.key)


def _each(act: Callable[[str], Transfer | Bundle], keys: Sequence[str]) -> Iterator[str]:
    for key in keys:
        one = act(key)
        outcome = one.outcome if isinstance(one, Transfer) else ""
        yield f"{key}: {one.state} {outcome}".rstrip()


def _behind(persons: Persons, _options: Any) -> Iterator[str]:
    for account in persons.behind():
        yield _behind_line(account)


def _behind_line(account: Account) -> str:
    assert account.ledger is not None
    told = "?" if account.data is None else account.data.last_transfer_number
    number, since = account.ledger.last_transfer_number, account.ledger.behind_since
    assert since is not None
    return (
        f"{account.key.debtor_id} {account.key.creditor_id}  has {number}, told {told}, since {render(since)}"
    )


def _close_tails(persons: Persons, _options: Any) -> Iterator[str]:
    for key in persons.close_tails():
        yield f"{key.debtor_id} {key.creditor_id}"


def _letters(persons: Persons, options: Any) -> Iterator[str]:
    for one in persons.letters():
        if options.json:
            body = one.body.decode("utf-8", "backslashreplace")
            yield json.dumps({"id": one.id, "kind": one.kind, "reason": one.reason, "body": body})
        else:
            yield f"{one.id}  {one.kind}  {render(one.added_at)}  {one.reason}  {_plain(one.detail)}"


def _plain(text: str) -> str:
    """What strangers have written is shown, and does nothing to a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _put_back(persons: Persons, options: Any) -> Iterator[str]:
    for number in options.id:
        yield f"{number}: {'will be processed' if persons.put_back(number) else 'is not open'}"


def _discard(persons: Persons, options: Any) -> Iterator[str]:
    for number in options.id:
        yield f"{number}: {'discarded' if persons.discard(number) else 'is not open'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="swpt-client", description=__doc__)
    parser.add_argument("--database", metavar="URL", help=f"SQLAlchemy's; by default that of {_URL}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, work: Callable[[Persons, Any], Iterator[str]], text: str) -> Any:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(work=work)
        return added

    command("park", _park, "After a restore, before the application starts: park all that was under way.")
    for name, work, text in (
        ("parked", _parked, "List what waits for a person."),
        ("letters", _letters, "List dead letters: messages and news that nobody could process."),
    ):
        command(name, work, text).add_argument("--json", action="store_true", help="one object a line")
    for name, work, text in (
        ("resume", _resume, "Let parked transfers or bundles go on from what the evidence shows."),
        ("abandon", _abandon, "End parked transfers or bundles so that nothing moves any more."),
    ):
        command(name, work, text).add_argument("key", nargs="+")
    command("behind", _behind, "List accounts whose ledgers lack transfers that the server has told of.")
    command("close-tails", _close_tails, "Bring these ledgers to what the server has told.")
    for name, work, text in (
        ("put-back", _put_back, "Let a running agent process dead letters once more."),
        ("discard", _discard, "Close dead letters that nobody wants."),
    ):
        command(name, work, text).add_argument("id", nargs="+", type=int)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
