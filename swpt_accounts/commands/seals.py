"""The commands `seals`: what the journal was, for those who keep it elsewhere."""

import sys

import click

from swpt_accounts.wire.moments import render_timestamp

from .common import command_context, json_option
from .display import show_json


@click.group(name="seals")
def seal_commands() -> None:
    """The seals of the journal: a chain of SHA-256, of which the newest one says all.

    Keep the newest one where those who can write to the database can not: as long as the chain still
    leads to it, nothing before it was changed.
    """


@seal_commands.command()
@json_option
def newest(as_json: bool) -> int:
    """Show the newest seal.

    The line has its number, its SHA-256, and when it was made.  Exit code 1: there is none yet.
    """
    from swpt_accounts.operators.inspection.books.seals import newest_seal

    with command_context() as context:
        seal = newest_seal(context.connection)
    if as_json:
        show_json(None if seal is None else seal.document())
    elif seal is not None:
        click.echo(f"{seal.seal_id} {seal.sha256} {render_timestamp(seal.sealed_at)}")
    else:
        click.echo("the journal has no seal yet", err=True)
    return int(seal is None)


@seal_commands.command()
@click.option("--after", default=0, show_default=True, help="Only those after the seal of this number.")
def export(after: int) -> int:
    """Write all seals, one JSON document on each line.

    `scripts/check_seals.py` checks them, and against seals that were kept before.
    """
    from swpt_accounts.operators.inspection.books.seals import list_seals

    with command_context() as context:
        for seal in list_seals(context.connection, after):
            show_json(seal.document())
    return 0


@seal_commands.command()
@click.argument("seal_id", type=int)
def rows(seal_id: int) -> int:
    """Write the rows of one segment, byte for byte as they were sealed.

    Their SHA-256, as `sha256sum` tells it, is the `rows_sha256` of the seal.
    """
    from swpt_accounts.operators.inspection.books.seals import write_segment

    with command_context() as context:
        write_segment(context.connection, seal_id, sys.stdout.buffer)
    return 0
