"""The commands `accounts` and `ledger`: one account, shown or mended, and what was applied to it."""

from functools import partial
from typing import Any

import click
import msgspec

from swpt_accounts.wire.moments import Moment

from .common import (
    NEGATIVE_IDS,
    account_id,
    checked_span,
    command_context,
    form_options,
    list_options,
    operator_option,
    order_of,
    show_pages,
    span_options,
    timestamp,
)
from .display import CSV, JSON, TABLE, moment, show_fields, show_list

_debtor = click.argument("debtor_id", metavar="D", type=account_id)
_creditor = click.argument("creditor_id", metavar="C", type=account_id)
_TIMES = ("_at", "_ts", "_since")
_FEW = (
    "applied_at",
    "acquired_amount",
    "principal",
    "other_creditor_id",
    "transfer_id",
    "coordinator_type",
    "transfer_note",
)


@click.group(name="accounts")
def account_commands() -> None:
    """One account.

    D and C are the ids of debtor and creditor, signed or unsigned: -1 and 18446744073709551615 are
    the same.  The root account has creditor id 0.
    """


@account_commands.command(context_settings=NEGATIVE_IDS)
@_debtor
@_creditor
@form_options
def show(debtor_id: int, creditor_id: int, form: str) -> None:
    """Show all that is stored of an account, and its balance now."""
    from swpt_accounts.operators.inspection.accounts import show_account
    from swpt_accounts.runtime import clock

    with command_context() as context:
        shown = show_account(context.connection, debtor_id, creditor_id, clock.utcnow())
    fields: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(shown.account).items():
        if name == "debtor_info":
            fields |= {f"debtor_info_{part}": text for part, text in msgspec.structs.asdict(value).items()}
        else:
            fields[name] = moment(value) if name.endswith(_TIMES) else value
    fields |= {
        "config_data": shown.config_data,
        "balance": shown.balance,
        "available": shown.available,
        "at": moment(shown.at),
    }
    if form == CSV:
        show_list(list(fields), [[fields]], form)
    else:
        show_fields(fields, form == JSON)


@click.command(context_settings=NEGATIVE_IDS)
@_debtor
@_creditor
@click.option("--oldest-first", is_flag=True, help="From the beginning on.")
@span_options
@list_options
@form_options
def ledger(
    debtor_id: int,
    creditor_id: int,
    oldest_first: bool,
    since: Moment | None,
    until: Moment | None,
    limit: int,
    is_all: bool,
    form: str,
) -> None:
    """Show what was applied to the account C of the debtor D, newest first.

    It reads the journal, also for accounts that are gone.  The table leaves out what CSV and JSON have
    besides, such as coordinators.
    """
    from swpt_accounts.operators.inspection.ledger import LedgerEntry, list_entries, read_archived_until
    from swpt_accounts.operators.inspection.tabular import cells

    begin, end = checked_span(since, until)
    with command_context() as context:
        read = partial(
            list_entries,
            context.connection,
            debtor_id,
            creditor_id,
            since=begin,
            until=end,
            newest_first=not oldest_first,
        )
        columns = _FEW if form == TABLE else LedgerEntry.__struct_fields__
        show_pages(read, columns, form, limit=limit, is_all=is_all, shown=cells)
        archived = read_archived_until(context.connection)
    if archived is not None and begin < archived:
        click.echo(f"archived until {moment(archived)}: older entries are in closed months", err=True)


@account_commands.command(name="set-back-config", context_settings=NEGATIVE_IDS)
@_debtor
@_creditor
@click.option("--ts", type=timestamp, required=True, help="Take configurations that are later than this.")
@click.option("--seqnum", type=click.IntRange(-(2**31), 2**31 - 1), default=0, show_default=True)
@operator_option
def set_back_config(debtor_id: int, creditor_id: int, ts: Moment, seqnum: int, operator: str | None) -> None:
    """Let an account take configurations again.

    A ConfigureAccount with a ts in the far future makes all later ones look old.  This sets
    the order key of the account back, never forward.  What is configured stays.
    """
    from swpt_accounts.operators.operations import accounts

    with command_context(key_lookups_only=True) as context:
        account = accounts.set_back_config(
            context.connection,
            debtor_id,
            creditor_id,
            ts,
            seqnum,
            context=context.transaction_context(),
            order=order_of(operator),
        )
    shown = f"{moment(account.last_config_ts)} with number {account.last_config_seqnum}"
    click.echo(f"account {debtor_id}/{creditor_id} takes configurations later than {shown}")
