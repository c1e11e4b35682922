"""Pages: the manual, and in it a runbook for each alert."""

from flask import redirect, render_template, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from swpt_accounts.operators.admin.api.arguments import not_found
from swpt_accounts.operators.admin.manual import NAMES, rendered

from .arguments import console


@console.get("/manual")
def manual_begin() -> Response:
    """The document that people are in a hurry for."""
    return redirect(url_for("console.manual", name="runbooks"), 303)


@console.get("/manual/<name>")
def manual(name: str) -> str:
    """A document of the manual."""
    if name not in NAMES:
        not_found(f"document {name[:50]!r} in the manual; there are {', '.join(NAMES)}")
    # It was written by us, and HTML in it would be shown as text.
    text = Markup(rendered(name))  # noqa: S704
    return render_template("admin/manual.html", name=name, names=NAMES, text=text)
