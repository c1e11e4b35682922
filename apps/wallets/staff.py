"""Pages for staff: is everything as it should be?"""

from typing import Final

from flask import Blueprint, Flask
from sqlalchemy.orm import Session

from house import pages
from house.entrance import add_entrance, add_verification
from house.room import Room, room

from .clients import client_by_email

STAFF: Final = "staff"

staff = Blueprint(STAFF, __name__, url_prefix="/staff")


def _find(email: str) -> tuple[str, str] | None:
    def work(session: Session) -> tuple[str, str] | None:
        found = client_by_email(session, email)
        return (
            None if found is None or not found.is_staff else (f"{STAFF}:{found.email}", found.password_hash)
        )

    return room().database.transact(work)


add_entrance(staff, name_label="E-mail address of staff", find=_find, home="staff.verify")
add_verification(staff, kind=STAFF)


def set_up(app: Flask, one: Room) -> None:
    """Add the pages."""
    sections = [("staff.verify", "Verification"), ("swagger", "API")]
    pages.set_up(app, one, package="wallets", sections=sections, logout="staff.logout")
    app.register_blueprint(staff)
