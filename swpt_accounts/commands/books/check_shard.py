"""The command `check-shard`: whether every row belongs to this shard, and every key to one."""

import click

from swpt_accounts.commands.common import INTERRUPTED, command_context, json_option, stop_signal
from swpt_accounts.commands.display import show_rows
from swpt_accounts.commands.progress import progress
from swpt_accounts.runtime.settings import Settings


@click.command(name="check-shard")
@json_option
def check_shard(as_json: bool) -> int:
    """Show whether every row belongs to this shard, and every key to one shard of the node.

    Looks at accounts, prepared transfers, requests that wait and the outbox, and asks the other shards
    through FETCH_API_URL for their parts and queues.  Exit code 0: all rows belong to the realm
    PROTOCOL_BROKER_QUEUE_ROUTING_KEY, and the parts that have answered fit together.  1: they do not.
    """
    from swpt_accounts.operators.inspection.shards import shard_check

    with command_context(key_lookups_only=True) as context:
        is_stopping = stop_signal()
        tables = ("account", "prepared_transfer", "waiting_request", "outbox")
        with progress(context.connection, "rows", *tables) as reach:
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
    return int(any(check.foreign for check in checks) | _tell_faults(context.settings))


def _tell_faults(settings: Settings) -> bool:
    """Tell what is wrong with the parts of the node; says whether anything is."""
    if not settings.realm().bits:
        return False
    from swpt_accounts.shards.survey import look_around

    seen = look_around(settings)
    for fault in seen.faults:
        click.echo(f"the parts of the node do not fit: {fault}", err=True)
    for area in seen.unanswered:
        click.echo(f"no answer from the shard of {area.binding_key}: its part was not checked", err=True)
    return bool(seen.faults)
