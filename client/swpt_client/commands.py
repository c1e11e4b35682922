"""What a person types: `swpt-client`, on the database of an application."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from sqlalchemy import URL, Engine, create_engine, inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from .core import Result
from .errors import Refused
from .handlers import Handlers
from .limits import MAX_INT64
from .metrics import NoMetrics
from .moments import Moment, of_datetime, render
from .office import Office
from .persons import Persons
from .policy import Policy
from .records import Account, Bundle, Transfer
from .store.base import DeadLetter, LetterKind, LetterState, OutboxRow, Overtaken, Retention, StoreAway
from .store.packing import to_full_text, to_text
from .store.sql import SqlStore
from .store.sql.schema import meta

_T = TypeVar("_T")
_URL: Final = "SWPT_CLIENT_DATABASE_URL"


_JOB: Final = (
    "Looks after what an application keeps with swpt-client: payments that wait for a person after a"
    " restore, ledgers that lack something, and dead letters."
)
_WHEN: Final = "Type `park` while no agent runs; all the rest may be typed beside running agents."


class _No(msgspec.Struct, frozen=True):
    """What was not done, and why; a command goes on with what is left."""

    text: str


_Lines: TypeAlias = Iterator[str | _No]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the status of the process: 0, 1 for a no, 2 for what cannot be understood."""
    options = _parser().parse_args(arguments)
    url = options.database or os.environ.get(_URL, "")
    if not url:
        return _fail(f"say --database URL, or set {_URL}", 2)
    try:
        engine = create_engine(_address(url))
    except (SQLAlchemyError, ValueError, ImportError) as error:
        return _fail(f"not a database that can be used: {error}", 2)
    try:
        return _run(engine, options)
    except (Refused, StoreAway, Overtaken, ValueError) as error:
        return _fail(str(error))
    except SQLAlchemyError as error:
        return _fail(f"not a database of the client: {str(error).partition(chr(10))[0]}")
    except BrokenPipeError:
        return 1
    finally:
        engine.dispose()


def _run(engine: Engine, options: Any) -> int:
    persons = _persons(SqlStore(engine))
    _check_tables(engine)
    status = 0
    for line in options.work(persons, options):
        if isinstance(line, _No):
            status = _fail(line.text)
        else:
            print(line)  # noqa: T201 - it is what a command is for
    return status


def _address(text: str) -> URL:
    """A URL of PostgreSQL that names no driver gets the one that is installed, as applications have it.

    SQLite makes no file.
    """
    url = make_url(text)
    if url.get_backend_name() == "sqlite" and "uri" in url.query:
        return url if "mode" in url.query else url.update_query_dict({"mode": "rw"})
    if url.drivername not in ("postgresql", "postgres"):
        return url
    driver = next((one for one in ("psycopg", "psycopg2") if find_spec(one) is not None), None)
    if driver is None:
        raise ValueError("no driver of PostgreSQL is installed: pip install psycopg2-binary")
    return url.set(drivername=f"postgresql+{driver}")


def _check_tables(engine: Engine) -> None:
    """Whoever mistypes a name is told so, and finds no new database there.  Raises ValueError."""
    url = engine.url
    is_file = url.get_backend_name() == "sqlite" and "uri" not in url.query
    if is_file and url.database not in (None, "", ":memory:") and not _exists(str(url.database)):
        raise ValueError(f"there is no database {url.database}")
    if not inspect(engine).has_table(meta.name):
        shown = url.render_as_string()
        raise ValueError(f"no tables of the client are in {shown}: an agent makes them when it is started")


def _exists(place: str) -> bool:
    try:
        return Path(place).exists()
    except OSError as error:
        raise ValueError(f"{place}: {error.strerror}") from error


def _number(text: str) -> int:
    """The number of a row.  Raises ArgumentTypeError for what no row can have."""
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) <= MAX_INT64:
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a letter")
    return int(text)


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


def _park(persons: Persons, _options: Any) -> _Lines:
    done = persons.after_restore()
    yield f"parked: {done.parked_transfers} transfers, {done.parked_bundles} bundles"
    yield f"dropped from the outbox: {done.dropped_messages} messages"
    yield f"closed with a dummy entry: {done.closed_tails} ledgers"


def _parked(persons: Persons, options: Any) -> _Lines:
    for one in persons.parked():
        yield to_full_text(one) if options.json else _line_of(one)


def _line_of(one: Transfer | Bundle) -> str:
    if isinstance(one, Bundle):
        state = f"{one.state}, was {one.parked_state}" if one.parked_state else str(one.state)
        return f"bundle {_plain(one.key)}  {state}  {one.reason}".rstrip()
    request = one.request
    kinds = ", ".join(type(evidence.message).__name__ for evidence in one.evidence) or "no evidence"
    amount = request.max_locked_amount if one.decision is None else one.decision.committed_amount
    return (
        f"transfer {_plain(one.key)}  was {one.parked_state}  {amount} of {request.debtor_id}"
        f" from {request.creditor_id} to {request.recipient}  begun {render(one.began_at)}  {kinds}"
    )


def _resume(persons: Persons, options: Any) -> _Lines:
    yield from _each(options.key, lambda key: _line_after(persons.resume(key, options.kind)))


def _abandon(persons: Persons, options: Any) -> _Lines:
    yield from _each(options.key, lambda key: _line_after(persons.abandon(key, options.kind)))


def _line_after(one: Transfer | Bundle) -> str:
    if isinstance(one, Bundle):
        return f"bundle {_plain(one.key)}: {one.state}"
    return f"transfer {_plain(one.key)}: {one.state} {one.outcome}".rstrip()


def _each(names: Sequence[_T], act: Callable[[_T], str | _No]) -> _Lines:
    """Each is tried, whatever becomes of others, as long as there is a database."""
    for place, name in enumerate(names):
        try:
            yield act(name)
        except (Refused, Overtaken) as error:
            yield _No(str(error))
        except StoreAway as error:
            yield _No(f"{error}; not done: {', '.join(map(repr, names[place:]))}")
            return


def _behind(persons: Persons, _options: Any) -> _Lines:
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


def _close_tails(persons: Persons, _options: Any) -> _Lines:
    for key in persons.close_tails():
        yield f"{key.debtor_id} {key.creditor_id}"


def _letters(persons: Persons, options: Any) -> _Lines:
    for one in persons.letters():
        if options.json:
            body = one.body.decode("utf-8", "backslashreplace")
            yield json.dumps({"id": one.id, "kind": one.kind, "reason": one.reason, "body": body})
        else:
            yield f"{one.id}  {one.kind}  {render(one.added_at)}  {one.reason}  {_plain(one.detail)}"


def _plain(text: str) -> str:
    """What strangers have written is shown, and does nothing to a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _put_back(persons: Persons, options: Any) -> _Lines:
    yield from _each(options.id, lambda one: _closed(one, persons.put_back(one), "will be processed"))


def _discard(persons: Persons, options: Any) -> _Lines:
    yield from _each(options.id, lambda one: _closed(one, persons.discard(one), "discarded"))


def _closed(number: int, is_done: bool, text: str) -> str | _No:
    return f"{number}: {text}" if is_done else _No(f"{number}: is not open")


def _version() -> str:
    try:
        return version("swpt-client")
    except PackageNotFoundError:
        return "that is not installed"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="swpt-client", description=_JOB, epilog=_WHEN)
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    database: Any = {"metavar": "URL", "help": f"SQLAlchemy's; by default that of {_URL}"}
    parser.add_argument("--database", **database)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, work: Callable[[Persons, Any], _Lines], text: str) -> Any:
        added = commands.add_parser(name, help=text, description=text)
        # What is said before the command stays, if nothing is said behind it.
        added.add_argument("--database", default=argparse.SUPPRESS, **database)
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
        added = command(name, work, text)
        added.add_argument(
            "--kind", choices=("transfer", "bundle"), help="for keys that stand for one of each"
        )
        added.add_argument("key", nargs="+")
    command("behind", _behind, "List accounts whose ledgers lack transfers that the server has told of.")
    command("close-tails", _close_tails, "Bring these ledgers to what the server has told.")
    for name, work, text in (
        ("put-back", _put_back, "Let a running agent process dead letters once more."),
        ("discard", _discard, "Close dead letters that nobody wants."),
    ):
        command(name, work, text).add_argument("id", nargs="+", type=_number)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
