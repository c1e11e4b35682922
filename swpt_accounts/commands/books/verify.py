"""The command `verify`: the books of this server, or of all shards of a node."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swpt_accounts.commands.common import NEGATIVE_IDS, account_id, command_context, json_option, telling
from swpt_accounts.commands.display import moment as shown_moment
from swpt_accounts.commands.display import show_json, show_rows
from swpt_accounts.commands.progress import progress
from swpt_accounts.wire.moments import T0

if TYPE_CHECKING:
    from swpt_accounts.operators.inspection.books.verification import Verified
    from swpt_accounts.storage.guards import Guard


@click.command(context_settings=NEGATIVE_IDS)
@click.option("--debtor", "debtors", multiple=True, type=account_id, help="Only this currency; repeatable.")
@click.option("--from", "first", type=account_id, help="Go on at this currency.  [default: the first one]")
@click.option("--node", "is_node", is_flag=True, help="Add up the FILES that --json has made on all shards.")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def verify(
    debtors: tuple[int, ...], first: int | None, is_node: bool, files: tuple[Path, ...], as_json: bool
) -> int:
    """Check the books, while the server runs.

    \b
    V1  locked amounts are those of the prepared transfers
    V2  prepared transfers are counted right
    V3  the principals of a currency, with what is on other shards, add up to 0
    V4  transfer numbers have no gaps *
    V5  deleted accounts are empty
    V6  transfer ids do not run ahead of their counter
    V7  root accounts have no interest, info and transfer numbers
    V9  each principal is what the journal has moved *
    V10 the principals in the journal follow from each other *
    V11 no transfer is in the journal twice
    V12 who is marked as overflown was at the bound of amounts *
    V13 no changed balance waits unseen for its announcement
    V14 every row of the outbox can be sent
    V15 every credit of another shard is in the journal once
    V16 the journal is what was sealed

    What has an asterisk is checked for accounts whose whole life the journal knows.  Guards of the database
    that are off are told, too.  A long check says now and then where it is, and can go on there.

    With --node it reads what `verify --json` has said on each shard of a node, and adds up: every account
    has one shard, and what has left a shard over an hour ago has come to another one.

    Exit code 0: all is well.  1: it is not; the violations are listed.
    """
    if is_node or files:
        if not (is_node and files) or debtors or first is not None:
            raise click.UsageError("--node, and the files of all shards; nothing else")
        return _verify_node(files, as_json)
    if debtors and first is not None:
        raise click.UsageError("either some currencies, or --from one of them")
    return _verify_shard(debtors, first, as_json)


def _verify_shard(debtors: tuple[int, ...], first: int | None, as_json: bool) -> int:
    from swpt_accounts.operators.inspection.books import verification
    from swpt_accounts.runtime import clock
    from swpt_accounts.storage.guards import read_guards
    from swpt_accounts.storage.shard_record import load_shard_record

    # A query over a large currency takes a while, and nothing is lost if it ends in the middle.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    verified = verification.Verified()
    began_at = clock.utcnow()
    with command_context() as context, telling(lambda: _so_far(verified)):
        with context.connection, context.connection.cursor() as cursor:
            guards = read_guards(cursor)
            record = load_shard_record(cursor)
        realm = context.settings.realm()
        with progress(context.connection, "accounts", *(() if debtors else ("account",))) as reach:
            verification.verify(
                context.connection,
                realm,
                debtor_ids=debtors,
                first_debtor_id=first,
                reach=reach,
                verified=verified,
            )
    about: dict[str, object] = {
        "realm": realm.binding_key,
        "realm_since": shown_moment(T0 if record is None else record.realm_since),
        "began_at": shown_moment(began_at),
        "ended_at": shown_moment(clock.utcnow()),
        "is_whole": not debtors and first is None and verified.is_complete,
    }
    _show(verified, guards, about, as_json)
    return int(verified.violations_count > 0)


def _show(verified: "Verified", guards: "list[Guard]", about: dict[str, object], as_json: bool) -> None:
    rows = [
        {"rule": one.rule, "debtor_id": one.debtor_id, "creditor_id": one.creditor_id, "violation": one.text}
        for one in verified.violations
    ]
    if as_json:
        import msgspec

        counts = ("debtors", "accounts", "foreign_accounts", "numbers_checked", "outbox_rows", "sealed_rows")
        shown = about | {name: getattr(verified, name) for name in (*counts, "credits", "violations_count")}
        shown |= {"violations": rows, "guards": {guard.name: guard.value for guard in guards}}
        show_json(shown | {"currencies": [msgspec.to_builtins(one) for one in verified.sums]})
        return
    if rows:
        show_rows(rows, as_json)
    click.echo(
        f"{verified.debtors} currencies, {verified.accounts} accounts (the numbers of"
        f" {verified.numbers_checked}), {verified.violations_count} violations"
    )
    for guard in guards:
        if not guard.is_on:
            click.echo(f"a guard of the database is off: {guard}", err=True)


def _so_far(verified: "Verified") -> str:
    done = (
        f"{verified.debtors} currencies, {verified.accounts} accounts, {verified.violations_count} violations"
    )
    here = verified.debtor_id
    return f"so far {done}" + ("" if here is None else f"; it can go on with --from {here}")


def _verify_node(files: tuple[Path, ...], as_json: bool) -> int:
    from swpt_accounts.operators.inspection.books.node import read_books
    from swpt_accounts.rules.node import add_up

    shards = [read_books(file) for file in files]
    sums = add_up(shards)
    rows: list[dict[str, object]] = [
        {"rule": one.rule, "debtor_id": one.debtor_id, "violation": one.text} for one in sums.violations
    ]
    if as_json:
        on_the_way = [{"debtor_id": one, "amount": amount} for one, amount in sums.on_the_way.items()]
        shown = {"shards": [one.realm.binding_key for one in shards], "on_the_way": on_the_way}
        show_json(shown | {"notes": sums.notes, "violations": rows})
        return int(bool(rows))
    if rows:
        show_rows(rows, as_json)
    for debtor_id, amount in sums.on_the_way.items():
        click.echo(f"{amount} of the debtor {debtor_id} is on its way between shards")
    for note in sums.notes:
        click.echo(note, err=True)
    click.echo(f"{len(shards)} shards, {len(rows)} violations")
    return int(bool(rows))
