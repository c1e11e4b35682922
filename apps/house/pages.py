"""Pages that people look at: templates in the console's frame, forms that nobody forges, visits of people.

An application has its templates in `NAME/templates/NAME/`, its own files in `NAME/static/`, and extends
`house/base.html`.  Cookies belong to pages only; programs send a token or a key with each request.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Flask, Request, Response, g, render_template, request, url_for
from flask.sessions import NullSession, SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import CSRFError, CSRFProtect
from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined

from swpt_client.errors import StoreAway

from . import money
from .database import InDoubt
from .problems import problem, set_page_maker
from .room import Room
from .shipped import serve_folder, serve_shipped
from .visits import visitor


class Sessions(SecureCookieSessionInterface):
    """Signed cookies, whose keys are in the database; without them there are no sessions."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request; one that cannot be changed while there is no key."""
        if not self._room.is_ready.is_set():
            # The table of the keys may not be there yet.
            return NullSession()
        try:
            keys = self._room.signing.all()
        except (StoreAway, InDoubt):
            return NullSession()
        app.secret_key = keys[0]
        app.config["SECRET_KEY_FALLBACKS"] = list(keys[1:])
        return super().open_session(app, request)


def set_up(
    app: Flask,
    room: Room,
    *,
    package: str,
    sections: Sequence[tuple[str, str]] = (),
    logout: str = "pages.logout",
) -> None:
    """Let an application have pages.

    `sections` are the endpoints and names that stand in the frame, and `logout` is the endpoint of the
    button beside them.  To be called before
    `api.set_up`: every request that changes something needs the mark `csrf_token` of a form, except to
    an API, which never looks at cookies.
    """
    folder = Path(str(files(package)))
    ours = Path(str(files("house")))
    app.jinja_options = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True}
    app.jinja_loader = ChoiceLoader(
        [FileSystemLoader(folder / "templates"), FileSystemLoader(ours / "templates")]
    )
    app.jinja_env.filters.update(money=money.show_for_people, utc=_utc)
    app.session_interface = Sessions(room)
    is_https = room.settings.is_https
    app.config.update(
        SESSION_COOKIE_NAME=f"__Host-{package}" if is_https else f"{package}_session",
        SESSION_COOKIE_PATH="/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_SECURE=is_https,
        WTF_CSRF_TIME_LIMIT=None,
    )
    CSRFProtect(app)
    app.register_error_handler(CSRFError, _refuse_forgery)
    _serve_files(app, folder / "static", ours / "static")
    set_page_maker(app, _problem_page)

    @app.context_processor
    def frame() -> dict[str, Any]:
        title = room.application.title
        return {
            "sections": sections,
            "logout": logout,
            "app_title": title,
            "visitor": visitor(),
            "now": datetime.now(UTC),
        }


def _serve_files(app: Flask, of_app: Path, of_house: Path) -> None:
    serve_shipped(app)
    serve_folder(app, "house_file", "/house", of_house)
    serve_folder(app, "app_file", "/files", of_app)


def is_page() -> bool:
    """Whether a person looks at the answer of this request."""
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return best == "text/html" and not request.is_json


def _problem_page(status: int, code: str, detail: str) -> str | None:
    """An error as a page; it must do without the database."""
    if not is_page():
        return None
    # The frame asks who visits, and that may be what cannot be asked.
    g.house_visitor = None
    title = HTTPStatus(status).phrase
    return render_template(
        "house/problem.html", status=status, title=title, code=code, detail=detail, sections=(), visitor=None
    )


def _refuse_forgery(error: CSRFError) -> Response:
    why = error.description or ""
    return problem("FORGED", f"{why} Let the browser keep cookies, and load the page with the form again.")


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def next_page(default: str) -> str:
    """Where a visitor wanted to go; nothing but pages of ours, lest somebody be led astray."""
    wanted = request.values.get("next", "")
    is_ours = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted
    return wanted if is_ours and wanted.isprintable() and " " not in wanted else url_for(default)
