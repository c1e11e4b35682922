"""Page: the periodic work, how late it is, and doing it now."""

from flask import render_template, url_for
from werkzeug.wrappers import Response

from swpt_accounts.operators.admin.api.chores import run_soon, shown_chores

from .arguments import console, done


@console.get("/chores")
def chores() -> str:
    """All chores, the latest first."""
    found = sorted(shown_chores(), key=lambda chore: (-chore["lag_seconds"], chore["name"]))
    return render_template("admin/chores.html", chores=found)


@console.post("/chores/<name>/run")
def run_chore(name: str) -> Response:
    """Do a chore as soon as its process can."""
    run_soon(name)
    return done(f"The chore “{name}” will be done as soon as its process can.", url_for("console.chores"))
