"""Logging in on a page, with a name and a password or with a key, and out again."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from flask import Blueprint, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from .pages import next_page
from .passwords import is_password
from .problems import Problem, document
from .room import room
from .verifying import Report
from .visits import begin_visit, end_visit, visitor

_LONGEST: Final = 254
Find: TypeAlias = Callable[[Mapping[str, str]], str]
"""Of what was written into the fields, who that is (see `visits`).  Raises Problem."""


def add_entrance(
    pages: Blueprint, *, name_label: str, find: Callable[[str], tuple[str, str] | None], home: str
) -> None:
    """Give a blueprint the pages `login` and `logout`, for who has a name and a password.

    `find` gets a name, and gives who that is (see `visits`) and what is kept of the password, or None;
    `home` is the endpoint where a visitor goes who wanted nothing else.
    """

    def look(written: Mapping[str, str]) -> str:
        found = find(written["name"])
        if not is_password(None if found is None else found[1], written["password"]) or found is None:
            raise Problem("NOT_KNOWN", "The name is unknown, or the password is wrong.")
        return found[0]

    _add(pages, fields={"name": name_label, "password": "Password"}, find=look, home=home)


def add_key_entrance(
    pages: Blueprint, *, label: str, find: Callable[[Session, str], str | None], home: str
) -> None:
    """The same for who has an API key: `find` gets it, and gives whose it is, or None."""

    def look(written: Mapping[str, str]) -> str:
        found = room().database.transact(lambda session: find(session, written["key"]))
        if found is None:
            raise Problem("NOT_KNOWN", "This is nobody's key.")
        return found

    _add(pages, fields={"key": label}, find=look, home=home)


def _add(pages: Blueprint, *, fields: Mapping[str, str], find: Find, home: str) -> None:
    def form(complaint: str) -> str:
        return render_template("house/login.html", fields=fields, complaint=complaint)

    @pages.get("/login")
    def login() -> str:
        return form("")

    @pages.post("/login")
    def begin() -> Response:
        written = {field: request.form.get(field, "")[:_LONGEST].strip() for field in fields}
        guessed = [f"address {request.remote_addr}"]
        if "name" in written:
            guessed.append(f"name {pages.name} {written['name']}")
        try:
            room().throttle.check(*guessed)
            who = _noted(guessed, lambda: find(written))
        except Problem as problem:
            status, body = document(problem.code, problem.detail)
            return Response(form(body["detail"]), status, content_type="text/html; charset=utf-8")
        begin_visit(who)
        return redirect(next_page(home), 303)

    @pages.post("/logout")
    def logout() -> Response:
        end_visit()
        return redirect(f"{pages.url_prefix or ''}/login", 303)


def _noted(guessed: list[str], find: Callable[[], str]) -> str:
    """Who it is; a wrong guess is counted, for the address and for the name."""
    try:
        return find()
    except Problem:
        room().throttle.note(*guessed)
        raise


def add_verification(
    pages: Blueprint, *, kind: str, others: tuple[str, ...] = (), look: Callable[[], Report] | None = None
) -> None:
    """Give a blueprint the page `verify`, on which visitors of one kind see whether everything is in order.

    `others` come in as well, and are told that it is not for them.  Without `look` the room verifies.
    """

    @pages.get("/verify")
    def verify() -> str | Response:
        who = visitor_or_login(pages, kind, *others)
        if isinstance(who, Response):
            return who
        if who.partition(":")[0] != kind:
            raise Problem("NOT_ALLOWED", f"Only the {kind} sees what all accounts have.")
        report = room().verify() if look is None else look()
        return render_template("house/verify.html", report=report)


def visitor_or_login(pages: Blueprint, *kinds: str) -> str | Response:
    """Who visits, if it is somebody like `KIND` or `KIND:…`; else the way to the login page."""
    who = visitor()
    if who is not None and who.partition(":")[0] in kinds:
        return who
    return redirect(f"{pages.url_prefix or ''}/login?next={request.path}", 303)
