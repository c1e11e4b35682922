"""The command `import-reference`: a node that ran the public reference server moves in."""

import click

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.numbers import MAX_TRANSFER_NOTE_BYTES

from .common import INTERRUPTED, command_context, database_url, operator_option, order_of, stop_signal

_SECONDS_PER_DAY = 86400
_TELL_EVERY = 20_000


@click.command(name="import-reference")
@click.argument("source_url", callback=database_url)
@click.option(
    "--commit-period-days",
    type=click.FloatRange(min=0.0),
    default=90.0,
    show_default=True,
    help="What APP_PREPARED_TRANSFER_MAX_DELAY_DAYS was there: COMMIT_PERIOD may not be shorter.",
)
@click.option("--check", is_flag=True, help="Only show what is in the way, and what would be lost.")
@click.option("--force", is_flag=True, help="Although others are connected to the source.")
@operator_option
def import_reference(
    source_url: str, commit_period_days: float, check: bool, force: bool, operator: str | None
) -> int:
    """Take over the database of a reference server, which is stopped and drained.

    Reads the accounts and prepared transfers at SOURCE_URL, which is never written to, into the database
    POSTGRES_URL, which has to be new (`swpt-accounts configure`).  Shows first what can not be
    taken over.  All is written in one transaction, which is proved before its end: when it is interrupted,
    nothing has happened, and it can be repeated.
    """
    from swpt_accounts.operators.inspection import reference as inspection
    from swpt_accounts.operators.operations import reference as operations
    from swpt_accounts.storage import fitness

    with command_context() as context, inspection.reference_source(source_url) as source:
        _keep_promises(
            context.settings.commit_period, context.settings.transfer_note_max_bytes, commit_period_days
        )
        is_stopping = stop_signal()
        examined = inspection.examine(source, is_forced=force)
        for loss in examined.losses:
            click.echo(f"not taken over: {loss}", err=True)
        click.echo(f"found: {examined.accounts} accounts, {examined.transfers} prepared transfers", err=True)
        if check and not examined.problems:
            click.echo("nothing is in the way")
            return 0
        fitness.prepare_database(context.settings)
        imported = operations.import_reference(
            context.connection,
            source,
            examined,
            order=order_of(operator),
            progress=_show_progress,
            is_stopping=is_stopping,
        )
    if not imported.is_finished:
        click.echo("stopped: nothing is imported; repeat the command to begin anew", err=True)
        return INTERRUPTED
    click.echo(
        f"imported at {render_timestamp(imported.imported_at)}: {imported.accounts} accounts,"
        f" {imported.transfers} prepared transfers; principals add up to 0, locks and numbers agree"
    )
    return 0


def _keep_promises(commit_period: int, transfer_note_max_bytes: int, commit_period_days: float) -> None:
    """What the clients were promised there may only grow (rules.md#server-record)."""
    promised = round(commit_period_days * _SECONDS_PER_DAY)
    if commit_period < promised:
        raise OperatorError(
            f"COMMIT_PERIOD={commit_period}: the reference server has promised {promised} to its clients, and"
            f" the value may only grow: set COMMIT_PERIOD to {promised} or more, or say by"
            " --commit-period-days what it was there"
        )
    if transfer_note_max_bytes < MAX_TRANSFER_NOTE_BYTES:
        raise OperatorError(
            f"TRANSFER_NOTE_MAX_BYTES={transfer_note_max_bytes}: the reference server has promised"
            f" {MAX_TRANSFER_NOTE_BYTES} to its clients, and the value may only grow: set it to that"
        )


def _show_progress(rows: int) -> None:
    if rows and rows % _TELL_EVERY == 0:
        click.echo(f"{rows} rows are written, and not yet committed", err=True)
