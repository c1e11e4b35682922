"""Pages: trades with the state of each leg, the book, and the verification.  One logs in with an API key."""

from typing import Final

from flask import Blueprint, Flask, render_template
from msgspec.structs import asdict
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house import pages as house_pages
from house.api_keys import owner_of
from house.entrance import add_key_entrance, add_verification, visitor_or_login
from house.problems import Problem
from house.room import Room, room

from . import views
from .access import OPERATOR, Caller, caller_of
from .fields import show_rate
from .telling import Told, reason, tell

_MOST_TRADES: Final = 30
_MOST_OFFERS: Final = 200
pages = Blueprint("pages", __name__)


def set_up(app: Flask, one: Room) -> None:
    """Add the pages."""
    sections = [("pages.trades", "Trades"), ("pages.book", "Book"), ("pages.verify", "Verification")]
    house_pages.set_up(app, one, package="exchange", sections=[*sections, ("swagger", "API")])
    app.jinja_env.filters.update(rate=show_rate, told=_told, reason=reason)
    app.register_blueprint(pages)


add_key_entrance(pages, label="Your API key, or the operator's", find=owner_of, home="pages.trades")
add_verification(pages, kind=OPERATOR, others=("trader",))


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


def _visiting() -> Caller | Response:
    who = visitor_or_login(pages, "trader", OPERATOR)
    return who if isinstance(who, Response) else caller_of(who)


def _told(act: views.Act) -> Told:
    members = asdict(act)
    del members["attempts"]
    return tell(**members)
