"""What the commands for operators share: settings, connections, orders, parameters."""

import logging
import os
import pwd
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, Moment, parse_timestamp
from swpt_accounts.wire.numbers import MAX_UINT64, MIN_INT64, i64

from .display import TABLE, show_list

if TYPE_CHECKING:
    from swpt_accounts.operators.inspection.keyset import Cut, Page
    from swpt_accounts.operators.operations.orders import Order
    from swpt_accounts.runtime.settings import Settings
    from swpt_accounts.transactions.context import TransactionContext

INTERRUPTED: Final = 130

_TELL_SECONDS: Final = 30.0

# No process has this number, so that the relay of the chores takes over what an operator has caused.
_LEFT_TO_THE_RELAY: Final = 0

F = TypeVar("F", bound=Callable[..., Any])


class CommandContext(NamedTuple):
    """Where an operator works: the settings, and a connection to the database."""

    settings: "Settings"
    connection: Any

    def transaction_context(self) -> "TransactionContext":
        """What transactions on accounts work with; their events are published by the chores."""
        from swpt_accounts.storage import fitness
        from swpt_accounts.transactions.account_memory import AccountMemory
        from swpt_accounts.transactions.context import load_policy, make_context, make_policy
        from swpt_accounts.transactions.debtor_infos import DebtorInfos

        fitness.prepare_database(self.settings)
        policy = load_policy(self.connection, make_policy(self.settings))
        infos, memory = DebtorInfos(), AccountMemory()
        return make_context(self.settings, policy, _LEFT_TO_THE_RELAY, infos=infos, memory=memory)


@contextmanager
def command_context(*, key_lookups_only: bool = False) -> Iterator[CommandContext]:
    """Read the settings and connect; raises OperatorError if the tables are not those of this version."""
    from swpt_accounts.runtime import logs, settings
    from swpt_accounts.storage import connections, migrations, watch

    loaded = settings.load()
    logs.set_up(loaded)
    # Whoever types a command wants its answer, and to hear of nothing but trouble.
    logger = logging.getLogger()
    logger.setLevel(max(logger.level, logging.WARNING))
    connection = connections.connect(
        loaded.postgres_url, "swpt_accounts operator", key_lookups_only=key_lookups_only
    )
    looking = watch.Watch(loaded.postgres_url, "The command has", "Soon it gives up.")
    with closing(connection), watch.watching(looking):
        looking.session = watch.session_number(connection)
        migrations.require_migrated(loaded.postgres_url)
        yield CommandContext(loaded, connection)


def order_of(operator: str | None) -> "Order":
    """The order of the person at this machine."""
    from swpt_accounts.operators.operations.orders import Order
    from swpt_accounts.runtime import clock

    return Order(operator or _user_name(), socket.gethostname(), clock.utcnow)


def _user_name() -> str:
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:  # usual in containers
        return f"uid {number}"


def stop_signal() -> Callable[[], bool]:
    """Make SIGTERM and SIGINT ask us to stop; a second one ends the process at once."""
    from swpt_accounts.roles.stopping import stop_on_signals

    return stop_on_signals(twice_is_enough=True).is_set


@contextmanager
def telling(progress: Callable[[], str]) -> Iterator[None]:
    """Say now and then how far a long command has come, where no terminal shows a bar."""
    import sys
    from threading import Event, Thread

    if sys.stderr.isatty():
        yield
        return

    over = Event()

    def tell() -> None:
        while not over.wait(_TELL_SECONDS):
            click.echo(progress(), err=True)

    thread = Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def database_url(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """The callback of an argument that is the address of a database."""
    from swpt_accounts.runtime.readers import read_postgres_url

    try:
        return read_postgres_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


# -- options and parameters ----------------------------------------------------------------------


def operator_option(command: F) -> F:
    """`--operator`, for commands that leave a row of the audit."""
    return click.option("--operator", help="Who gives the order, for the audit.  [default: you]")(command)


def json_option(command: F) -> F:
    """`--json`, for commands that show something."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for machines.")(command)


def form_options(command: F) -> F:
    """`--json` and `--csv`, for commands that show a table: the parameter `form`."""
    for form, meaning in (
        ("csv", "Comma-separated values, for other programs."),
        ("json", "One JSON document, for machines."),
    ):
        command = click.option(f"--{form}", "form", flag_value=form, type=str, help=meaning)(command)
    return click.option(
        "--table", "form", flag_value="table", type=str, default="table", help="A table.", hidden=True
    )(command)


def list_options(command: F) -> F:
    """`--limit` and `--all`, for lists; the parameters `limit` and `is_all`."""
    command = click.option("--all", "is_all", is_flag=True, help="To the end, however long it is.")(command)
    return click.option(
        "--limit", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="At most so many."
    )(command)


def span_options(command: F) -> F:
    """`--since` and `--until`, both included."""
    command = click.option("--until", type=timestamp, help="Not after this moment.")(command)
    return click.option("--since", type=timestamp, help="Not before this moment, like 2026-11-21T10:00:00Z.")(
        command
    )


def note_option(command: F) -> F:
    """`--note`, for what the dead letter will say about its end."""
    return click.option("--note", default="", help="Kept with the dead letter and in the audit.")(command)


def account_id(text: str) -> int:
    """An id as messages write it (signed), or as URLs and `account_id` do (unsigned)."""
    try:
        number = int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no number") from None
    if not MIN_INT64 <= number <= MAX_UINT64:
        raise click.BadParameter(f"{text} has more than 64 bits")
    return i64(number)


def timestamp(text: str) -> Moment:
    """A moment as messages write it."""
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}, like 2026-11-21T10:00:00Z") from None


def checked_span(since: Moment | None, until: Moment | None) -> tuple[Moment, Moment]:
    """A span of moments, of which either end may be open."""
    found = FIRST_MOMENT if since is None else since, LAST_MOMENT if until is None else until
    if found[0] > found[1]:
        raise click.BadParameter("--since must not be after --until")
    return found


def show_pages(
    read: "Callable[[Cut, int], Page[Any]]",
    columns: Sequence[str],
    form: str,
    *,
    limit: int,
    is_all: bool,
    shown: Callable[[Any], Mapping[str, Any]],
) -> None:
    """A list, to its end or at most so many of it; a table says if there is more."""
    from swpt_accounts.operators.inspection.tabular import EXPORT_ITEMS, all_pages

    is_more = False

    def pages() -> Iterator[list[Mapping[str, Any]]]:
        nonlocal is_more
        rest = limit
        for items in all_pages(read, EXPORT_ITEMS if is_all else min(EXPORT_ITEMS, limit + 1)):
            kept = items if is_all else items[:rest]
            rest -= len(kept)
            yield [{name: cell for name, cell in shown(item).items() if name in columns} for item in kept]
            if not is_all and len(items) > len(kept):
                is_more = True
                return

    show_list(columns, pages(), form)
    if is_more and form == TABLE:
        click.echo(f"and more: the first {limit} are shown; --limit N shows N, --all all of them")


NEGATIVE_IDS: Final = {"ignore_unknown_options": True}
"""The context of commands that take ids: `-1` is a debtor and no option."""
