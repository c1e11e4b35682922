"""Pages for people: the terminal and the phone, and the administration; each module is one part of them."""

from typing import Final

from flask import Flask

from house.room import Room

from . import administration, doors, entrance, everyday, frame, goods, looking, sessions, staff
from .doors import till

_PARTS: Final = (entrance, everyday, looking, administration, staff, goods)
"""Each adds its pages to the blueprint."""


def set_up(app: Flask, room: Room, title: str) -> None:
    """Add the pages to the application."""
    sessions.set_up(app, room, "till")
    frame.set_up(app, title=title, zone=doors.zone_of(app))
    app.register_blueprint(till)
