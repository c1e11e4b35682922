"""The application: what the house is to run."""

from typing import Final

from flask import Flask
from sqlalchemy.orm import Session

from house import api
from house.room import Application, Chore, Room
from house.settings import Defaults

from . import booking, pages, samples, settings, traders
from .checking import verify
from .commands import commands
from .currencies import CODES as CURRENCIES
from .hearing import hear
from .offers_api import offers
from .tables import TABLES
from .traders_api import traders as traders_api
from .trades_api import trades

PREFIX: Final = "/api/v1"
_DESCRIPTION: Final = """\
An exchange.  Who gives one currency and wants another makes an offer; pairs and rings of offers are carried
out as transfers that happen together or not at all.  Who stood in the book gets exactly the rate asked,
rounded up to a whole cent; who completes a ring gets all the rest.

`mode`: `direct` commits all transfers together; `escrow` first takes everything in, and then pays it out, or
gives it back.  A trade is carried out by escrow if one of its offers asks for it.

Send your key in the header `api_key`.  Amounts and rates are texts like "1.20".  What is asked wrongly is
answered by problem documents (RFC 9457) with a `code`.
"""
CODES: Final[dict[str, tuple[int, str]]] = {
    "NOT_EMPTY": (409, "There is money on these accounts."),
    "UNKNOWN_CURRENCY": (422, "There is no such currency."),
    "SAME_CURRENCY": (422, "What is wanted is what is given."),
    "NEGATIVE_RATE": (422, "This currency loses value: it would shrink in escrow."),
}


def set_up(room: Room, app: Flask) -> None:
    """Routes, and news."""
    settings.check(room.reader)
    hear(room)
    pages.set_up(app, room)
    api.set_up(
        app,
        title="Exchange",
        description=_DESCRIPTION,
        prefix=PREFIX,
        blueprints=((traders_api, PREFIX), (offers, PREFIX), (trades, PREFIX)),
        security={"api_key": {"type": "apiKey", "in": "header", "name": "api_key"}},
        swagger_at="/api/",
    )


def keep_books(room: Room) -> None:
    """Carry over what has ended, and match what is due."""
    if room.database.transact(booking.has_work):
        room.database.transact(lambda session: booking.work(session, room))


def keep_accounts(room: Room) -> None:
    """Want the exchange's own accounts, and those in currencies that came later."""

    def work(session: Session) -> None:
        traders.found_escrow(session, room)
        traders.complete(session, room)

    room.database.transact(work)


def greeting(room: Room) -> str:
    """Who can trade."""
    names = ", ".join(samples.TRADERS)
    return f"Sample traders: {names}; their keys, and the operator's: {samples.path_of(room.settings)}"


APPLICATION: Final[Application] = Application(
    name="exchange",
    title="Exchange",
    defaults=Defaults(port=8105, debtor_id=0x65786300, subnet=0x0000580000000000),
    currencies=len(CURRENCIES),
    tables=TABLES,
    set_up=set_up,
    verify=verify,
    prepare=samples.prepare,
    greeting=greeting,
    chores=(
        Chore("Opening accounts", 60.0, keep_accounts),
        Chore("Keeping the book", 0.5, keep_books),
    ),
    codes=CODES,
    commands=commands(lambda: APPLICATION),
)
