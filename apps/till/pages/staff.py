"""Pages of the administration: people, their cards, passwords, lines and payouts."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from flask import render_template, request
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house import money
from house.problems import Problem
from house.room import room
from till.access import hashed, set_password
from till.answers import View, outcome, shown
from till.holders import admit, close, is_name_taken, people, present
from till.lines import pay_out, set_line, trace
from till.lists import owed, standings
from till.notes import MOST_CHARACTERS
from till.rules import Standing
from till.tables import Card, Deed, Holder, UnknownCard
from till.tokens import ADMINISTRATION, key_of

from .administration import chosen_person
from .doors import done, for_administrators, till
from .forms import amount, field

_MOST_TOKEN = 300


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, with what the administration may know."""

    id: int
    name: str
    standing: Standing
    has_password: bool
    since: datetime


def _person(one: Holder, known: dict[int, Standing]) -> Person:
    return Person(
        id=one.id,
        name=one.name,
        standing=known[one.id],
        has_password=one.password_hash is not None,
        since=one.created_at,
    )


@till.get("/administration/people")
@for_administrators
def people_page() -> str:
    """All people with their balances, and what the till owes them."""

    def read(session: Session) -> tuple[list[Person], int]:
        known = standings(session)
        return [_person(one, known) for one in people(session)], owed(session)

    found, sum_ = room().database.transact(read)
    return render_template("till/admin_people.html", people=found, owed=sum_)


@till.post("/administration/people")
@for_administrators
def add_person() -> Response:
    """Somebody new; the account is there a moment later."""
    name = field("name", most=MOST_CHARACTERS)
    holder_id = room().database.transact(lambda session: admit(session, room().desk, name))
    return done(f"{name} is here now.", "till.person_page", holder_id=holder_id)


@till.get("/administration/people/<int:holder_id>")
@for_administrators
def person_page(holder_id: int) -> str:
    """One person."""

    def read(session: Session) -> dict[str, Any]:
        one = _known(session, holder_id)
        cards = session.execute(select(Card.code).where(Card.holder_id == one.id).order_by(Card.code))
        lines: list[View] = [shown(session, deed) for deed in trace(session, one.id)]
        return {"person": _person(one, standings(session)), "cards": list(cards.scalars()), "lines": lines}

    return render_template("till/admin_person.html", **room().database.transact(read))


def _known(session: Session, holder_id: int) -> Holder:
    if holder_id >= 2**63:
        raise Problem("NOT_FOUND")
    found = present(session, holder_id, code="NOT_FOUND")
    if found.is_shop:
        raise Problem("NOT_FOUND")
    return found


@till.post("/administration/people/<int:holder_id>/name")
@for_administrators
def rename(holder_id: int) -> Response:
    """Another name."""
    name = field("name", most=MOST_CHARACTERS)

    def work(session: Session) -> None:
        one = _known(session, holder_id)
        if one.name.lower() != name.lower() and is_name_taken(session, name):
            raise Problem("NAME_TAKEN")
        one.name = name

    room().database.transact(work)
    return done(f"The name is {name} now.", "till.person_page", holder_id=holder_id)


@till.post("/administration/people/<int:holder_id>/password")
@for_administrators
def give_password(holder_id: int) -> Response:
    """A first password, or another one for who has forgotten it."""
    password_hash = hashed(request.form.get("password", ""))
    room().database.transact(
        lambda session: set_password(session, _known(session, holder_id).id, password_hash)
    )
    return done("The password is set.", "till.person_page", holder_id=holder_id)


@till.post("/administration/cards")
@for_administrators
def add_card() -> Response:
    """A card, or a barcode, is somebody's."""
    code, holder_id = field("code", most=MOST_CHARACTERS), chosen_person()

    def work(session: Session) -> None:
        one = _known(session, holder_id)
        if session.get(Card, code) is not None:
            raise Problem("CARD_TAKEN")
        session.execute(delete(UnknownCard).where(UnknownCard.code == code))
        session.add(Card(code=code, holder_id=one.id))

    room().database.transact(work)
    return done("The card is known now.", "till.person_page", holder_id=holder_id)


@till.post("/administration/people/<int:holder_id>/cards/remove")
@for_administrators
def remove_card(holder_id: int) -> Response:
    """A card is nobody's any more."""
    code = field("code", most=MOST_CHARACTERS)
    gone = delete(Card).where(Card.code == code, Card.holder_id == holder_id)

    def work(session: Session) -> None:
        session.execute(gone)

    room().database.transact(work)
    return done("The card is nobody's now.", "till.person_page", holder_id=holder_id)


@till.post("/administration/people/<int:holder_id>/line")
@for_administrators
def change_line(holder_id: int) -> Response:
    """How far below zero somebody may be."""
    one, token = room(), request.form.get("token", "")[:_MOST_TOKEN]
    cents = amount("line", is_zero_fine=True)

    def work(session: Session) -> UUID | None:
        _known(session, holder_id)
        key = key_of(one, session, token, ADMINISTRATION)
        return set_line(session, one.desk, key, holder_id, cents)

    sentence = f"The line is {money.show_for_people(cents)} now."
    return _told(one.database.transact(work), sentence, holder_id)


@till.post("/administration/people/<int:holder_id>/payout")
@for_administrators
def give_out(holder_id: int) -> Response:
    """Somebody was given money out of the box."""
    one, token, cents = room(), request.form.get("token", "")[:_MOST_TOKEN], amount("amount")

    def work(session: Session) -> UUID:
        holder = _known(session, holder_id)
        key = key_of(one, session, token, ADMINISTRATION)
        _check_payout(session, holder, cents, key)
        return pay_out(session, one.desk, key, holder_id, cents)

    sentence = f"Paid out: {money.show_for_people(cents)}."
    return _told(one.database.transact(work), sentence, holder_id)


def _check_payout(session: Session, holder: Holder, cents: int, key: str) -> None:
    """Nobody is given money that was only lent; what the token has done already is not asked again."""
    known = session.execute(select(func.count()).where(Deed.key == key).select_from(Deed)).scalar_one()
    balance = standings(session)[holder.id].balance
    if not known and cents > balance:
        raise Problem("INSUFFICIENT_FUNDS", "It did not happen: the person does not have so much.")


def _told(deed_id: UUID | None, sentence: str, holder_id: int) -> Response:
    if deed_id is not None and outcome(room(), deed_id).status == "running":
        sentence = "It is stored, and will be done once: look again in a moment."
    return done(sentence, "till.person_page", holder_id=holder_id)


@till.post("/administration/people/<int:holder_id>/remove")
@for_administrators
def remove_person(holder_id: int) -> Response:
    """Somebody leaves; the account is closed, and the name forgotten."""

    def work(session: Session) -> str:
        name = _known(session, holder_id).name
        close(session, room().desk, holder_id)
        return name

    return done(f"{room().database.transact(work)} has left.", "till.people_page")
