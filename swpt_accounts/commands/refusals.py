"""The commands `refusals`: why something was refused, and by how much."""

from functools import partial
from typing import Any, Final

import click

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import Moment

from .common import (
    NEGATIVE_IDS,
    account_id,
    checked_span,
    command_context,
    form_options,
    json_option,
    list_options,
    show_pages,
    span_options,
    timestamp,
)
from .display import TABLE, show_fields

_FEW: Final = (
    "refused_at",
    "refusal_id",
    "kind",
    "code",
    "debtor_id",
    "creditor_id",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
    "missing_amount",
    "explanation",
)


@click.group(name="refusals")
def refusal_commands() -> None:
    """Why something was refused, and by how much."""


@refusal_commands.command(name="list", context_settings=NEGATIVE_IDS)
@click.option("--request", type=account_id, help="The id that the coordinator gave its request.")
@click.option("--debtor", type=account_id, help="Of this debtor.")
@click.option("--creditor", type=account_id, help="Of this account; only with --debtor.")
@click.option("--kind", type=click.Choice(["transfer", "commit", "configuration"]), help="What was refused.")
@click.option("--code", help="Why, like INSUFFICIENT_AVAILABLE_AMOUNT.")
@click.option("--coordinator-type", help="Like direct.")
@click.option("--coordinator", type=account_id, help="The id of the coordinator.")
@span_options
@list_options
@form_options
def list_(
    request: int | None,
    debtor: int | None,
    creditor: int | None,
    kind: str | None,
    code: str | None,
    coordinator_type: str | None,
    coordinator: int | None,
    since: Moment | None,
    until: Moment | None,
    limit: int,
    is_all: bool,
    form: str,
) -> None:
    """List refused requests of the last days, newest first.

    CSV and JSON have all numbers with which they were decided.
    """
    from swpt_accounts.operators.inspection.explanations import MEANINGS
    from swpt_accounts.operators.inspection.refusals import RefusalFilter, list_refusals

    if creditor is not None and debtor is None:
        raise click.UsageError("--creditor needs --debtor, because an account belongs to a debtor")
    if code is not None and code not in MEANINGS:
        raise click.BadParameter(f"--code {code!r} is none of {', '.join(MEANINGS)}")
    begin, end = checked_span(since, until)
    which = RefusalFilter(
        debtor_id=debtor,
        creditor_id=creditor,
        kind=kind,
        code=code,
        coordinator_type=coordinator_type,
        coordinator_id=coordinator,
        coordinator_request_id=request,
        since=begin,
        until=end,
    )
    columns = _FEW if form == TABLE else _all_columns()
    with command_context() as context:
        read = partial(list_refusals, context.connection, which=which)
        show_pages(read, columns, form, limit=limit, is_all=is_all, shown=_shown)


@refusal_commands.command()
@click.argument("refused_at", metavar="MOMENT", type=timestamp)
@click.argument("refusal_id", metavar="ID", type=click.IntRange(1, 2**63 - 1))
@json_option
def show(refused_at: Moment, refusal_id: int, as_json: bool) -> None:
    """Show one refusal, as `list` names it, with all numbers with which it was decided."""
    from swpt_accounts.operators.inspection.refusals import show_refusal

    with command_context() as context:
        found = show_refusal(context.connection, refused_at, refusal_id)
    if found is None:
        raise OperatorError("there is no such refusal; they are kept for REFUSAL_RETENTION only")
    fields = _shown(found)
    # What its kind does not have would only be in the way of a person.
    show_fields(
        fields if as_json else {name: value for name, value in fields.items() if value is not None}, as_json
    )


def _all_columns() -> tuple[str, ...]:
    from swpt_accounts.operators.inspection.refusals import Refusal

    return (*Refusal.__struct_fields__, "missing_amount", "meaning", "explanation")


def _shown(refusal: Any) -> dict[str, Any]:
    from swpt_accounts.operators.inspection.explanations import MEANINGS, explain, missing_amount
    from swpt_accounts.operators.inspection.tabular import cells

    return cells(refusal) | {
        "missing_amount": missing_amount(refusal),
        "meaning": MEANINGS.get(refusal.code, ""),
        "explanation": explain(refusal),
    }
