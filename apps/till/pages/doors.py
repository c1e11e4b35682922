"""What the pages share: who stands before them, and what they may."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from flask import Blueprint, Flask, flash, g, redirect, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house.problems import Problem
from house.room import room
from till.doing import till_settings
from till.rules import Standing
from till.settings import TillSettings
from till.tables import Holder, Terminal
from till.tokens import make_token

from .sessions import find_visit

P = ParamSpec("P")
T = TypeVar("T")
_IDLE_SECONDS: Final = 1800.0
_GRACE_SECONDS: Final = 2.0
_TERMINAL_COOKIE: Final = "till_terminal"
_TEN_YEARS_SECONDS: Final = 10 * 366 * 86400
ADMINISTRATOR: Final = "administrator"

till = Blueprint(
    "till", __name__, template_folder="../templates", static_folder="../static", static_url_path="/static"
)

_PERSONAL: Final = (
    ("till.shop", "Buy"),
    ("till.recharge", "Recharge"),
    ("till.transfer", "Transfer"),
    ("till.history", "History"),
    ("till.month", "Month"),
    ("till.mine", "Me"),
)
_ADMINISTRATIVE: Final = (
    ("till.people_page", "People"),
    ("till.products_page", "Products"),
    ("till.cards_page", "Cards"),
    ("till.terminals_page", "Terminals"),
    ("till.verify_page", "Verify"),
    ("till.password_page", "Password"),
)


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes this request."""

    holder_id: int = 0
    """0: nobody, or the administration."""
    name: str = ""
    is_administrator: bool = False
    is_at_terminal: bool = False
    terminal: str = ""


def zone_of(app: Flask) -> ZoneInfo:
    """The time zone of the till."""
    settings: TillSettings = app.extensions["till.settings"]
    return settings.zone


@till.before_request
def look_who_is_there() -> None:
    """Who stands before the page; asked in one transaction."""
    if request.endpoint != "till.static":
        g.visitor = room().database.transact(_find)


def _find(session: Session) -> Visitor:
    terminal = find_terminal(session)
    who = find_visit(session, _idle_seconds)
    nobody = Visitor(terminal="" if terminal is None else terminal.name)
    if who is None:
        return nobody
    if who == ADMINISTRATOR:
        return msgspec.structs.replace(nobody, is_administrator=True, name="Administration")
    _, number, *places = who.split(":")
    holder = session.get(Holder, int(number))
    if holder is None or holder.closed_at is not None:
        return nobody
    # Somebody who entered by a touch is worth nothing without the terminal.
    if places and terminal is None:
        return nobody
    return msgspec.structs.replace(nobody, holder_id=holder.id, name=holder.name, is_at_terminal=bool(places))


def _idle_seconds(who: str) -> float:
    return till_settings().logout_seconds + _GRACE_SECONDS if who.endswith(":terminal") else _IDLE_SECONDS


def name_of(holder_id: int, *, at_terminal: bool) -> str:
    """How a visit of a person is written down."""
    return f"person:{holder_id}" + (":terminal" if at_terminal else "")


def visitor() -> Visitor:
    """Who makes this request."""
    found: Visitor = g.get("visitor", Visitor())
    return found


def find_terminal(session: Session) -> Terminal | None:
    """The terminal whose cookie this browser holds."""
    key = request.cookies.get(_TERMINAL_COOKIE, "")
    if not key:
        return None
    return session.execute(select(Terminal).where(Terminal.digest == digest(key))).scalar_one_or_none()


def keep_terminal_cookie(response: Response, key: str) -> None:
    """Make this browser a terminal."""
    response.set_cookie(
        _TERMINAL_COOKIE,
        key,
        max_age=_TEN_YEARS_SECONDS,
        httponly=True,
        samesite="Strict",
        secure=room().settings.is_https,
    )


def digest(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode(errors="replace")).digest()


def for_people(view: Callable[P, T]) -> Callable[P, T | Response]:
    """A page for somebody who is logged in; who is not, goes to the entrance."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Response:
        if not visitor().holder_id:
            return _send_away("till.entrance")
        return view(*args, **kwargs)

    return guarded


def for_administrators(view: Callable[P, T]) -> Callable[P, T | Response]:
    """A page of the administration."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Response:
        if not visitor().is_administrator:
            return _send_away("till.administration")
        return view(*args, **kwargs)

    return guarded


def _send_away(endpoint: str) -> Response:
    if request.method != "GET":
        raise Problem("NOT_KNOWN", "It did not happen: you have been logged out meanwhile. Log in again.")
    return redirect(url_for(endpoint), 303)


def done(sentence: str, endpoint: str, **values: Any) -> Response:
    """Go on to a page, which says what was done."""
    flash(sentence)
    return redirect(url_for(endpoint, **values), 303)


def colour_of(standing: Standing) -> str:
    """The class of a balance."""
    return standing.colour(till_settings().red_below)


@till.app_context_processor
def context() -> dict[str, Any]:
    """For all templates.  Pages of errors use it as well: nothing here may ask the database."""
    who = visitor()
    return {
        "visitor": who.name,
        "is_administrator": who.is_administrator,
        "is_at_terminal": who.is_at_terminal,
        "sections": _ADMINISTRATIVE if who.is_administrator else _PERSONAL,
        "logout_seconds": till_settings().logout_seconds,
        "one_time_token": lambda: make_token(room(), who.holder_id),
        "colour_of": colour_of,
    }
