"""The command `split`: one shard becomes two, step by step (rules.md#splitting-a-shard)."""

import time
from typing import TYPE_CHECKING, Final

import click

from swpt_accounts.commands.common import database_url, operator_option, order_of

if TYPE_CHECKING:
    from swpt_accounts.operators.inspection.shards.split_view import Wanted
    from swpt_accounts.rules.split import SplitView, Step
    from swpt_accounts.runtime.settings import Settings

SOMEBODY_ELSE: Final = 3
"""The exit code if it is the turn of somebody else."""

_LOOK_SECONDS: Final = 1.0
_QUIET_SECONDS: Final = 2.0


@click.command()
@click.argument("url_0", callback=database_url)
@click.argument("url_1", callback=database_url)
@click.option("--queue-0", help="The queue of the first child.  [default: PROTOCOL_BROKER_QUEUE and _0]")
@click.option("--queue-1", help="The queue of the second child.  [default: PROTOCOL_BROKER_QUEUE and _1]")
@click.option(
    "--copy-here", is_flag=True, help="Make both databases on the server of the parent, when it rests."
)
@click.option(
    "--wait", "wait_seconds", type=click.FloatRange(min=0.0), default=0.0, help="Seconds for others."
)
@click.option("--once", is_flag=True, help="Do one step at most.")
@click.option("--look", "is_looking", is_flag=True, help="Say what is next, and change nothing.")
@operator_option
def split(
    url_0: str,
    url_1: str,
    queue_0: str | None,
    queue_1: str | None,
    copy_here: bool,
    wait_seconds: float,
    once: bool,
    is_looking: bool,
    operator: str | None,
) -> int:
    """Split this shard in two, step by step.

    Run it with the settings of the shard that is split; URL_0 and URL_1 are the databases of its children:
    two standbys that follow the parent, or with --copy-here two that do not exist yet.  It does what it can,
    and says what is next; start it again then.  It can be interrupted anywhere, and goes on where it was.
    It refuses what would lose something.

    Exit code 0: the split is done.  3: it is somebody else's turn.  1: it was refused, or went wrong.
    """
    from swpt_accounts.operators.inspection.shards.split_view import Wanted
    from swpt_accounts.runtime import logs, settings

    loaded = settings.load()
    logs.set_up(loaded)
    queue = loaded.protocol_broker_queue
    queues = (queue_0 or f"{queue}_0", queue_1 or f"{queue}_1")
    wanted = Wanted((url_0, url_1), queues, can_copy=copy_here)
    if is_looking:
        return _look(loaded, wanted)
    return _go_on(loaded, wanted, operator, time.monotonic() + wait_seconds, once=once)


def _look(settings: "Settings", wanted: "Wanted") -> int:
    from swpt_accounts.operators.inspection.shards.split_view import look
    from swpt_accounts.rules.split import next_step

    view = look(settings, wanted)
    return _end(view, next_step(view), wanted)


def _go_on(settings: "Settings", wanted: "Wanted", operator: str | None, until: float, *, once: bool) -> int:
    from swpt_accounts.operators.inspection.shards.split_view import look
    from swpt_accounts.operators.operations.splitting import Splitting
    from swpt_accounts.rules.split import Doing, next_step

    splitting = Splitting(settings, wanted, order_of(operator))
    is_rerouted, is_quiet, told = False, False, ""
    while True:
        view = look(settings, wanted)
        step = next_step(view)
        is_open = view.begun_at is not None and view.closed_at is None
        if is_open and not is_rerouted and step.doing is not Doing.REFUSED:
            # Whoever began may have been interrupted in the middle.
            splitting.reroute(view)
            is_rerouted = True
        elif step.doing is Doing.CLOSE and not is_quiet:
            # What was on its way to the queue when it was unbound has come by then.
            time.sleep(_QUIET_SECONDS)
            is_quiet = True
        elif splitting.can(step):
            splitting.do(view, step)
            click.echo(f"done: {step.text}")
            if once:
                return SOMEBODY_ELSE
        elif step.doing is Doing.AWAIT and time.monotonic() < until:
            if step.text != told:
                told = step.text
                click.echo(f"waiting: {told}")
            time.sleep(_LOOK_SECONDS)
        else:
            return _end(view, step, wanted)


def _end(view: "SplitView", step: "Step", wanted: "Wanted") -> int:
    from swpt_accounts.rules.split import Doing

    if step.doing is Doing.DONE:
        click.echo(step.text)
        return 0
    if step.doing is Doing.REFUSED:
        click.echo(f"refused: {step.text}", err=True)
        return 1
    click.echo(f"next: {step.text}")
    if step.side is not None and view.copies[step.side].realm == view.children()[step.side]:
        from swpt_accounts.runtime.errors import mask_secrets

        click.echo(f"  PROTOCOL_BROKER_QUEUE_ROUTING_KEY={view.children()[step.side].binding_key}")
        click.echo(f"  PROTOCOL_BROKER_QUEUE={wanted.queues[step.side]}")
        click.echo(f"  POSTGRES_URL={mask_secrets(wanted.urls[step.side])}")
        click.echo("  DELETE_FOREIGN_RECORDS=yes")
    return SOMEBODY_ELSE
