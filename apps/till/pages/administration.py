"""Pages: the way into the administration, terminals, unknown cards, the password, and verification."""

import secrets
from datetime import datetime

import msgspec
from flask import redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house.problems import Problem
from house.room import room
from till.access import check_administrator, hashed, set_administrator
from till.holders import people, unknown_cards
from till.notes import MOST_CHARACTERS
from till.tables import Terminal

from .doors import (
    ADMINISTRATOR,
    digest,
    done,
    find_terminal,
    for_administrators,
    keep_terminal_cookie,
    till,
    visitor,
)
from .forms import field, whole
from .sessions import begin_visit


class Named(msgspec.Struct, frozen=True):
    """Something with a name, and a moment."""

    id: int
    name: str
    at: datetime


class Seen(msgspec.Struct, frozen=True):
    """A card that is nobody's."""

    code: str
    at: datetime


@till.get("/administration")
def administration() -> str | Response:
    """The form that asks for the password."""
    if visitor().is_administrator:
        return redirect(url_for("till.people_page"), 303)
    return render_template("till/admin_login.html")


@till.post("/administration")
def enter_administration() -> Response:
    """Begin a visit of the administration."""
    check_administrator(request.form.get("password", ""))
    room().database.transact(lambda session: begin_visit(session, ADMINISTRATOR))
    return redirect(url_for("till.people_page"), 303)


@till.route("/administration/terminals", methods=["GET", "POST"])
@for_administrators
def terminals_page() -> str | Response:
    """Screens at which nobody needs a password; this browser can become one."""
    if request.method == "POST":
        name, key = field("name", most=MOST_CHARACTERS), secrets.token_urlsafe(32)
        room().database.transact(lambda session: session.add(Terminal(name=name, digest=digest(key))))
        response = done(
            f"This browser is the terminal “{name}” now. Log out, and people can touch their names.",
            "till.terminals_page",
        )
        keep_terminal_cookie(response, key)
        return response

    def read(session: Session) -> tuple[list[Named], int]:
        found = session.execute(select(Terminal).order_by(Terminal.id)).scalars()
        here = find_terminal(session)
        return [Named(one.id, one.name, one.created_at) for one in found], 0 if here is None else here.id

    terminals, here = room().database.transact(read)
    return render_template("till/admin_terminals.html", terminals=terminals, here=here)


@till.post("/administration/terminals/<int:terminal_id>/remove")
@for_administrators
def remove_terminal(terminal_id: int) -> Response:
    """A screen is a terminal no more; its cookie is worthless from now on."""

    def work(session: Session) -> str:
        found = session.get(Terminal, terminal_id)
        if found is None:
            raise Problem("NOT_FOUND")
        session.delete(found)
        return found.name

    return done(f"“{room().database.transact(work)}” is no terminal any more.", "till.terminals_page")


@till.get("/administration/cards")
@for_administrators
def cards_page() -> str:
    """Cards of the last day that are nobody's, to be given to their owners."""

    def read(session: Session) -> tuple[list[Seen], list[Named]]:
        cards = [Seen(one.code, one.seen_at) for one in unknown_cards(session)]
        return cards, [Named(one.id, one.name, one.created_at) for one in people(session)]

    cards, names = room().database.transact(read)
    return render_template("till/admin_cards.html", cards=cards, people=names)


@till.get("/administration/verify")
@for_administrators
def verify_page() -> str:
    """Own tables, ledgers, and what the accounting server has told."""
    return render_template("till/admin_verify.html", report=room().verify())


@till.route("/administration/password", methods=["GET", "POST"])
@for_administrators
def password_page() -> str | Response:
    """Another password for the administration."""
    if request.method == "GET":
        return render_template("till/admin_password.html")
    check_administrator(request.form.get("old", ""))
    password_hash = hashed(request.form.get("password", ""))

    def work(session: Session) -> None:
        set_administrator(session, password_hash)
        begin_visit(session, ADMINISTRATOR)

    room().database.transact(work)
    return done("The password is changed; whoever used the old one is logged out.", "till.people_page")


def chosen_person() -> int:
    """Whom a form names."""
    return whole("person", 1, 2**62)
