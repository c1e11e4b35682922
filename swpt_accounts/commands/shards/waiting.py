"""The command `waiting`: requests that wait for another shard (rules.md#waiting-requests)."""

from typing import Final

import click

from swpt_accounts.commands.common import command_context, form_options
from swpt_accounts.commands.display import moment, show_list

_COLUMNS: Final = (
    "debtor_id", "creditor_id", "coordinator", "recipient", "recipient_key", "waiting_seconds", "attempts",
    "next_attempt_at",
)  # fmt: skip


@click.command(name="waiting")
@click.option("--debtor", "debtor_id", type=int, help="Only of this currency.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@form_options
def waiting_command(debtor_id: int | None, limit: int, form: str) -> None:
    """List requests that wait for the answer of another shard, the oldest first.

    They are asked for again and again, and never given up; `attempts` counts those without an answer.
    The shard in question is that of the account (debtor, recipient), given as the key of its messages.
    """
    from swpt_accounts.operators.inspection.keyset import Cut
    from swpt_accounts.operators.inspection.shards.waiting import list_waiting, recipient_key
    from swpt_accounts.runtime import clock

    with command_context() as context:
        found = list_waiting(context.connection, Cut(), limit, debtor_id=debtor_id).items
    now = clock.utcnow()
    rows = [
        {
            "debtor_id": one.debtor_id,
            "creditor_id": one.creditor_id,
            "coordinator": f"{one.coordinator_type}/{one.coordinator_id}/{one.coordinator_request_id}",
            "recipient": one.recipient_creditor_id,
            "recipient_key": recipient_key(one),
            "waiting_seconds": max(0, now - one.waiting_since) // 1_000_000,
            "attempts": one.attempts,
            "next_attempt_at": moment(one.next_attempt_at),
        }
        for one in found
    ]
    show_list(_COLUMNS, [rows], form)
