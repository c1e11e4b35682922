"""The command line: thin verbs over functions of the same names.

Whatever goes wrong in an expected way is shown on standard error without a traceback.  Exit
codes: 0 done, 1 it could not be done, 2 wrong settings or wrong usage, 130 interrupted.
"""

import sys
from traceback import format_exc
from typing import TYPE_CHECKING, Final, NoReturn

import click

from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.settings import Settings, SettingsError
from swpt_accounts.runtime.shown import spelled_out_lines

from .accounts import account_commands, ledger
from .aliases import aliases
from .audit import audit
from .books.check_shard import check_shard
from .books.restored import restored
from .books.verify import verify
from .check_message import check_message
from .credits import credit_commands
from .dead_letters import dead_letters
from .journal import journal_commands
from .outbox import outbox_commands
from .reference import import_reference
from .refusals import refusal_commands
from .seals import seal_commands
from .settings import show_settings
from .shards.router import router
from .shards.split import split
from .shards.waiting import waiting_command
from .tokens import token_commands
from .topology import topology_commands
from .transfers import transfer_commands

if TYPE_CHECKING:
    from swpt_accounts.roles.health import Role

_ROLES = ("web", "worker", "chores", "all")
_FOR_OPERATORS: Final = (
    account_commands,
    audit,
    check_message,
    check_shard,
    credit_commands,
    dead_letters,
    import_reference,
    journal_commands,
    ledger,
    outbox_commands,
    refusal_commands,
    waiting_command,
    restored,
    router,
    seal_commands,
    show_settings,
    split,
    token_commands,
    topology_commands,
    transfer_commands,
    verify,
)


def _show_version(context: click.Context, _: click.Parameter, is_wanted: bool) -> None:
    if is_wanted:
        from swpt_accounts.runtime.version import version

        if not (found := version()):
            raise OperatorError("not installed: run `make install` first")
        click.echo(found)
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version.",
)
@click.option("--supervised", is_flag=True, hidden=True, help="Started by `all`: stop when it is gone.")
def program(supervised: bool) -> None:
    """The accounting server of the Swaptacular Messaging Protocol.

    It takes messages from RabbitMQ, applies the rules of accounting to accounts in PostgreSQL, and
    answers with messages.  Settings come from environment variables; env.development lists
    each of them with its default.  POSTGRES_URL must be set, PROTOCOL_BROKER_URL almost always.

    \b
    First start:       swpt-accounts configure && swpt-accounts all
    Just looking:      swpt-accounts demo
    """
    if supervised:
        from swpt_accounts.roles import supervision

        supervision.begin_supervised()


@program.command()
def configure() -> int:
    """Prepare the database and the broker.

    Brings the tables to this version, and declares exchanges, queues and bindings.  Waits
    for servers that are not up yet.  Can be repeated at any time, also while the server runs.
    """
    settings = _start()
    from swpt_accounts.roles import configure

    return configure.run(settings)


@program.command()
def worker() -> int:
    """Process messages: one process of many on the same queue.

    Start as many as there are cores to spare.  On SIGTERM or SIGINT it finishes the batch it is
    working on, gives the other messages back to the queue, and ends.
    """
    settings = _start("worker")
    from swpt_accounts.roles import worker

    return worker.run(settings)


@program.command()
@click.option("--once", is_flag=True, help="Do everything now, whether it is due or not; print a table; end.")
@click.option("--only", metavar="NAME", multiple=True, help="Only the chore of this name (repeatable).")
def chores(once: bool, only: tuple[str, ...]) -> int:
    """Do the periodic work.

    Announces changed balances, carries the settings of a currency to its accounts, sends
    what other processes left unsent, pays interest, sends heartbeats and reminders, deletes and
    purges accounts, and makes room in the journal.  One process is enough; several share the load.
    """
    settings = _start("chores")
    from swpt_accounts.roles import chores

    return chores.run_once(settings, only) if once else chores.run(settings, only)


@program.command()
def web() -> int:
    """Answer other services and operators over HTTP.

    Listens at WEBSERVER_BIND, port WEBSERVER_PORT, for other services.  That asks for no password: let
    only the internal network reach it.  Listens at ADMIN_BIND, port ADMIN_PORT, for operators, who
    need a token (see `swpt-accounts tokens`).
    """
    settings = _start("web")
    from swpt_accounts.roles import web

    return web.run(settings)


@program.command(name="all")
def everything() -> int:
    """Run everything on one machine.

    Does `configure` first; then runs WORKER_PROCESSES workers, the chores and the web server, and
    starts again whatever dies.  On SIGTERM or SIGINT it stops them all and waits for them.
    """
    settings = _start()
    from swpt_accounts.roles import web

    # A port in use is better reported at once than by a web server that is started again and again.
    web.listen(settings).close()
    from swpt_accounts.roles import configure, supervision

    if code := configure.run(settings):
        return code
    return supervision.run(settings)


@program.command()
@click.option("--transfers", default=1000, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--keep", is_flag=True, help="Stay up with the web server at the end, until Ctrl-C.")
@click.option("--seed", type=int, help="Repeat the transfers of another run, which has shown its seed.")
@click.option(
    "--shards", default="1", show_default=True, help="So many servers with a part each: 1, 2, 4, 8."
)
def demo(transfers: int, keep: bool, seed: int | None, shards: str) -> int:
    """See it work, with nothing installed.

    Brings a PostgreSQL of its own and carries the messages inside this process.  Makes a currency,
    opens accounts, issues money, moves it in two-phase transfers, and proves that no
    money was lost or made on the way.  Exit code 0 means that the proof holds.

    With several shards the accounts are spread over as many servers, each with a database of its own, money
    moves between them, and the proof adds their books up.
    """
    from swpt_accounts import demo

    return demo.run(transfers=transfers, keep=keep, seed=seed, shards=demo.number_of_shards(shards))


@program.command()
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    default="web",
    show_default=True,
    help="web: the web server of this machine answers.  worker, chores: the database and the broker "
    "are configured and do what a batch needs.  all: both.",
)
def healthcheck(role: "Role") -> int:
    """Show whether a role can do its work.

    Writes one line, and ends with exit code 0 if all is well and 1 if not.
    """
    from swpt_accounts.roles import health
    from swpt_accounts.runtime import settings

    click.echo(f"healthy: {health.check(settings.load(), role)}")
    return 0


for _command in (*_FOR_OPERATORS, *aliases(web, worker, chores, check_shard)):
    program.add_command(_command)


def _start(role: str | None = None) -> Settings:
    """What every command that runs for long does first; a role counts what it does."""
    from swpt_accounts.runtime import logs, settings

    loaded = settings.load()
    logs.set_up(loaded)
    if role is not None:
        from swpt_accounts.runtime import metering

        metering.begin(loaded.metrics_folder, role)
    return loaded


def main() -> NoReturn:
    """Run the program with the arguments of the process."""
    try:
        code = program.main(prog_name="swpt-accounts", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except SettingsError as error:
        # It has left secrets out by itself, and shows what an address looks like.
        click.echo(str(error), err=True)
        code = error.exit_code
    except OperatorError as error:
        _complain(str(error))
        code = error.exit_code
    except Exception as error:
        # SQLAlchemy wraps what the driver says in words of its own.
        text = first_line(error)
        # Python would write a traceback as it is, passwords included.
        _complain(text if _is_outage(error) else format_exc())
        code = 1
    sys.exit(code)


def _complain(text: str) -> None:
    click.echo(mask_secrets(spelled_out_lines(text)).rstrip("\n"), err=True)


def _is_outage(error: Exception) -> bool:
    """Whether a server is away or refuses us, which nobody understands better with a traceback."""
    from dramatiq.errors import BrokerConnectionError
    from psycopg2.errors import InsufficientPrivilege
    from sqlalchemy.exc import DBAPIError

    from swpt_accounts.storage.faults import has_lost_connection

    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    return isinstance(cause, (BrokerConnectionError, InsufficientPrivilege)) or has_lost_connection(cause)
