"""Logging in to the console with a token, and out again."""

import re
from typing import Final

from flask import Blueprint, current_app, redirect, render_template, request, url_for
from werkzeug.exceptions import TooManyRequests, Unauthorized
from werkzeug.wrappers import Response

from .access import check_forgery, log_in, open_to_everybody
from .context import admin_context
from .keys import ensure_key
from .sessions import begin_session, end_session

_OUR_PAGES: Final = re.compile(r"/admin/(?!login|logout)[^\\\s]*", re.ASCII)
_LONGEST_TOKEN: Final = 200

entrance = Blueprint("entrance", __name__, url_prefix="/admin")


@entrance.get("/login")
@open_to_everybody
def login() -> Response:
    """The form that asks for a token."""
    ensure_key(current_app, admin_context())
    return _form()


@entrance.post("/login")
@open_to_everybody
def begin() -> Response:
    """Begin a session, and go where the visitor wanted to go."""
    ensure_key(current_app, admin_context())
    check_forgery()
    try:
        token = log_in(request.form.get("token", "").strip()[:_LONGEST_TOKEN])
    except (Unauthorized, TooManyRequests) as error:
        response = _form(error.description or "", error.code or Unauthorized.code)
        if isinstance(error, TooManyRequests):
            response.headers["Retry-After"] = str(error.retry_after)
        return response
    begin_session(admin_context(), token)
    return redirect(_target(), 303)


@entrance.post("/logout")
@open_to_everybody
def logout() -> Response:
    """End the session.  A viewer may do it as well, so the guard does not ask for a role."""
    ensure_key(current_app, admin_context())
    check_forgery()
    end_session(admin_context())
    return redirect(url_for("entrance.login"), 303)


def _form(complaint: str = "", status: int = 200) -> Response:
    page = render_template("admin/login.html", complaint=complaint, target=_target())
    return Response(page, status, content_type="text/html; charset=utf-8")


def _target() -> str:
    """Where the visitor wanted to go; nothing but pages of ours, lest somebody be led astray."""
    wanted = request.values.get("next", "")
    return wanted if _OUR_PAGES.fullmatch(wanted) and "//" not in wanted else "/admin/"
