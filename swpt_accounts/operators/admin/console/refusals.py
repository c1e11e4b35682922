"""Pages: why was this refused, and by how much."""

from flask import render_template

from swpt_accounts.operators.admin.api.refusals import (
    RefusalsQuery,
    found_refusal,
    refusals_page,
    shown_refusal,
)
from swpt_accounts.operators.inspection.explanations import MEANINGS
from swpt_accounts.operators.inspection.keyset import WINDOW_ROWS
from swpt_accounts.operators.inspection.refusals import KINDS
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT, Moment

from .arguments import FormMoment, asked, console


class RefusalsPageQuery(RefusalsQuery):
    """Whose refusals, of what, and when."""

    since = FormMoment(load_default=FIRST_MOMENT)
    until = FormMoment(load_default=LAST_MOMENT)


@console.get("/refusals")
def refusals() -> str:
    """Refused requests of the last days, newest first."""
    args = asked(RefusalsPageQuery)
    page = refusals_page(args)
    return render_template(
        "admin/refusals.html", page=page, args=args, kinds=KINDS, codes=list(MEANINGS), window=WINDOW_ROWS
    )


@console.get("/refusals/<moment:refused_at>/<positive:refusal_id>")
def refusal(refused_at: Moment, refusal_id: int) -> str:
    """One refusal, with the numbers with which it was decided."""
    return render_template("admin/refusal.html", shown=shown_refusal(found_refusal(refused_at, refusal_id)))
