"""What the commands for operators share: settings, connections, orders, parameters."""

import logging
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click

from swpt_accounts.wire.moments import Moment, parse_timestamp
from swpt_accounts.wire.numbers import MAX_UINT64, MIN_INT64, i64

if TYPE_CHECKING:
    from swpt_accounts.operators.operations.orders import Order
    from swpt_accounts.runtime.settings import Settings
    from swpt_accounts.transactions.context import TransactionContext

INTERRUPTED: Final = 130

# No process has this number, so that the relay of the chores takes over what an operator has caused.
_LEFT_TO_THE_RELAY: Final = 0

F = TypeVar("F", bound=Callable[..., Any])


class CommandContext(NamedTuple):
    """Where an operator works: the settings, and a connection to the database."""

    settings: "Settings"
    connection: Any

    def transaction_context(self) -> "TransactionContext":
        """What transactions on accounts work with; their events are published by the chores."""
        from swpt_accounts.storage import readiness
        from swpt_accounts.transactions.account_memory import AccountMemory
        from swpt_accounts.transactions.context import load_policy, make_context, make_policy
        from swpt_accounts.transactions.debtor_infos import DebtorInfos

        readiness.prepare_database(self.settings)
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


# -- options and parameters ----------------------------------------------------------------------


def operator_option(command: F) -> F:
    """`--operator`, for commands that leave a row of the audit."""
    return click.option("--operator", help="Who gives the order, for the audit.  [default: you]")(command)


def json_option(command: F) -> F:
    """`--json`, for commands that show something."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for machines.")(command)


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


NEGATIVE_IDS: Final = {"ignore_unknown_options": True}
"""The context of commands that take ids: `-1` is a debtor and no option."""
