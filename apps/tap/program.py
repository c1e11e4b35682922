"""The application: what the house is to run."""

from typing import Final

from flask import Flask
from sqlalchemy.orm import Session

from house import api
from house.room import Application, Chore, Room
from house.settings import Defaults

from . import meeting, pages
from .accounts_api import accounts
from .checking import verify
from .commands import commands
from .hearing import hear
from .samples import SAMPLES, path_of, prepare
from .settings import alone_seconds
from .tables import TABLES
from .taps_api import taps

PREFIX: Final = "/api/v1"
_DESCRIPTION: Final = """\
Tap to pay.  Each phone sends its half, in any order, with a random key that both know; when the second half
is there and both agree about sender and amount, the money moves, once.  Nothing is locked before.

Send your key in the header `api_key`.  Amounts are texts like "1.20".  A result has numbers of `errors`:
100 too little money, 200 another sender, 300 another amount, 500 the other half did not come, 600 refused
for another reason.  What is asked wrongly is answered by problem documents (RFC 9457) with a `code`.
"""
CODES: Final[dict[str, tuple[int, str]]] = {
    "NOT_EMPTY": (409, "There is money on this account."),
}


def set_up(room: Room, app: Flask) -> None:
    """Routes, and news."""
    alone_seconds(room.reader)  # a wrong setting is said at the start
    hear(room)
    pages.set_up(app, room)
    api.set_up(
        app,
        title="Tap to pay",
        description=_DESCRIPTION,
        prefix=PREFIX,
        blueprints=((accounts, PREFIX), (taps, PREFIX)),
        security={"api_key": {"type": "apiKey", "in": "header", "name": "api_key"}},
        swagger_at="/api/",
    )


def end_lonely(room: Room) -> None:
    """End taps whose other half has not come in time."""

    def work(session: Session) -> None:
        for key in meeting.end_lonely(session, alone_seconds(room.reader)):
            room.bells.ring(session, key)

    room.database.transact(work)


def greeting(room: Room) -> str:
    """Who can tap."""
    names = " and ".join(owner.user_id for owner in SAMPLES)
    play = "python -m tap phones --amount 1.20"
    keys = f"Their keys, and the operator's, with which one sees the taps: {path_of(room.settings)}"
    return f"Sample phones: {names}; let them touch: {play}\n{keys}"


APPLICATION: Final[Application] = Application(
    name="tap",
    title="Tap to pay",
    defaults=Defaults(port=8103, debtor_id=0x746170, subnet=0x0000550000000000),
    tables=TABLES,
    set_up=set_up,
    verify=verify,
    prepare=prepare,
    greeting=greeting,
    chores=(Chore("Ending halves that stayed alone", 1.0, end_lonely),),
    codes=CODES,
    commands=commands(lambda: APPLICATION),
)
