"""The command `restored`: an order for a database that comes from a backup (rules.md#after-a-restore)."""

import click

from swpt_accounts.commands.common import (
    INTERRUPTED,
    command_context,
    operator_option,
    order_of,
    stop_signal,
    timestamp,
)
from swpt_accounts.commands.progress import progress
from swpt_accounts.wire.moments import MICROSECONDS, Moment, render_timestamp


@click.command()
@click.option("--moment", type=timestamp, help="When the database was restored.  [default: now]")
@click.option("--force", is_flag=True, help="Although the server works on the database.")
@operator_option
def restored(moment: Moment | None, force: bool, operator: str | None) -> int:
    """Make a database that was restored from a backup fit for work.

    Run it before the server starts again.  It raises the counters of every account, so that no number
    that was announced after the backup comes again with another meaning, and announces all
    accounts.  It can be stopped and repeated: with the same --moment it goes on where it was.
    """
    from swpt_accounts.operators.operations import restoration

    with (
        command_context(key_lookups_only=True) as context,
        progress(context.connection, "accounts", "account") as reach,
    ):
        result = restoration.raise_counters(
            context.connection,
            None if moment is None else moment // MICROSECONDS * MICROSECONDS,
            is_forced=force,
            context=context.transaction_context(),
            order=order_of(operator),
            is_stopping=stop_signal(),
            reach=reach,
        )
    shown = render_timestamp(result.restored_at)
    if not result.is_finished:
        click.echo(f"stopped after {result.accounts} accounts: go on with --moment {shown}", err=True)
        return INTERRUPTED
    click.echo(f"restored at {shown}: {result.accounts} accounts, {result.announced} announced now")
    return 0
