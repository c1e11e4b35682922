"""Page: one account with everything that is known of it."""

from typing import Any, Final

from flask import render_template
from werkzeug.exceptions import NotFound

from swpt_accounts.operators.admin.api.accounts import LedgerQuery, ledger_page, prepared_page_of, shown
from swpt_accounts.operators.admin.api.refusals import refusals_page
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.fields import WrittenInteger
from swpt_accounts.operators.admin.pages import MOST_ITEMS
from swpt_accounts.operators.inspection.accounts import ShownAccount
from swpt_accounts.operators.inspection.ledger import principals_over, read_archived_until
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, Moment

from . import plots
from .arguments import FormMoment, asked, console

_POINTS: Final = 200
_FIRST_FEW: Final = 10

FIELDS: Final = (
    (
        "Money",
        (
            ("principal", "amount"),
            ("interest", "float"),
            ("interest_rate", "rate"),
            ("previous_interest_rate", "rate"),
            ("last_interest_rate_change_ts", "moment"),
            ("last_capitalization_ts", "moment"),
            ("total_locked_amount", "amount"),
            ("pending_transfers_count", "count"),
        ),
    ),
    (
        "State",
        (
            ("created_at", "moment"),
            ("is_scheduled_for_deletion", "flag"),
            ("is_deleted", "flag"),
            ("is_overflown", "flag"),
            ("last_deletion_ts", "moment"),
            ("last_transfer_id", "id"),
            ("last_transfer_number", "id"),
            ("last_transfer_committed_at", "moment"),
        ),
    ),
    (
        "Configuration",
        (
            ("config_flags", "id"),
            ("negligible_amount", "float"),
            ("last_config_ts", "moment"),
            ("last_config_seqnum", "id"),
            ("last_config_applied_at", "moment"),
            ("debtor_info", "info"),
        ),
    ),
    (
        "Changes and announcements",
        (
            ("last_change_ts", "moment"),
            ("last_change_seqnum", "id"),
            ("last_update_ts", "moment"),
            ("last_delayed_update_ts", "moment"),
            ("update_pending_since", "moment"),
            ("announced_settings", "id"),
        ),
    ),
)
"""All fields of an account but its ids, in groups, with how each is written."""


class AccountPageQuery(LedgerQuery):
    """Which part of the ledger, and of the plot.  There is more on the page, so the part is shorter."""

    limit = WrittenInteger(least=1, most=MOST_ITEMS, load_default=20)
    since = FormMoment(load_default=FIRST_MOMENT)
    until = FormMoment(load_default=LAST_MOMENT)


@console.get("/debtors/<account_id:debtor_id>/accounts/<account_id:creditor_id>")
def account(debtor_id: int, creditor_id: int) -> str:
    """An account; also one that is gone, as long as the journal knows it."""
    args = asked(AccountPageQuery)
    ledger = ledger_page(args, debtor_id, creditor_id)
    try:
        found: ShownAccount | None = shown(debtor_id, creditor_id)
    except NotFound:
        if not ledger["items"]:
            raise
        found = None
    few = {"limit": _FIRST_FEW, "page": None}
    whose = {"debtor_id": debtor_id, "creditor_id": creditor_id}
    ever = {"since": FIRST_MOMENT, "until": LAST_MOMENT}
    return render_template(
        "admin/account.html",
        **whose,
        shown=found,
        groups=FIELDS,
        args=args,
        plot=_plot(debtor_id, creditor_id, args, _begin(found, ledger)),
        ledger=ledger,
        archived_until=_archived_until(),
        prepared=prepared_page_of({**few, "overdue": "no"}, debtor_id, creditor_id),
        refusals=refusals_page({**few, **ever, **whose}),
        is_ranged=args["since"] != FIRST_MOMENT or args["until"] != LAST_MOMENT,
    )


def _archived_until() -> Moment | None:
    with admin_context().reading() as connection:
        return read_archived_until(connection)


def _begin(found: ShownAccount | None, ledger: dict[str, Any]) -> Moment:
    """Where the plot begins if nobody says so: at the creation of the account."""
    if found is not None:
        return found.account.created_at
    return int(min(item.applied_at for item in ledger["items"]))


def _plot(debtor_id: int, creditor_id: int, args: dict[str, Any], begin: Moment) -> plots.Line | None:
    since = max(args["since"], begin)
    until = min(args["until"], admin_context().now())
    if since >= until:
        return None
    with admin_context().reading() as connection:
        points = principals_over(connection, debtor_id, creditor_id, since, until, _POINTS)
    return plots.line(points)
