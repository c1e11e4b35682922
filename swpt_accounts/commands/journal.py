"""The commands `journal`: the partitions of the journal, and months that are closed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from swpt_accounts.wire.moments import MICROSECONDS

from .common import INTERRUPTED, command_context, form_options, operator_option, order_of, stop_signal
from .display import moment, show_list

if TYPE_CHECKING:
    from swpt_accounts.storage.partitions import Month

_COLUMNS: Final = ("month", "rows", "openings", "closed_at", "dropped_at", "archive_sha256")


def _read_month(_context: Any, _parameter: Any, text: str) -> "Month":
    from swpt_accounts.storage.partitions import Month

    try:
        return Month(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC))
    except ValueError:
        raise click.BadParameter(f"{text!r} must be a month, like 2026-01") from None


_month = click.argument("month", metavar="YYYY-MM", callback=_read_month)
_archive = click.option(
    "--archive",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file with all rows of the month, as they were sealed.",
)


@click.group(name="journal")
def journal_commands() -> None:
    """The journal of committed transfers, which has a partition for each month."""


@journal_commands.command()
@operator_option
def tidy(operator: str | None) -> int:
    """Move rows from the default partition into the partitions of their months.

    They came there when the clock was wrong, or when no partition could be made for long, and keep
    their months from getting a partition.  A month that is closed gets one again, for what came later; it
    leaves the journal with the next month that is closed.  The server may run meanwhile.  It can be stopped
    and repeated.
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


@journal_commands.command(name="close-month")
@_month
@_archive
@operator_option
def close_month(month: "Month", archive: Path, operator: str | None) -> int:
    """Take the oldest month out of the journal, write it to an archive, and leave opening balances.

    The server may run meanwhile.  All is one transaction: who is killed has changed nothing.  `verify` and
    the seals hold as before.  The rows stay in the database until `drop-month`.  Only the owner of the
    tables may do it.
    """
    from swpt_accounts.operators.operations import closing

    is_stopping = stop_signal()
    with command_context() as context:
        order = order_of(operator)
        safe = int(context.settings.credit_safe_age * MICROSECONDS)
        closed = closing.close_month(
            context.connection,
            month,
            archive,
            closed_before=order.clock() - safe,
            order=order,
            is_stopping=is_stopping,
        )
    if closed is None:
        click.echo("stopped: nothing is changed", err=True)
        return INTERRUPTED
    click.echo(f"{month}: {closed.row_count} rows in {archive}, {closed.openings} opening balances")
    click.echo(f"{closed.archive_sha256}  {archive}")
    return 0


@journal_commands.command(name="drop-month")
@_month
@_archive
@operator_option
def drop_month(month: "Month", archive: Path, operator: str | None) -> None:
    """Drop the rows of a closed month, when its archive is shown.

    The archive must have the SHA-256 that it had when the month was closed.
    """
    from swpt_accounts.operators.operations import closing

    with command_context() as context:
        dropped = closing.drop_month(context.connection, month, archive, order=order_of(operator))
    click.echo(f"{month}: {dropped.row_count} rows dropped")


@journal_commands.command()
@form_options
def closed(form: str) -> None:
    """List the closed months, the oldest first, with the SHA-256 of their archives."""
    from swpt_accounts.operators.inspection.closed_months import read_closed_months
    from swpt_accounts.storage.partitions import Month
    from swpt_accounts.wire.moments import to_datetime

    with command_context() as context, context.connection, context.connection.cursor() as cursor:
        found = read_closed_months(cursor)
    rows = [
        {
            "month": str(Month(to_datetime(one.starts_at))),
            "rows": one.row_count,
            "openings": one.openings,
            "closed_at": moment(one.closed_at),
            "dropped_at": moment(one.dropped_at),
            "archive_sha256": one.archive_sha256,
        }
        for one in found
    ]
    show_list(_COLUMNS, [rows], form)
