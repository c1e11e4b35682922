"""What an application has at hand: its settings, its database, its desk, and who waits."""

from collections.abc import Callable, Mapping
from functools import partial
from threading import Event
from time import sleep
from typing import Any, Final

import msgspec
from flask import Flask, current_app

from swpt_client.agent import Agent

from .database import Database
from .desk import Desk
from .settings import Defaults, Reader, Settings
from .signing import SigningKeys
from .tables import Tables
from .throttle import Throttle
from .verifying import Report, verify_ledgers
from .waiting import Bells, Waiting

_ROOM: Final = "house.room"
_LOOKS: Final = 3
_LOOK_AGAIN_SECONDS: Final = 1.0
_THREADS_LEFT: Final = 4
"""Requests that wait leave at least so many threads to the others."""


class Chore(msgspec.Struct, frozen=True):
    """Something that an application does again and again, from its start on."""

    name: str
    every_seconds: float
    work: Callable[["Room"], object]
    """What it raises is logged, and the next time comes all the same.  Several processes may do it."""


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What makes an application of the house: its name, its tables, and what it adds."""

    name: str
    title: str
    defaults: Defaults
    tables: Tables
    currencies: int = 1
    """How many; their debtor ids follow each other."""
    set_up: Callable[["Room", Flask], None]
    """Adds routes to the Flask application, and handlers of news to `room.agent`."""
    verify: Callable[["Room"], Report]
    """Compares the application's own tables with the ledgers; the ledgers are compared by the house."""
    codes: Mapping[str, tuple[int, str]] = {}
    """Codes of problems, statuses and usual words: besides those of `problems.CODES`, or instead."""
    prepare: Callable[["Room"], None] = lambda _room: None
    """Makes sample people; in the background, after the start, again until it has succeeded."""
    chores: tuple[Chore, ...] = ()
    greeting: Callable[["Room"], str] = lambda _room: ""
    """What else a person should know at the start: the names of sample people."""
    commands: tuple[Any, ...] = ()
    """More click commands."""


class Room:
    """One for each process; thread-safe."""

    def __init__(
        self,
        application: Application,
        settings: Settings,
        environ: Mapping[str, str],
        agent: Agent,
        database: Database,
    ) -> None:
        self.application = application
        self.settings = settings
        self.reader = Reader(environ)
        """Reads the application's own settings."""
        self.agent = agent
        self.database = database
        self.desks = tuple(
            Desk(agent, one, settings.subnet, settings.issuing_limit)
            for one in debtor_ids(application, settings)
        )
        self.desk = self.desks[0]
        """Of the only currency, or the first."""
        self.bells = Bells()
        self.waiting = Waiting(database, self.bells, max(1, settings.threads - _THREADS_LEFT))
        self.signing = SigningKeys(database)
        self.throttle = Throttle()
        self.is_ready = Event()
        """The tables are there, and the currency is known to the server; until then nothing can be stored."""
        self.is_prepared = Event()
        """The sample people are there as well, if there are to be any."""

    def verify(self) -> Report:
        """Everything that can be compared: ledgers = server, and the application's own tables = ledgers.

        What differs is looked at again a moment later, because messages may be under way.
        """
        for _ in range(_LOOKS - 1):
            report = self._verify()
            if report.is_clean:
                return report
            sleep(_LOOK_AGAIN_SECONDS)
        return self._verify()

    def _verify(self) -> Report:
        report = Report()
        for desk in self.desks:
            report += self.database.look(partial(verify_ledgers, debtor_id=desk.debtor_id))
        return report + self.application.verify(self)


def debtor_ids(application: Application, settings: Settings) -> list[int]:
    """The currencies of an application, one after the other."""
    return [settings.debtor_id + one for one in range(application.currencies)]


def keep_room(app: Flask, room: Room) -> None:
    """Let views find the room."""
    app.extensions[_ROOM] = room


def room() -> Room:
    """The room of the application that answers this request."""
    found: Room = current_app.extensions[_ROOM]
    return found
