"""The commands `transfers`: those that wait, and what became of one."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import click

from swpt_accounts.runtime.errors import OperatorError

from .common import NEGATIVE_IDS, account_id, command_context, form_options, list_options, show_pages
from .display import JSON, TABLE, show_json, show_list

_WAITING: Final = (
    "debtor_id",
    "creditor_id",
    "transfer_id",
    "recipient_creditor_id",
    "locked_amount",
    "prepared_at",
    "deadline",
    "is_overdue",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
)

_FOUND: Final = (
    "what",
    "at",
    "debtor_id",
    "sender_creditor_id",
    "transfer_id",
    "recipient",
    "amount",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
    "told",
)


@click.group(name="transfers")
def transfer_commands() -> None:
    """Transfers that wait, and what became of one."""


@transfer_commands.command(name="list", context_settings=NEGATIVE_IDS)
@click.option("--debtor", type=account_id, help="Of this debtor.")
@click.option("--sender", type=account_id, help="Of this creditor id; only with --debtor.")
@click.option("--overdue", is_flag=True, help="Only those whose deadline is over.")
@list_options
@form_options
def list_(debtor: int | None, sender: int | None, overdue: bool, limit: int, is_all: bool, form: str) -> None:
    """List prepared transfers, which wait for their finalization."""
    from swpt_accounts.operators.inspection.tabular import cells
    from swpt_accounts.operators.inspection.transfers import list_prepared
    from swpt_accounts.runtime import clock

    if sender is not None and debtor is None:
        raise click.UsageError("--sender needs --debtor, because an account belongs to a debtor")
    now = clock.utcnow()

    def shown(transfer: Any) -> dict[str, Any]:
        return cells(transfer) | {"is_overdue": transfer.deadline < now}

    with command_context() as context:
        read = partial(
            list_prepared,
            context.connection,
            debtor_id=debtor,
            creditor_id=sender,
            overdue_at=now if overdue else None,
        )
        show_pages(read, _WAITING, form, limit=limit, is_all=is_all, shown=shown)


@transfer_commands.command(context_settings=NEGATIVE_IDS)
@click.argument("ids", metavar="REQUEST | D SENDER TRANSFER", nargs=-1, required=True, type=account_id)
@form_options
def find(ids: tuple[int, ...], form: str) -> int:
    """Find what became of a transfer: prepared, committed or refused.

    Give the id that its coordinator gave the request; or the ids of debtor, sender and transfer.

    By a request alone, all refusals are found; what is prepared is looked for among 200,000
    transfers, what is committed among the latest 10,000.  Exit code 1: nothing was found.
    """
    from swpt_accounts.operators.inspection.transfers import find_transfer, transfers_of_request

    if len(ids) not in (1, 3):
        raise click.UsageError("give one id of a request, or three: those of debtor, sender and transfer")
    rows: list[dict[str, Any]] = []
    with command_context() as context:
        named = [ids] if len(ids) == 3 else transfers_of_request(context.connection, ids[0])
        for debtor_id, sender, transfer_id in named:
            found = find_transfer(context.connection, debtor_id, sender, transfer_id)
            rows += [_prepared(one) for one in found.prepared] + [_committed(one) for one in found.committed]
            rows += [_refused(one) for one in found.refused]
        if len(ids) == 1:
            rows += _refused_by_request(context.connection, ids[0], rows)
    if not rows and form == TABLE:
        raise OperatorError("there is no such transfer or request" + _where(ids))
    _show(rows, form)
    return int(not rows)


def _show(rows: Sequence[dict[str, Any]], form: str) -> None:
    if form == JSON:
        show_json(rows)
    else:
        show_list(_FOUND, [rows], form)


def _where(ids: tuple[int, ...]) -> str:
    return "" if len(ids) == 3 else "; give debtor, sender and transfer to look through all of the journal"


def _refused_by_request(connection: Any, number: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that were found by the id of their transfer."""
    from swpt_accounts.operators.inspection.refusals import refusals_of_request

    refused = [_refused(one) for one in refusals_of_request(connection, number)]
    return [one for one in refused if one not in rows]


def _row(what: str, at: int, item: Any, **fields: Any) -> dict[str, Any]:
    from swpt_accounts.wire.moments import render_timestamp

    values = {"what": what, "at": render_timestamp(at), "sender_creditor_id": item.creditor_id, **fields}
    return {name: values[name] if name in values else getattr(item, name) for name in _FOUND}


def _prepared(item: Any) -> dict[str, Any]:
    from swpt_accounts.wire.moments import render_timestamp

    return _row(
        "prepared",
        item.prepared_at,
        item,
        recipient=str(item.recipient_creditor_id),
        amount=item.locked_amount,
        told=f"waits for its finalization until {render_timestamp(item.deadline)}",
    )


def _committed(item: Any) -> dict[str, Any]:
    return _row(
        "committed",
        item.applied_at,
        item,
        recipient=str(item.other_creditor_id),
        amount=-item.acquired_amount,
        told=item.transfer_note,
    )


def _refused(item: Any) -> dict[str, Any]:
    from swpt_accounts.operators.inspection.explanations import MEANINGS, explain

    amount = item.min_locked_amount if item.committed_amount is None else item.committed_amount
    told = f"{item.code}: {explain(item) or MEANINGS.get(item.code, '')}"
    return _row(f"refused {item.kind}", item.refused_at, item, amount=amount, told=told)
