"""Pages: coming in by a touch, a card or a password, and going out."""

from typing import Any

import msgspec
from flask import redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house.problems import Problem
from house.room import room
from till.access import check_password
from till.holders import people, person_by_card, present, remember_card
from till.notes import MOST_CHARACTERS
from till.products import by_barcode

from .doors import done, name_of, till, visitor
from .forms import field, whole
from .sessions import begin_visit, end_visit


class Name(msgspec.Struct, frozen=True):
    """Somebody to touch."""

    id: int
    name: str


@till.get("/enter")
def entrance() -> str | Response:
    """At a terminal: all names, to be touched.  Elsewhere: name and password."""
    who = visitor()
    if who.holder_id:
        return redirect(url_for("till.shop"), 303)
    if not who.terminal:
        return render_template("till/login.html")
    names = room().database.transact(lambda session: [Name(one.id, one.name) for one in people(session)])
    return render_template("till/names.html", names=names, terminal=who.terminal)


@till.post("/enter")
def enter() -> Response:
    """Somebody has touched a name."""
    _only_at_terminals()
    holder_id = whole("person", 1, 2**62)

    def work(session: Session) -> None:
        present(session, holder_id)
        begin_visit(session, name_of(holder_id, at_terminal=True))

    room().database.transact(work)
    return redirect(url_for("till.shop"), 303)


@till.post("/scan")
def scan() -> Response:
    """Somebody has held a card, or something with a barcode, before the reader."""
    _only_at_terminals()
    code = field("code", most=MOST_CHARACTERS)

    def work(session: Session) -> tuple[str, dict[str, Any]]:
        person = person_by_card(session, code)
        if person is not None:
            begin_visit(session, name_of(person.id, at_terminal=True))
            return "till.shop", {}
        product = by_barcode(session, code)
        if product is not None:
            return ("till.product", {"product_id": product.id}) if visitor().holder_id else ("", {})
        remember_card(session, code)
        return "unknown", {}

    endpoint, values = room().database.transact(work)
    if endpoint == "unknown":
        return done(
            "Nobody has this card yet. It is remembered for a day: tell the administration whose it is.",
            "till.entrance",
        )
    if not endpoint:
        return done("First say who you are, then hold it before the reader again.", "till.entrance")
    return redirect(url_for(endpoint, **values), 303)


@till.post("/login")
def log_in() -> Response:
    """By name and password, anywhere."""
    holder_id = check_password(field("name", most=MOST_CHARACTERS), request.form.get("password", ""))
    room().database.transact(lambda session: begin_visit(session, name_of(holder_id, at_terminal=False)))
    return redirect(url_for("till.shop"), 303)


@till.post("/logout")
def log_out() -> Response:
    """Leave; a terminal stays one."""
    room().database.transact(end_visit)
    return redirect(url_for("till.entrance"), 303)


@till.get("/stay")
def stay() -> tuple[str, int]:
    """Somebody still touches the screen: asked by the page; that it asked is all."""
    return "", 204 if visitor().holder_id else 401


def _only_at_terminals() -> None:
    if not visitor().terminal:
        raise Problem("NOT_ALLOWED", "Only a terminal lets people in without a password.")
