"""The commands that look at the whole database: `check-shard`, `verify`, `restored`."""

import signal

import click

from swpt_accounts.wire.moments import MICROSECONDS, Moment, render_timestamp

from .common import (
    INTERRUPTED,
    account_id,
    command_context,
    json_option,
    operator_option,
    order_of,
    stop_signal,
    timestamp,
)
from .display import show_json, show_rows
from .progress import progress


@click.command(name="check-shard")
@json_option
def check_shard(as_json: bool) -> int:
    """Show whether every row belongs to this shard.

    Looks at accounts, prepared transfers and the outbox.  Exit code 0: all of them belong to the
    realm PROTOCOL_BROKER_QUEUE_ROUTING_KEY.  1: some do not.
    """
    from swpt_accounts.operators.inspection import shard_check

    with command_context(key_lookups_only=True) as context:
        is_stopping = stop_signal()
        with progress(context.connection, "rows", "account", "prepared_transfer", "outbox") as reach:
            realm = context.settings.realm()
            checks = shard_check.check_shard(context.connection, realm, is_stopping, reach)
    if checks is None:
        return INTERRUPTED
    rows = [
        {
            "table": check.table,
            "rows": check.rows,
            "foreign": check.foreign,
            "examples": [f"{debtor_id}/{creditor_id}" for debtor_id, creditor_id in check.examples],
        }
        for check in checks
    ]
    show_rows(rows, as_json)
    return int(any(check.foreign for check in checks))


@click.command()
@click.option("--debtor", "debtors", multiple=True, type=account_id, help="Only this currency; repeatable.")
@json_option
def verify(debtors: tuple[int, ...], as_json: bool) -> int:
    """Check the books, while the server runs.

    \b
    V1  locked amounts are those of the prepared transfers
    V2  prepared transfers are counted right
    V3  the principals of a currency add up to 0 (if this is the only shard)
    V4  transfer numbers have no gaps (if the journal knows the whole life of the account)
    V5  deleted accounts are empty
    V6  transfer ids do not run ahead of their counter
    V7  root accounts have no interest, info and transfer numbers

    Exit code 0: all is well.  1: it is not; the violations are listed.
    """
    from swpt_accounts.operators.inspection import verification

    # A query over a large currency takes a while, and nothing is lost if it ends in the middle.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with command_context() as context:
        realm = context.settings.realm()
        with progress(context.connection, "accounts", *(() if debtors else ("account",))) as reach:
            result = verification.verify(context.connection, realm, debtor_ids=debtors, reach=reach)
    rows = [
        {"rule": one.rule, "debtor_id": one.debtor_id, "creditor_id": one.creditor_id, "violation": one.text}
        for one in result.violations
    ]
    if as_json:
        names = ("debtors", "accounts", "numbers_checked", "violations_count")
        show_json({name: getattr(result, name) for name in names} | {"violations": rows})
    else:
        if rows:
            show_rows(rows, as_json)
        click.echo(
            f"{result.debtors} currencies, {result.accounts} accounts (the numbers of"
            f" {result.numbers_checked}), {result.violations_count} violations"
        )
    return int(result.violations_count > 0)


@click.command()
@click.option("--moment", type=timestamp, help="When the database was restored.  [default: now]")
@click.option("--force", is_flag=True, help="Although workers or chores work on the database.")
@operator_option
def restored(moment: Moment | None, force: bool, operator: str | None) -> int:
    """Make a database that was restored from a backup fit for work.

    Run it before the server starts again.  It raises the counters of every account, so that no number
    that was announced after the backup comes again with another meaning, and announces all
    accounts.  It can be stopped and repeated: with the same --moment it goes on where it was.
    """
    from swpt_accounts.operators.operations import restoration

    with (
        command_context(key_lookups_only=True) as context,
        progress(context.connection, "accounts", "account") as reach,
    ):
        result = restoration.raise_counters(
            context.connection,
            None if moment is None else moment // MICROSECONDS * MICROSECONDS,
            is_forced=force,
            context=context.transaction_context(),
            order=order_of(operator),
            is_stopping=stop_signal(),
            reach=reach,
        )
    shown = render_timestamp(result.restored_at)
    if not result.is_finished:
        click.echo(f"stopped after {result.accounts} accounts: go on with --moment {shown}", err=True)
        return INTERRUPTED
    click.echo(f"restored at {shown}: {result.accounts} accounts, {result.announced} announced now")
    return 0
