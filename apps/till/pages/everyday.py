"""Pages: buying, recharging, giving, undoing."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from flask import flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house import money
from house.problems import Problem
from house.room import room
from till import doing, lists
from till.answers import View
from till.holders import people, present, standing
from till.notes import MOST_CHARACTERS, Kind
from till.products import on_sale
from till.rules import OK, Standing

from .doors import done, for_people, till, visitor
from .forms import amount, field, whole

_QUICK = (500, 1000, 2000, 5000)
_MOST_TOKEN = 300


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """A product to touch."""

    id: int
    name: str
    category: str
    cents: int
    stock: int


class Notices(msgspec.Struct, frozen=True):
    """What somebody should read."""

    texts: tuple[str, ...]
    last: int


class Mine(msgspec.Struct, frozen=True, kw_only=True):
    """What a person sees first."""

    standing: Standing
    notices: Notices
    latest: View | None
    """What may still be undone."""


def _mine(session: Session, who: int) -> Mine:
    unread = lists.unread(session, who)
    latest = lists.latest(session, who)
    is_fresh = latest is not None and can_undo(latest)
    return Mine(
        standing=standing(session, room().desk, present(session, who)),
        notices=Notices(tuple(one.text for one in unread), unread[-1].id if unread else 0),
        latest=latest if is_fresh else None,
    )


def can_undo(view: View) -> bool:
    """Whether an undo is worth a button."""
    age = datetime.now(UTC) - view.at
    is_mine = view.holder_id == visitor().holder_id
    return is_mine and view.status == "done" and age < timedelta(minutes=doing.till_settings().undo_minutes)


@till.get("/")
@for_people
def shop() -> str:
    """All that can be bought, in categories, and what one has."""
    who = visitor().holder_id

    def read(session: Session) -> tuple[Mine, list[Tile], list[int]]:
        tiles = [
            Tile(id=one.id, name=one.name, category=one.category, cents=one.cents, stock=one.stock)
            for one in on_sale(session)
        ]
        often = [one.product_id for one in lists.most_bought(session, datetime.now(UTC), who)]
        return _mine(session, who), tiles, often

    mine, tiles, often = room().database.transact(read)
    known = {one.id: one for one in tiles}
    categories: dict[str, list[Tile]] = {}
    if favourites := [known[one] for one in often if one in known][:4]:
        categories["Your usual"] = favourites
    for one in tiles:
        categories.setdefault(one.category, []).append(one)
    return render_template("till/shop.html", mine=mine, categories=categories)


@till.get("/products/<int:product_id>")
@for_people
def product(product_id: int) -> str:
    """One product, whose barcode was read."""
    who = visitor().holder_id

    def read(session: Session) -> tuple[Mine, list[Tile]]:
        return _mine(session, who), [
            Tile(id=one.id, name=one.name, category=one.category, cents=one.cents, stock=one.stock)
            for one in on_sale(session)
            if one.id == product_id
        ]

    mine, tiles = room().database.transact(read)
    if not tiles:
        raise Problem("UNKNOWN_PRODUCT")
    return render_template("till/shop.html", mine=mine, categories={tiles[0].category: tiles})


@till.post("/buy")
@for_people
def buy() -> Response:
    """Somebody has touched a product."""
    seen = doing.buy(_token(), visitor().holder_id, whole("product", 1, 2**62), amount("price"))
    return _told(seen, f"{seen.what} for {money.show_for_people(seen.cents)}: enjoy it.")


@till.route("/recharge", methods=["GET", "POST"])
@for_people
def recharge() -> str | Response:
    """What was put into the box."""
    who = visitor().holder_id
    if request.method == "POST":
        seen = doing.recharge(_token(), who, amount("amount"))
        return _told(seen, f"Recharged: {money.show_for_people(seen.cents)}.")
    mine = room().database.transact(lambda session: _mine(session, who))
    return render_template(
        "till/recharge.html", mine=mine, quick=_QUICK, most=doing.till_settings().daily_recharge
    )


@till.route("/transfer", methods=["GET", "POST"])
@for_people
def transfer() -> str | Response:
    """Money for somebody else, by name, card or id."""
    who = visitor().holder_id
    if request.method == "POST":
        to, note = field("to", most=MOST_CHARACTERS), field("note", most=MOST_CHARACTERS, least=0)
        seen = doing.give(_token(), who, to, amount("amount"), note)
        return _told(seen, f"{seen.other} has {money.show_for_people(seen.cents)} from you.")

    def read(session: Session) -> tuple[Mine, list[str]]:
        return _mine(session, who), [one.name for one in people(session) if one.id != who]

    mine, names = room().database.transact(read)
    return render_template("till/transfer.html", mine=mine, names=names)


@till.post("/deeds/<uuid:deed_id>/undo")
@for_people
def undo(deed_id: UUID) -> Response:
    """Take it back."""
    seen, is_old = doing.undo(_token(), visitor().holder_id, deed_id)
    what = {Kind.PURCHASE: seen.deed.what, Kind.RECHARGE: "The recharge"}.get(seen.deed.kind, "The transfer")
    if is_old:
        return done(f"{what}: it was undone already.", "till.shop")
    if seen.outcome == OK:
        return done(f"{what}: undone, {money.show_for_people(seen.deed.cents)} is back.", "till.shop")
    return redirect(url_for("till.deed", deed_id=deed_id), 303)


@till.post("/notices")
@for_people
def read_notices() -> Response:
    """Somebody has read what was to be told."""
    until, who = whole("until", 0, 2**62), visitor().holder_id
    room().database.transact(lambda session: lists.mark_read(session, who, until))
    return redirect(url_for("till.shop"), 303)


def _token() -> str:
    return request.form.get("token", "")[:_MOST_TOKEN]


def _told(seen: View, sentence: str) -> Response:
    if seen.status == "running":
        return redirect(url_for("till.deed", deed_id=seen.id), 303)
    flash(sentence)
    return redirect(url_for("till.shop"), 303)
