"""Pages: trades with the state of each leg, the book, and the verification.  One logs in with an API key."""

from typing import Final

from flask import Blueprint, Flask, redirect, render_template, request
from msgspec.structs import asdict
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house import pages as house_pages
from house.api_keys import owner_of
from house.problems import Problem, document
from house.room import Room, room
from house.visits import begin_visit, end_visit, visitor

from . import views
from .access import Caller, caller_of
from .fields import show_rate
from .telling import Told, reason, tell

_MOST_TRADES: Final = 30
_MOST_OFFERS: Final = 200
_LONGEST: Final = 200
pages = Blueprint("pages", __name__)


def set_up(app: Flask, one: Room) -> None:
    """Add the pages."""
    sections = [("pages.trades", "Trades"), ("pages.book", "Book"), ("pages.verify", "Verification")]
    house_pages.set_up(app, one, package="exchange", sections=[*sections, ("swagger", "API")])
    app.jinja_env.filters.update(rate=show_rate, told=_told, reason=reason)
    app.register_blueprint(pages)


@pages.get("/login")
def login() -> str:
    """Ask for the key."""
    return render_template("exchange/login.html", complaint="")


@pages.post("/login")
def begin() -> Response:
    """Look whose key it is."""
    key = request.form.get("key", "")[:_LONGEST].strip()
    address = f"address {request.remote_addr}"
    try:
        room().throttle.check(address)
        owner = room().database.transact(lambda session: owner_of(session, key))
        if owner is None:
            room().throttle.note(address)
            raise Problem("NOT_KNOWN", "This is nobody's key.")
    except Problem as problem:
        status, body = document(problem.code, problem.detail)
        page = render_template("exchange/login.html", complaint=body["detail"])
        return Response(page, status, content_type="text/html; charset=utf-8")
    begin_visit(owner)
    return redirect(house_pages.next_page("pages.trades"), 303)


@pages.post("/logout")
def logout() -> Response:
    """End the visit."""
    end_visit()
    return redirect("/login", 303)


@pages.get("/")
def trades() -> str | Response:
    """The newest trades: the own ones, or all for the operator."""
    who, one = _visiting(), room()
    if isinstance(who, Response):
        return who
    found = one.database.transact(lambda session: views.trades(session, one, who.trader_id, _MOST_TRADES))
    return render_template("exchange/trades.html", trades=found)


@pages.get("/trades/<string:trade_id>")
def trade(trade_id: str) -> str | Response:
    """One trade: the state of each leg, step by step."""
    who, one = _visiting(), room()
    if isinstance(who, Response):
        return who
    seen = one.database.transact(lambda session: views.trade_view(session, one, trade_id))
    if seen is None or not (who.is_operator or seen.is_of(who.trader_id)):
        raise Problem("NOT_FOUND", "There is no such trade, or others trade there.")
    return render_template("exchange/trade.html", trade=seen)


@pages.get("/book")
def book() -> str | Response:
    """All open offers."""
    who = _visiting()
    if isinstance(who, Response):
        return who

    def look(session: Session) -> list[views.OfferView]:
        return views.open_offers(session, _MOST_OFFERS)

    return render_template("exchange/book.html", offers=room().database.transact(look), who=who)


@pages.get("/verify")
def verify() -> str | Response:
    """Own tables, ledgers and server, compared now; for the operator."""
    who = _visiting()
    if isinstance(who, Response):
        return who
    if not who.is_operator:
        raise Problem("NOT_ALLOWED", "Only the operator sees what all accounts have.")
    return render_template("house/verify.html", report=room().verify())


def _visiting() -> Caller | Response:
    who = visitor()
    if who is None:
        return redirect(f"/login?next={request.path}", 303)
    return caller_of(who)


def _told(act: views.Act) -> Told:
    members = asdict(act)
    del members["attempts"]
    return tell(**members)
