"""The commands `dead-letters`: messages that were put aside (rules.md#dead-letters)."""

import base64
from typing import TYPE_CHECKING, Any, Final

import click

from swpt_accounts.runtime.errors import OperatorError

from .common import (
    CommandContext,
    command_context,
    form_options,
    json_option,
    note_option,
    operator_option,
    order_of,
)
from .display import moment, show_fields, show_list

if TYPE_CHECKING:
    from swpt_accounts.operators.inspection.dead_letters import DeadLetter

_STATES = ("open", "returned", "discarded", "all")
_AT_ONCE: Final = 1000
_COLUMNS: Final = (
    "id", "received_at", "state", "reason", "detail", "type", "exchange", "routing_key", "body_size",
    "is_complete",
)  # fmt: skip
_ids = click.argument("ids", metavar="[ID...]", nargs=-1, type=click.IntRange(min=1))
_reason = click.option("--reason", help=f"All open ones with this reason, the oldest {_AT_ONCE}.")


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Messages that were put aside, with the reason.

    A dead letter had no effect at all.  When its cause is mended, return it, and it is processed
    as if it came now; or discard it.  Credits that are too old or in conflict are money in
    transit: see `swpt-accounts credits`.
    """


@dead_letters.command(name="list")
@click.option("--reason", help="Only those with this reason, like bad_field or wrong_shard.")
@click.option("--state", type=click.Choice(_STATES), default="open", show_default=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--after", type=int, default=0, help="Go on behind this id.")
@form_options
def list_(reason: str | None, state: str, limit: int, after: int, form: str) -> None:
    """List dead letters, oldest first."""
    from swpt_accounts.operators.inspection.dead_letters import list_dead_letters

    with command_context() as context:
        wanted = None if state == "all" else state
        found = list_dead_letters(context.connection, state=wanted, reason=reason, after=after, limit=limit)
    show_list(_COLUMNS, [[_row(letter) for letter in found]], form)


@dead_letters.command()
@click.argument("dead_letter_id", metavar="ID", type=click.IntRange(min=1))
@click.option("--raw", is_flag=True, help="Write the body to standard output, byte for byte.")
@json_option
def show(dead_letter_id: int, raw: bool, as_json: bool) -> None:
    """Show one dead letter, with properties, headers and body."""
    from swpt_accounts.operators.inspection.dead_letters import show_dead_letter

    with command_context() as context:
        letter, body = show_dead_letter(context.connection, dead_letter_id)
    if raw:
        click.echo(body or b"", nl=False)
        return
    fields = _row(letter) | {
        "settled_at": moment(letter.settled_at),
        "operator_note": letter.operator_note,
        "queue": letter.queue,
        "properties": letter.described_properties(),
        "body_sha256": letter.body_sha256.hex(),
    }
    show_fields(fields | _shown_body(body), as_json)


@dead_letters.command(name="return")
@_ids
@_reason
@note_option
@operator_option
def return_(ids: tuple[int, ...], reason: str | None, note: str, operator: str | None) -> None:
    """Put messages back into accounts_in.

    They travel through the outbox, byte for byte, with the properties type and content_type that
    they had, to the shard that owns their account.  The chores must be running.  If one of
    them cannot be returned, none is.
    """
    from swpt_accounts.operators.operations.dead_letters import return_dead_letters

    with command_context() as context:
        ids = _meant(context, ids, reason)
        return_dead_letters(
            context.connection,
            ids,
            note,
            order=order_of(operator),
            internal_user=context.settings.internal_user,
            peers=context.settings.peers(),
        )
    click.echo(f"returned: {_listed(ids)}")


@dead_letters.command()
@_ids
@_reason
@note_option
@operator_option
def discard(ids: tuple[int, ...], reason: str | None, note: str, operator: str | None) -> None:
    """Close dead letters without any other effect.

    They are deleted after DEAD_LETTER_RETENTION.
    """
    from swpt_accounts.operators.operations.dead_letters import discard_dead_letters

    with command_context() as context:
        ids = _meant(context, ids, reason)
        discard_dead_letters(context.connection, ids, note, order=order_of(operator))
    click.echo(f"discarded: {_listed(ids)}")


@dead_letters.command(name="take-xq")
@click.option("--limit", type=click.IntRange(1, 100_000), default=_AT_ONCE, show_default=True)
@operator_option
def take_xq(limit: int, operator: str | None) -> None:
    """Make dead letters of what the broker itself has given up.

    That waits in the queue whose name ends in .XQ.  Afterwards it is listed, shown, returned and
    discarded like any other dead letter.
    """
    from swpt_accounts.operators.operations.given_up import take_given_up
    from swpt_accounts.roles.admission import admission_of

    with command_context() as context:
        settings = context.settings
        taken = take_given_up(
            context.connection,
            settings.protocol_broker_url,
            settings.protocol_broker_queue,
            admission_of(settings),
            most=limit,
            max_open=settings.dead_letter_max_open,
            order=order_of(operator),
        )
    click.echo(f"taken: {taken}")


def _meant(context: CommandContext, ids: tuple[int, ...], reason: str | None) -> tuple[int, ...]:
    """The dead letters that are named, one by one or by their reason."""
    if bool(ids) == bool(reason):
        raise click.UsageError("name dead letters either by their ids or by their --reason")
    if reason is None:
        return ids
    from swpt_accounts.operators.inspection.dead_letters import list_dead_letters

    found = list_dead_letters(context.connection, state="open", reason=reason, limit=_AT_ONCE)
    if not found:
        raise OperatorError(f"there is no open dead letter with the reason {reason}")
    return tuple(letter.dead_letter_id for letter in found)


def _listed(ids: tuple[int, ...]) -> str:
    return ", ".join(str(one) for one in sorted(set(ids)))


def _row(letter: "DeadLetter") -> dict[str, Any]:
    as_it_is = {name: getattr(letter, name) for name in _COLUMNS[2:]}
    return {"id": letter.dead_letter_id, "received_at": moment(letter.received_at), **as_it_is}


def _shown_body(body: bytes | None) -> dict[str, str | None]:
    """The body as text if it is one."""
    try:
        return {"body": None if body is None else body.decode()}
    except UnicodeDecodeError:
        assert body is not None
        return {"body_base64": base64.b64encode(body).decode()}
