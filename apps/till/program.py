"""The application: what the house is to run."""

from datetime import UTC, datetime
from typing import Final

import click
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from house import api
from house.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, hash_password
from house.program import visiting
from house.room import Application, Room
from house.settings import Defaults

from . import deeds, pages
from .access import set_administrator
from .api import till_api
from .checking import verify
from .doing import keep_settings
from .hearing import hear
from .holders import admit, person_by_name, shop
from .lines import set_line
from .products import Wanted, create, on_sale
from .settings import read_till_settings
from .tables import TABLES, Administrator, Card, Holder

PREFIX: Final = "/api/v1"
SAMPLE_PASSWORD: Final = "till-sample"  # noqa: S105 - everybody may know it
_PEOPLE: Final = (
    ("Ada", "4006381333931", 2000, 0),
    ("Blaise", "4006381333948", 500, 1000),
    ("Emmy", "", 0, 2000),
)
"""Name, card, recharge and line of the sample people."""
_PRODUCTS: Final = (
    ("Coffee", "Hot drinks", 60, "", 200),
    ("Espresso", "Hot drinks", 50, "", 200),
    ("Tea", "Hot drinks", 40, "", 150),
    ("Apple juice", "Cold drinks", 110, "4000417025005", 24),
    ("Sparkling water", "Cold drinks", 70, "4000417025012", 36),
    ("Cola", "Cold drinks", 120, "4000417025029", 24),
    ("Chocolate bar", "Snacks", 90, "4000417025036", 40),
    ("Nuts", "Snacks", 150, "4000417025043", 12),
    ("Banana", "Fruit", 35, "", 20),
    ("Apple", "Fruit", 40, "", 25),
)
CODES: Final[dict[str, tuple[int, str]]] = {
    "FORGED": (400, "This form is not from here, or too old: load the page again."),
    "UNKNOWN_PRODUCT": (422, "It did not happen: this is not sold (any more)."),
    "UNKNOWN_TOKEN": (422, "It did not happen: this page is too old, or not from here. Load it again."),
    "PRICE_CHANGED": (409, "It did not happen: the price has changed."),
    "DAILY_MAXIMUM": (422, "It did not happen: this is more than can be recharged within a day."),
    "NOT_YET": (409, "It did not happen: what it is about is still under way. Wait a moment."),
    "TOO_LATE": (409, "It is too late: this could be undone within an hour."),
    "NOTHING_TO_UNDO": (409, "This was refused, so there is nothing to undo."),
    "NAME_TAKEN": (409, "Somebody is called so already."),
    "BARCODE_TAKEN": (409, "Another product has this barcode."),
    "CARD_TAKEN": (409, "This card is somebody's already."),
    "NOT_EMPTY": (
        409,
        "There is money, a debt or a line on this account: pay out, settle, set the line to 0.",
    ),
    "ALREADY_UNDONE": (200, "It was undone before."),
}
_DESCRIPTION: Final = """\
A till on an accounting server, for programs.  Log in, and send what you get as `Authorization: Bearer …`.

Whatever moves money needs a one-time token from `/tokens`: the same token with the same terms gives the same
answer, always.  What takes longer than two seconds is answered by 202 and an address to look at.
Amounts are texts like "1.20".  Errors are problem documents (RFC 9457) with a `code`.
"""


def set_up(room: Room, app: Flask) -> None:
    """Routes, and news."""
    keep_settings(app, room)
    hear(room)
    pages.set_up(app, room, "Till")
    api.set_up(
        app,
        title="Till",
        description=_DESCRIPTION,
        prefix=PREFIX,
        blueprints=((till_api, PREFIX),),
        security={"bearer": {"type": "http", "scheme": "bearer"}},
        swagger_at="/api/",
    )


def prepare(room: Room) -> None:
    """Make sample people and products, and a password for the administration."""
    hashed = hash_password(SAMPLE_PASSWORD)
    room.database.transact(lambda session: _prepare_house(session, room, hashed))
    for name, card, cents, line in _PEOPLE:

        def add(session: Session, name: str = name, card: str = card) -> int | None:
            return _prepare_person(session, room, name, card)

        def give(session: Session, name: str = name, cents: int = cents, line: int = line) -> None:
            _prepare_money(session, room, name, cents, line)

        if room.database.transact(add) is not None:
            room.database.transact(give)


def _prepare_house(session: Session, room: Room, hashed: str) -> None:
    shop(session, room.desk)
    if session.execute(select(Administrator.id)).first() is None:
        set_administrator(session, hashed)
    if not on_sale(session):
        for name, category, cents, barcode, stock in _PRODUCTS:
            create(session, Wanted(name=name, category=category, cents=cents, barcode=barcode or None), stock)


def _prepare_person(session: Session, room: Room, name: str, card: str) -> int | None:
    """The sample person of this name; None if it was removed or renamed meanwhile."""
    found = person_by_name(session, name)
    if found is not None:
        return found.id
    count = session.execute(select(func.count()).select_from(Holder).where(~Holder.is_shop)).scalar_one()
    if count >= len(_PEOPLE):
        return None
    holder_id = admit(session, room.desk, name, SAMPLE_PASSWORD)
    if card:
        session.add(Card(code=card, holder_id=holder_id))
    return holder_id


def _prepare_money(session: Session, room: Room, name: str, cents: int, line: int) -> None:
    """Once for each; the keys remember it."""
    found = person_by_name(session, name)
    if found is None:
        return
    if line:
        set_line(session, room.desk, f"sample line {found.id}", found.id, line)
    if cents:
        settings, now = read_till_settings(room.reader), datetime.now(UTC)
        deeds.recharge(session, room.desk, settings, f"sample {found.id}", found.id, cents, now)


def greeting(_room: Room) -> str:
    """Who can log in."""
    names = ", ".join(name for name, *_ in _PEOPLE)
    return (
        f"Sample people: {names}; their password, and that of /administration: {SAMPLE_PASSWORD}\n"
        "There this browser can be made a terminal, at which people touch their names."
    )


@click.command("set-password", help="Set the password of the administration; it is asked for.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True)
@click.pass_context
def set_password(_context: click.Context, password: str) -> None:
    """For the first start, and for who has forgotten it."""
    import os

    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise click.BadParameter(f"must have {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters")
    with visiting(APPLICATION, os.environ) as room:
        room.database.transact(lambda session: set_administrator(session, hash_password(password)))
    click.echo("The password is set; whoever used the old one is logged out.")


APPLICATION: Final = Application(
    name="till",
    title="Till",
    defaults=Defaults(port=8102, debtor_id=0x74696C6C, subnet=0x0000540000000000),
    tables=TABLES,
    set_up=set_up,
    verify=verify,
    prepare=prepare,
    greeting=greeting,
    codes=CODES,
    commands=(set_password,),
)
