"""The commands `tokens`: who may enter the admin API and the console."""

from typing import Final

import click

from .common import command_context, form_options, json_option, operator_option, order_of
from .display import moment, plain, show_fields, show_list

_LONGEST_LIFE_DAYS = 36500
_COLUMNS: Final = ("id", "name", "role", "prefix", "state", "created_at", "expires_at", "revoked_at")


@click.group(name="tokens")
def token_commands() -> None:
    """Who may enter the admin API and the console.

    A viewer sees everything.  An operator also settles dead letters, parks or discards what nobody
    takes, and runs chores; each such order leaves a row in the audit, with the name of the token.
    """


@token_commands.command()
@click.option("--role", type=click.Choice(("viewer", "operator")), required=True)
@click.option("--name", required=True, help="Whose token it is; the audit names it.")
@click.option(
    "--expires-days", type=click.IntRange(1, _LONGEST_LIFE_DAYS), help="How many days it is good for."
)
@operator_option
@json_option
def create(role: str, name: str, expires_days: int | None, operator: str | None, as_json: bool) -> None:
    """Make a token, and show it, for the only time.

    Programs send it as `Authorization: Bearer TOKEN`; people log in to the console with it.
    """
    from swpt_accounts.operators.operations.tokens import create_token

    with command_context() as context:
        made, token = create_token(
            context.connection, name, role, expires_days=expires_days, order=order_of(operator)
        )
    fields = {"id": made.api_token_id, "name": name, "role": role, "expires_at": moment(made.expires_at)}
    if as_json:
        show_fields(fields | {"token": token}, as_json)
        return
    show_fields(fields, as_json)
    # Alone on its line, so that it can be copied whole.
    click.echo(token)


@token_commands.command(name="list")
@form_options
def list_(form: str) -> None:
    """List all tokens, without themselves."""
    from swpt_accounts.operators.inspection.tokens import list_tokens
    from swpt_accounts.runtime import clock

    with command_context() as context:
        found = list_tokens(context.connection)
    now = clock.utcnow()
    rows = [
        {
            "id": token.api_token_id,
            "name": token.name,
            "role": token.role,
            "prefix": token.prefix,
            "state": token.state(now),
            "created_at": moment(token.created_at),
            "expires_at": moment(token.expires_at),
            "revoked_at": moment(token.revoked_at),
        }
        for token in found
    ]
    show_list(_COLUMNS, [rows], form)


@token_commands.command()
@click.argument("api_token_id", metavar="ID", type=click.IntRange(min=1, max=2**63 - 1))
@operator_option
def revoke(api_token_id: int, operator: str | None) -> None:
    """Make a token worthless at once.

    Sessions of the console that began with it end as well.
    """
    from swpt_accounts.operators.operations.tokens import revoke_token

    with command_context() as context:
        revoked = revoke_token(context.connection, api_token_id, order=order_of(operator))
    click.echo(f"revoked: {revoked.api_token_id} ({plain(revoked.name)})")
