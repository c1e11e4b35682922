"""Sample people: two sellers with credit, and an administrator."""

from typing import Final

from sqlalchemy.orm import Session

from house.passwords import hash_password
from house.room import Room

from . import crediting
from .sellers import Person, find, register
from .tables import PENDING

PASSWORD: Final = "shop-sample"  # noqa: S105 - everybody may know it
ADMIN: Final = "admin"
_SELLERS: Final = (("ada", "Ada's Kiosk", 50_000), ("blaise", "Blaise's Corner", 25_000))


def prepare(room: Room) -> None:
    """Make them, and grant the credit, unless they are there."""
    people = [Person(username=ADMIN, name="The Office", password_hash="", is_admin=True)]
    people += [Person(username=name, name=shop, password_hash="") for name, shop, _ in _SELLERS]

    def work(session: Session) -> None:
        for one in people:
            _make(session, room, one)

    def grant(session: Session) -> None:
        for name, _, cents in _SELLERS:
            _grant(session, room, name, cents)

    room.database.transact(work)
    room.database.transact(grant)


def _make(session: Session, room: Room, one: Person) -> None:
    if find(session, one.username) is None:
        hashed = hash_password(PASSWORD)
        person = Person(username=one.username, name=one.name, is_admin=one.is_admin, password_hash=hashed)
        register(session, room.desk, person)


def _grant(session: Session, room: Room, username: str, cents: int) -> None:
    seller, admin = find(session, username), find(session, ADMIN)
    if seller is None or admin is None or seller.is_closed or admin.is_closed:
        return
    asked = crediting.ask(session, f"sample:{username}", seller.id, cents)
    found = crediting.view(session, asked)
    if found is not None and found.status == PENDING:
        crediting.decide(session, room.desk, asked, crediting.APPROVED, admin.id)
