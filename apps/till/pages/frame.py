"""The frame of all pages, in the accounting server's style; and problems, which people see as pages."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response, render_template, request

from house import money
from house.problems import MEDIA_TYPE


def set_up(app: Flask, *, title: str, zone: ZoneInfo) -> None:
    """Let the application have pages.  Moments are written as clocks in `zone` show them."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(
        money=money.show_for_people,
        plain=money.show,
        clock=lambda at: at.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
        stamp=lambda at: at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )

    @app.context_processor
    def context() -> dict[str, Any]:
        # Pages of errors use it as well: nothing here may ask the database.
        return {"title": title, "zone": zone.key, "now": datetime.now(UTC)}

    @app.after_request
    def show_problems(response: Response) -> Response:
        if response.content_type == MEDIA_TYPE and is_page():
            page = _problem_page(json.loads(response.get_data()))
            response.set_data(page)
            response.content_type = "text/html; charset=utf-8"
        return response


def is_page() -> bool:
    """Whether a person looks at the answer of this request."""
    return not request.path.startswith("/api/") and "text/html" in request.headers.get("Accept", "")


def _problem_page(document: Mapping[str, Any]) -> str:
    back = request.referrer or ""
    is_ours = back.startswith(request.host_url) and request.method != "GET"
    again: dict[str, str] = {}
    is_open = document["status"] in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
    if is_open and "token" in request.form:
        # The same form again, with the same token: whatever has become of the first, it is done once.
        again = request.form.to_dict()
    return render_template(
        "till/problem.html", problem=document, back=back if is_ours else "/", again=again, path=request.path
    )
