"""Nobody but the till sets a line: whatever somebody else writes into a transfer."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from house import program
from house.room import Room
from house.settings import read_settings
from tests.backstage.running import Program
from till.program import APPLICATION

from .people import Person, until

NewPerson: TypeAlias = Callable[..., Person]


@pytest.fixture
def room(till: Program) -> Iterator[Room]:
    """At the till's own desk, without its rules: the running program sends what is stored there."""
    folder = Path(till._environ["APP_FOLDER"])
    settings = read_settings("till", APPLICATION.defaults, {"APP_FOLDER": str(folder)})
    one = program.make_room(APPLICATION, settings, {}, till.database_url, program.NoTransport())
    yield one
    one.database.engine.dispose()


def test_debts_a_transfer_of_the_format_line_from_a_person_is_money_and_no_line(
    till: Program, room: Room, new_person: NewPerson
) -> None:
    """Only what the root has issued is a line: so a person cannot be given one, nor lose it."""
    ada, bob = new_person("5.00"), new_person("", "3.00")
    [[payer], [payee]] = till.sql(
        "SELECT creditor_id FROM till_holder WHERE id IN (%s, %s) ORDER BY id", ada.id, bob.id
    )
    said = {"note": "line 3.00 > 5.00", "note_format": "line"}
    key = f"of nobody {ada.id}"
    room.database.transact(
        lambda session: room.desk.pay(session, key, sender=payer, to=payee, cents=200, **said)
    )
    until(lambda: bob.balance == "2.00", "the money")
    assert (ada.balance, ada.me["line"], bob.me["line"]) == ("3.00", "0.00", "3.00")
