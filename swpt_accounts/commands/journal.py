"""The commands `journal`: the partitions of the journal."""

import click

from .common import INTERRUPTED, command_context, operator_option, order_of, stop_signal


@click.group(name="journal")
def journal_commands() -> None:
    """The journal of committed transfers, which has a partition for each month."""


@journal_commands.command()
@operator_option
def tidy(operator: str | None) -> int:
    """Move rows from the default partition into the partitions of their months.

    They came there when the clock was wrong, or when no partition could be made for long, and keep
    their months from getting a partition.  The server may run meanwhile.  It can be stopped and repeated.
    """
    from swpt_accounts.operators.operations import journal

    is_stopping = stop_signal()
    with command_context() as context:
        moved = journal.tidy(context.connection, order=order_of(operator), is_stopping=is_stopping)
    for one in moved:
        click.echo(f"{one.name}: {one.rows} rows moved out of the default partition")
    if is_stopping():
        click.echo("stopped: repeat the command, and it goes on", err=True)
        return INTERRUPTED
    if not moved:
        click.echo("the default partition holds no rows")
    return 0
