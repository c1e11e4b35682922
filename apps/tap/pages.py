"""Pages: the halves of taps as they meet, live, and the verification.  One logs in with an API key."""

from typing import Final

from flask import Blueprint, Flask, render_template
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from house import pages as house_pages
from house.entrance import add_key_entrance, add_verification, visitor_or_login
from house.room import Room, room

from . import meeting, opening
from .api_keys import OPERATOR, USER, Caller, caller_of, find_caller
from .numbers import MEANINGS

_MOST: Final = 30
pages = Blueprint("pages", __name__)


def set_up(app: Flask, one: Room) -> None:
    """Add the pages."""
    sections = [("pages.taps", "Taps"), ("pages.verify", "Verification"), ("swagger", "API")]
    house_pages.set_up(app, one, package="tap", sections=sections)
    app.register_blueprint(pages)


def _find(session: Session, key: str) -> str | None:
    found = find_caller(session, key)
    return None if found is None else found.visitor


add_key_entrance(pages, label="The key of your phone, or the operator's", find=_find, home="pages.taps")
add_verification(pages, kind=OPERATOR, others=(USER,))


@pages.get("/")
def taps() -> str | Response:
    """The newest taps: the own ones, or all for the operator; the page keeps itself up to date."""
    return _shown("tap/taps.html")


@pages.get("/live")
def live() -> str | Response:
    """What of that page changes, for its script."""
    return _shown("tap/live.html")


def _shown(template: str) -> str | Response:
    who, one = _visiting(), room()
    if isinstance(who, Response):
        return who

    def look(session: Session) -> tuple[list[meeting.View], opening.View | None]:
        account = None if who.user_id is None else opening.view(session, one.desk, who.user_id)
        return meeting.newest(session, who.user_id, _MOST), account

    seen, account = one.database.transact(look)
    return render_template(template, taps=seen, account=account, meanings=MEANINGS)


def _visiting() -> Caller | Response:
    who = visitor_or_login(pages, USER, OPERATOR)
    return who if isinstance(who, Response) else caller_of(who)
