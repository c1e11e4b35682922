"""Pages: currencies, and the accounts of one."""

from typing import Any

from flask import render_template

from swpt_accounts.operators.admin.api.accounts import AccountsQuery, accounts_page
from swpt_accounts.operators.admin.api.arguments import not_found
from swpt_accounts.operators.admin.context import admin_context
from swpt_accounts.operators.admin.pages import PageQuery, answer_page
from swpt_accounts.operators.inspection import accounts as inspection
from swpt_accounts.operators.inspection.debtors import find_debtor, list_debtors
from swpt_accounts.rules.accounts import balance_at

from .arguments import asked, console


@console.get("/debtors")
def debtors() -> str:
    """All currencies, page by page."""
    page = answer_page(asked(PageQuery), list_debtors)
    return render_template("admin/debtors.html", page=page)


@console.get("/debtors/<account_id:debtor_id>")
def debtor(debtor_id: int) -> str:
    """A currency, and its accounts, page by page."""
    args: dict[str, Any] = asked(AccountsQuery)
    with admin_context().reading() as connection:
        found = find_debtor(connection, debtor_id)
    if found is None:
        not_found(f"account of debtor {debtor_id}")
    return render_template(
        "admin/debtor.html",
        debtor=found,
        page=accounts_page(args, debtor_id),
        args=args,
        states=inspection.STATES,
        balance_at=balance_at,
    )
