"""Pages for administrators: requests to decide, sellers with their logs, the verification and its alarm."""

from typing import Any, Final

from flask import Blueprint, Flask, flash, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house import money
from house import pages as house_pages
from house.desk import refusal_code
from house.entrance import add_entrance, add_verification, visitor_or_login
from house.problems import Problem, document
from house.room import Room, room

from . import crediting, deciding, sellers
from .tables import LogEntry
from .watching import WATCH

_MOST: Final = 50
_DECISIONS: Final = {"approve": crediting.APPROVED, "reject": crediting.REJECTED}
_FIRST: Final = 2**62
pages = Blueprint("pages", __name__, url_prefix="/administration")


def set_up(app: Flask, one: Room) -> None:
    """Add the pages."""
    sections = [
        ("pages.requests", "Requests"),
        ("pages.people", "Sellers"),
        ("pages.verify", "Verification"),
        ("swagger", "API"),
    ]
    house_pages.set_up(app, one, package="shop", sections=sections)
    app.register_blueprint(pages)

    @app.get("/")
    def begin() -> Response:
        return redirect(url_for("pages.requests"))

    @app.context_processor
    def alarm() -> dict[str, Any]:
        latest = WATCH.latest
        return {"alarm": () if latest is None else latest.differences}


def _find(username: str) -> tuple[str, str] | None:
    found = room().database.transact(lambda session: sellers.find(session, username))
    if found is None or found.is_closed or not found.is_admin:
        return None
    return sellers.visitor_name(found.username), found.password_hash


add_entrance(pages, name_label="Name of an administrator", find=_find, home="pages.requests")
# What is found is the alarm of all pages.
add_verification(pages, kind=sellers.ADMIN, look=lambda: WATCH.look(room()))


@pages.get("/requests")
def requests() -> str | Response:
    """What sellers ask for, the oldest of what waits first; below it what was decided."""
    who = _visiting()
    if isinstance(who, Response):
        return who
    before = request.args.get("before", _FIRST, int)

    def look(session: Session) -> tuple[list[crediting.View], list[crediting.View]]:
        decided = crediting.decided(session, before=min(max(before, 0), _FIRST), most=_MOST)
        return crediting.waiting(session, _MOST), decided

    waiting, decided = room().database.transact(look)
    more = decided[-1].id if len(decided) == _MOST else None
    return render_template("shop/requests.html", waiting=waiting, decided=decided, more=more)


@pages.post("/requests/<int:request_id>/<any(approve, reject):choice>")
def decide(request_id: int, choice: str) -> str | Response:
    """Approve or reject; once, whoever is quicker."""
    who = _visiting()
    if isinstance(who, Response):
        return who

    def admin_id(session: Session) -> int:
        found = sellers.find(session, who)
        if found is None or found.is_closed or not found.is_admin:
            raise Problem("NOT_ALLOWED", "Only an administrator does that.")
        return found.id

    try:
        seen = deciding.decide(room(), request_id, _DECISIONS[choice], admin_id)
        flash(*_told(seen))
    except Problem as problem:
        flash(document(problem.code, problem.detail)[1]["detail"], "bad")
    return redirect(url_for("pages.requests"), 303)


def _told(seen: crediting.View) -> tuple[str, str]:
    sum_ = f"{money.show_for_people(seen.cents)} for {seen.seller}"
    if seen.status == crediting.REJECTED:
        return f"Rejected: {sum_}.", "message"
    if not seen.issuing:
        return f"Approved: {sum_}. It is stored, and will be issued once.", "message"
    if seen.issuing != "OK":
        return f"Approved, and not issued: {sum_} ({refusal_code(seen.issuing)}).", "bad"
    return f"Approved, and issued: {sum_}.", "message"


@pages.get("/sellers")
def people() -> str | Response:
    """All sellers, with the credit that is left."""
    who = _visiting()
    if isinstance(who, Response):
        return who
    one, after = room(), request.args.get("after", "").replace("\0", "")

    def look(session: Session) -> list[tuple[sellers.View, int, bool]]:
        return [
            (found, one.desk.balance(session, account), one.desk.is_open(session, account))
            for found in sellers.page(session, after=after, most=_MOST)
            if (account := found.creditor_id) is not None
        ]

    found = one.database.transact(look)
    more = found[-1][0].username if len(found) == _MOST else None
    return render_template("shop/sellers.html", sellers=found, more=more)


@pages.get("/sellers/<string:username>")
def person(username: str) -> str | Response:
    """One seller: the account, what was asked for, and the log."""
    who = _visiting()
    if isinstance(who, Response):
        return who
    one = room()

    def look(session: Session) -> dict[str, Any]:
        found = sellers.find(session, username)
        if found is None or found.creditor_id is None:
            raise Problem("NOT_FOUND", "There is no such seller.")
        log = select(LogEntry).where(LogEntry.creditor_id == found.creditor_id).order_by(LogEntry.id.desc())
        rows = session.execute(log.limit(_MOST)).scalars().all()
        session.expunge_all()
        return {
            "seller": found,
            "balance": one.desk.balance(session, found.creditor_id),
            "log": rows,
            "asked": crediting.pages(session, status=None, seller_id=found.id, before=_FIRST, most=_MOST),
        }

    return render_template("shop/seller.html", **one.database.transact(look))


@pages.post("/sellers/<string:username>/close")
def close(username: str) -> str | Response:
    """Remove a seller whose credit is used up."""
    who = _visiting()
    if isinstance(who, Response):
        return who
    one = room()
    try:
        one.database.transact(lambda session: sellers.close(session, one.desk, username))
        flash(f"{username} sells no more.")
    except Problem as problem:
        flash(document(problem.code, problem.detail)[1]["detail"], "bad")
    return redirect(url_for("pages.person", username=username), 303)


def _visiting() -> str | Response:
    """The username of the administrator who visits, or the way to the login page."""
    who = visitor_or_login(pages, sellers.ADMIN)
    return who if isinstance(who, Response) else who.partition(":")[2]
