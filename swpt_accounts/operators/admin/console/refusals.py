"""Page: why was this refused."""

from flask import render_template

from swpt_accounts.operators.admin.api.refusals import RefusalsQuery, refusals_page
from swpt_accounts.wire.moments import FIRST_MOMENT, LAST_MOMENT

from . import words
from .doors import FormMoment, asked, console


class RefusalsPageQuery(RefusalsQuery):
    """Whose refusals, and when."""

    since = FormMoment(load_default=FIRST_MOMENT)
    until = FormMoment(load_default=LAST_MOMENT)


@console.get("/refusals")
def refusals() -> str:
    """Refused requests of the last days, newest first."""
    args = asked(RefusalsPageQuery)
    return render_template("admin/refusals.html", page=refusals_page(args), args=args, words=words.REFUSALS)
