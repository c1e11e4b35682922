"""Logging in with a name and a password, on a page, and out again."""

from collections.abc import Callable
from typing import Final

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from .pages import next_page
from .passwords import is_password
from .problems import Problem, document
from .room import room
from .visits import begin_visit, end_visit, visitor

_LONGEST: Final = 254


def add_entrance(
    pages: Blueprint, *, name_label: str, find: Callable[[str], tuple[str, str] | None], home: str
) -> None:
    """Give a blueprint the pages `login` and `logout`.

    `find` gets a name, and gives who that is (see `visits`) and what is kept of the password, or None;
    `home` is the endpoint where a visitor goes who wanted nothing else.
    """

    @pages.get("/login")
    def login() -> str:
        return render_template("house/login.html", name_label=name_label, complaint="")

    @pages.post("/login")
    def begin() -> Response:
        name, password = (request.form.get(field, "")[:_LONGEST].strip() for field in ("name", "password"))
        who = f"name {pages.name} {name}", f"address {request.remote_addr}"
        try:
            room().throttle.check(*who)
            found = find(name)
            if not is_password(None if found is None else found[1], password) or found is None:
                room().throttle.note(*who)
                raise Problem("NOT_KNOWN", "The name is unknown, or the password is wrong.")
        except Problem as problem:
            status, body = document(problem.code, problem.detail)
            page = render_template("house/login.html", name_label=name_label, complaint=body["detail"])
            return Response(page, status, content_type="text/html; charset=utf-8")
        begin_visit(found[0])
        return redirect(next_page(home), 303)

    @pages.post("/logout")
    def logout() -> Response:
        end_visit()
        return redirect(f"{pages.url_prefix or ''}/login", 303)


def visitor_or_login(pages: Blueprint, kind: str) -> str | Response:
    """Who visits, if it is somebody like `kind:…`; else the way to the login page."""
    who = visitor()
    if who is not None and who.partition(":")[0] == kind:
        return who
    return redirect(f"{pages.url_prefix or ''}/login?next={request.path}", 303)
