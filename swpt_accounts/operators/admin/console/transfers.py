"""Pages: what became of a transfer, in both ledgers; and transfers that wait."""

from typing import Any, Final

from flask import render_template

from swpt_accounts.operators.admin.api.accounts import PreparedQuery, prepared_page_of
from swpt_accounts.operators.admin.api.arguments import not_found
from swpt_accounts.operators.admin.api.transfers import WaitingQuery, prepared_page, shown_found
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.inspection.keyset import Cut
from swpt_accounts.operators.inspection.ledger import LedgerEntry, list_entries
from swpt_accounts.operators.inspection.transfers import find_transfer

from .arguments import asked, console

# One batch applies its transfers in one instant; so many of one account are very rare.
_MOST_IN_AN_INSTANT: Final = 500

_PATH: Final = (
    "/debtors/<account_id:debtor_id>/accounts/<account_id:creditor_id>/transfers/<account_id:transfer_id>"
)


@console.get(_PATH)
def transfer(debtor_id: int, creditor_id: int, transfer_id: int) -> str:
    """A transfer of this sender: prepared, refused, or in the ledgers of both parties."""
    with admin_context().reading() as connection:
        found = find_transfer(connection, debtor_id, creditor_id, transfer_id)
        committed = [(mine, _other_side(connection, mine)) for mine in found.committed]
    shown: dict[str, Any] = shown_found(found)
    if not (shown["prepared"] or shown["refused"] or committed):
        not_found(f"transfer {transfer_id} of the account {debtor_id}/{creditor_id}")
    return render_template(
        "admin/transfer.html",
        debtor_id=debtor_id,
        creditor_id=creditor_id,
        transfer_id=transfer_id,
        prepared=shown["prepared"],
        refused=shown["refused"],
        committed=committed,
    )


@console.get("/prepared-transfers")
def prepared() -> str:
    """Transfers that are prepared and wait, page by page."""
    args = asked(WaitingQuery)
    return render_template("admin/prepared.html", page=prepared_page(args), args=args, whose=None)


@console.get("/debtors/<account_id:debtor_id>/accounts/<account_id:creditor_id>/prepared-transfers")
def prepared_of(debtor_id: int, creditor_id: int) -> str:
    """Transfers that are prepared and wait, of one sender."""
    args = asked(PreparedQuery)
    return render_template(
        "admin/prepared.html",
        page=prepared_page_of(args, debtor_id, creditor_id),
        args=args,
        whose={"debtor_id": debtor_id, "creditor_id": creditor_id},
    )


def _other_side(connection: Any, mine: LedgerEntry) -> LedgerEntry | None:
    """The same transfer in the ledger of the other party; None if that has no such entry here."""
    at = mine.applied_at
    page = list_entries(
        connection,
        mine.debtor_id,
        mine.other_creditor_id,
        Cut(),
        _MOST_IN_AN_INSTANT,
        since=at,
        until=at,
    )
    return next((entry for entry in page.items if entry.journal_id == mine.journal_id), None)
