"""Page: requests that wait for other shards, and which part of all accounts this one has."""

from flask import render_template

from swpt_accounts.operators.admin.api.shard import WaitingRequestsQuery, waiting_page

from .arguments import asked, console


@console.get("/waiting-requests")
def waiting_requests() -> str:
    """Requests that wait, the oldest first."""
    args = asked(WaitingRequestsQuery)
    return render_template("admin/waiting_requests.html", page=waiting_page(args))
