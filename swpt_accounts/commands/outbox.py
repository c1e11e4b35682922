"""The commands `outbox`: messages that wait to be published (rules.md#publishing)."""

from typing import Any, Final

import click

from .common import command_context, form_options
from .display import CSV, JSON, moment, show_list

_COLUMNS: Final = (
    "id", "types", "age_seconds", "attempts", "last_failure", "next_attempt_at", "is_in_hand",
    "payload_bytes", "accounts",
)  # fmt: skip


@click.group(name="outbox")
def outbox_commands() -> None:
    """Messages that the broker has not confirmed yet.

    They are tried again for ever, with growing pauses, and delay nothing else; but for those that are
    unreadable, which wait for an operator in the console or the admin API.
    """


@outbox_commands.command(name="list")
@click.option("--all", "is_all", is_flag=True, help="Those as well that were not tried, or not answered yet.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--after", type=int, default=0, help="Go on behind this id.")
@form_options
def list_(is_all: bool, limit: int, after: int, form: str) -> None:
    """List rows that could not be published.

    returned: no queue wants the message.  nacked: the broker refused it.  unanswered: the broker did
    not confirm it within PUBLISH_CONFIRM_TIMEOUT.  unreadable: the row was set aside, with an alarm.
    """
    from swpt_accounts.operators.inspection.outbox import list_outbox
    from swpt_accounts.runtime import clock

    with command_context() as context:
        found = list_outbox(context.connection, is_all=is_all, after=after, limit=limit)
    now = clock.utcnow()
    rows: list[dict[str, Any]] = [
        {
            "id": row.outbox_id,
            "types": row.type_counts,
            "age_seconds": max(0, now - row.created_at) // 1_000_000,
            "attempts": row.attempts,
            "last_failure": row.last_failure,
            "next_attempt_at": moment(row.next_attempt_at),
            "is_in_hand": row.is_in_hand,
            "payload_bytes": row.payload_bytes,
            "accounts": [f"{debtor_id}/{creditor_id}" for debtor_id, creditor_id in row.accounts],
        }
        for row in found
    ]
    for row in rows:
        if form == CSV:
            row["types"] = " ".join(f"{kind}={count}" for kind, count in row["types"].items())
            row["accounts"] = " ".join(row["accounts"])
        elif form != JSON:
            row["accounts"] = _first(row["accounts"])
    show_list(_COLUMNS, [rows], form)


def _first(accounts: list[str]) -> str:
    return ", ".join(accounts[:3]) + (f" and {len(accounts) - 3} more" if len(accounts) > 3 else "")
