"""The application: what the house is to run."""

from typing import Final

from flask import Flask

from house import api
from house.room import Application, Chore, Room
from house.settings import Defaults

from . import pages
from .charges_api import charges
from .checking import verify
from .checking_api import checks
from .commands import commands
from .credits_api import credits_
from .hearing import hear
from .samples import ADMIN, PASSWORD, prepare
from .sellers_api import sellers
from .tables import TABLES
from .watching import EVERY_SECONDS, WATCH

PREFIX: Final = "/api"
_DESCRIPTION: Final = """\
Sellers charge phone numbers on credit.  Register, get a token, and send it as `Authorization: Token TOKEN`.
Ask for credit; an administrator grants it, once; each sale lowers it, and is never more than there is.

Amounts are texts like "1.20".  With an `Idempotency-Key` it is safe to ask again: the same key and the same
terms are the same sale.  Errors are problem documents (RFC 9457) with a `code`.
"""
CODES: Final[dict[str, tuple[int, str]]] = {
    "USERNAME_TAKEN": (409, "Somebody has this name already."),
    "ALREADY_DECIDED": (409, "It was decided otherwise before."),
    "NOT_EMPTY": (409, "There is credit left."),
}


def set_up(room: Room, app: Flask) -> None:
    """Routes, and news."""
    hear(room)
    WATCH.set_up(app)
    pages.set_up(app, room)
    api.set_up(
        app,
        title="Shop",
        description=_DESCRIPTION,
        prefix=PREFIX,
        blueprints=tuple((one, PREFIX) for one in (sellers, credits_, charges, checks)),
        security={"token": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        swagger_at="/swagger/",
    )


def greeting(_room: Room) -> str:
    """Who can log in."""
    return f"Sample people: sellers ada and blaise, administrator {ADMIN}; password {PASSWORD}"


APPLICATION: Final[Application] = Application(
    name="shop",
    title="Shop",
    defaults=Defaults(port=8104, debtor_id=0x73686F70, subnet=0x0000560000000000),
    tables=TABLES,
    set_up=set_up,
    verify=verify,
    prepare=prepare,
    greeting=greeting,
    chores=(Chore("Verifying everything", EVERY_SECONDS, WATCH.look),),
    codes=CODES,
    commands=commands(lambda: APPLICATION),
)
