"""The commands `credits`: credits from other shards that were put aside.

See rules.md#credits-from-other-shards.
"""

import click

from .common import command_context, note_option, operator_option, order_of

_id = click.argument("dead_letter_id", metavar="ID", type=click.IntRange(min=1))


@click.group(name="credits")
def credit_commands() -> None:
    """Credits from other shards that became dead letters.

    Each of them is money that has left one account and has not arrived on the other.
    """


@credit_commands.command()
@_id
@note_option
@click.option(
    "--not-in-archives", is_flag=True, help="The archives of closed months were searched for the credit."
)
@operator_option
def apply(dead_letter_id: int, note: str, not_in_archives: bool, operator: str | None) -> None:
    """Apply the credit in a dead letter, however old it is.

    The credit has all its effects, in one transaction.  A credit that the registry or the journal
    knows already is refused, so that no money is made; so is one that may be in a closed month, until
    somebody says that it is not.
    """
    from swpt_accounts.operators.operations.credits import apply_credit

    with command_context(key_lookups_only=True) as context:
        applied = apply_credit(
            context.connection,
            dead_letter_id,
            note,
            context=context.transaction_context(),
            order=order_of(operator),
            is_searched=not_in_archives,
        )
    click.echo(
        f"applied {applied.principal_delta:+} to account {applied.debtor_id}/{applied.creditor_id}:"
        f" its principal is {applied.principal}"
    )


@credit_commands.command()
@_id
@click.option("--note", required=True, help="Why; kept with the dead letter and in the audit.")
@operator_option
def discard(dead_letter_id: int, note: str, operator: str | None) -> None:
    """Close a credit that is too old or in conflict, without any other effect.

    Unless it was applied before, its money is lost, and the currency does not add up any more.
    """
    from swpt_accounts.operators.operations.credits import discard_credit

    with command_context() as context:
        discard_credit(context.connection, dead_letter_id, note, order=order_of(operator))
    click.echo(f"discarded: {dead_letter_id}")
