"""Page: whether the service is healthy, what it does, whether money is conserved, what needs attention."""

from pathlib import Path
from typing import Any, Final

from flask import render_template
from marshmallow import Schema

from swpt_accounts.operators.admin.context import AdminContext, admin_context
from swpt_accounts.operators.admin.fields import Choice
from swpt_accounts.operators.admin.probes import check_all
from swpt_accounts.operators.inspection.activity import (
    MOST_COUNTED,
    SPANS,
    latest_transfers,
    refusal_rates,
    transfer_rates,
)
from swpt_accounts.operators.inspection.debtors import top_summaries
from swpt_accounts.operators.inspection.gauges import read_gauges
from swpt_accounts.operators.inspection.keyset import Cut
from swpt_accounts.operators.inspection.shards.part import Part
from swpt_accounts.operators.inspection.transfers import list_prepared
from swpt_accounts.runtime import metering

from . import attention, plots
from .arguments import asked, console
from .display import is_only_shard

_LATEST: Final = 10
_DEBTORS: Final = 10


class OverviewQuery(Schema):
    """How far back the plots reach."""

    span = Choice(*SPANS, load_default="hour")


@console.get("/")
def overview() -> str:
    """The first page."""
    span = asked(OverviewQuery)["span"]
    checks = check_all()
    shown = _shown(admin_context(), span)
    numbers = shown["numbers"]
    return render_template(
        "admin/overview.html",
        checks=checks,
        notices=attention.notices(
            checks,
            numbers,
            has_overdue=shown.pop("has_overdue"),
            given_up=admin_context().broker.given_up() or 0,
        ),
        most_counted=MOST_COUNTED,
        span=span,
        spans=SPANS,
        processes=_processes(admin_context()),
        is_only_shard=is_only_shard(),
        **shown,
    )


def _shown(context: AdminContext, span: str) -> dict[str, Any]:
    """What the database says, each in bounded time."""
    now = context.now()
    with context.reading() as connection:
        gauges = read_gauges(connection, context.now, Part.of(context.settings))
        return {
            "numbers": attention.numbers_of(gauges),
            "transfers": plots.bars(transfer_rates(connection, now, SPANS[span])),
            "refusals": plots.bars(refusal_rates(connection, now, SPANS[span])),
            "latest": latest_transfers(connection, _LATEST),
            "debtors": top_summaries(connection, _DEBTORS),
            "has_overdue": bool(list_prepared(connection, Cut(), 1, overdue_at=now).items),
        }


def _processes(context: AdminContext) -> dict[str, int]:
    """How many processes of each role live; none if nobody keeps that."""
    folder = context.settings.metrics_folder
    return metering.living(Path(folder)) if folder else {}
