"""Page: what operators have changed."""

from flask import render_template

from swpt_accounts.operators.admin.pages import PageQuery, answer_page
from swpt_accounts.operators.inspection.audit import list_audit

from .arguments import asked, console


@console.get("/audit")
def audit() -> str:
    """Orders of operators, newest first."""
    return render_template("admin/audit.html", page=answer_page(asked(PageQuery), list_audit))
