"""What an application does again and again, until it is told to stop."""

from logging import getLogger
from threading import Event
from time import monotonic

from .room import Chore, Room

_logger = getLogger(__name__)


def do_chores(chores: tuple[Chore, ...], room: Room, stop: Event) -> None:
    """Do each chore when it is due; returns when a stop is wanted.

    What fails is logged, in one line while it goes on failing, and is tried again the next time.
    """
    due = dict.fromkeys(chores, 0.0)
    failed: dict[str, str] = {}
    while due and not stop.wait(max(0.0, min(due.values()) - monotonic())):
        chore = min(due, key=lambda one: due[one])
        due[chore] = monotonic() + chore.every_seconds
        try:
            chore.work(room)
        except Exception as error:  # the database may be away, and comes back
            why = str(error).partition("\n")[0] or type(error).__name__
            if failed.get(chore.name) != why:
                _logger.warning("%s: not done (%s); it is tried again.", chore.name, why)
            failed[chore.name] = why
        else:
            if failed.pop(chore.name, ""):
                _logger.info("%s: done again.", chore.name)
