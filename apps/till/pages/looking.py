"""Pages: what one has done, what became of it, the month, and oneself."""

import re
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from flask import Response as PlainResponse
from flask import render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house.problems import Problem
from house.room import room
from till import doing, lists
from till.access import hashed, set_password
from till.holders import present, standing
from till.statement import Statement, as_text, statement
from till.tables import Card

from .doors import done, for_people, name_of, till, visitor
from .everyday import can_undo
from .sessions import begin_visit

_MONTH: Final = re.compile(r"(2\d{3})-(0[1-9]|1[0-2])", re.ASCII)
_LAST_YEAR: Final = 2998


@till.get("/history")
@for_people
def history() -> str:
    """The last purchases, recharges and transfers, and what one buys most."""
    who = visitor().holder_id

    def read(session: Session) -> dict[str, Any]:
        return {
            "purchases": lists.purchases(session, who),
            "recharges": lists.recharges(session, who),
            "transfers": lists.transfers(session, who),
            "most_bought": lists.most_bought(session, datetime.now(UTC), who),
        }

    return render_template("till/history.html", can_undo=can_undo, me=who, **room().database.transact(read))


@till.get("/deeds/<uuid:deed_id>")
@for_people
def deed(deed_id: UUID) -> str:
    """What became of something; the page looks again by itself as long as it is under way."""
    who = visitor().holder_id
    seen = room().database.transact(lambda session: doing.look(session, who, deed_id))
    return render_template("till/deed.html", deed=seen, can_undo=can_undo)


@till.get("/month")
@for_people
def month() -> str:
    """The statement of a month."""
    one, wanted = _statement()
    return render_template("till/month.html", statement=one, wanted=wanted)


@till.get("/month.txt")
@for_people
def month_text() -> PlainResponse:
    """The same as a text, for a mail."""
    one, _ = _statement()
    text = as_text(one, doing.till_settings().zone)
    return PlainResponse(text, content_type="text/plain; charset=utf-8")


def _statement() -> tuple[Statement, str]:
    zone, who = doing.till_settings().zone, visitor()
    wanted = request.args.get("month") or f"{datetime.now(zone):%Y-%m}"
    found = _MONTH.fullmatch(wanted)
    if found is None or int(found.group(1)) > _LAST_YEAR:
        raise Problem("INVALID_FIELDS", "A month must be written like 2026-11.")
    year, number = int(found.group(1)), int(found.group(2))
    return room().database.transact(
        lambda session: statement(session, who.holder_id, who.name, year, number, zone)
    ), wanted


@till.get("/me")
@for_people
def mine() -> str:
    """What one has, one's cards, and the password for other places than the terminal."""
    who = visitor().holder_id

    def read(session: Session) -> dict[str, Any]:
        holder = present(session, who)
        cards = session.execute(select(Card.code).where(Card.holder_id == who).order_by(Card.code)).scalars()
        return {
            "standing": standing(session, room().desk, holder),
            "cards": list(cards),
            "has_password": holder.password_hash is not None,
        }

    return render_template("till/me.html", me=who, **room().database.transact(read))


@till.post("/me/password")
@for_people
def change_password() -> Response:
    """Another password."""
    who = visitor()
    if who.is_at_terminal:
        raise Problem("NOT_ALLOWED", "At a terminal everybody could: ask the administration for a password.")
    password_hash = hashed(request.form.get("password", ""))

    def work(session: Session) -> None:
        set_password(session, who.holder_id, password_hash)
        begin_visit(session, name_of(who.holder_id, at_terminal=False))

    room().database.transact(work)
    return done("The password is changed; whoever used the old one is logged out.", "till.mine")
