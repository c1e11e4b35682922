"""Commands of shop: administrators."""

import os
from collections.abc import Callable

import click
from sqlalchemy import update
from sqlalchemy.orm import Session

from house.passwords import LEAST_CHARACTERS, hash_password
from house.program import visiting
from house.room import Application, Room
from house.visits import end_visits_of

from .sellers import Person, find, register, visitor_name
from .tables import Seller


def commands(application: Callable[[], Application]) -> tuple[click.Command, ...]:
    """The commands; `application` gives the application that they belong to."""

    @click.command("set-password", help="Give somebody a new password; --admin makes a new administrator.")
    @click.argument("username")
    @click.option("--admin", is_flag=True, help="Make an administrator, if there is nobody of this name.")
    @click.password_option(help="Asked for if it is not given.")
    def set_password(username: str, admin: bool, password: str) -> None:
        if len(password) < LEAST_CHARACTERS:
            raise click.BadParameter(
                f"must have at least {LEAST_CHARACTERS} characters.", param_hint="--password"
            )
        hashed = hash_password(password)
        with visiting(application(), os.environ) as room:
            room.database.transact(lambda session: _set(session, room, username, hashed, admin=admin))
        click.echo(f"{username} has a new password.")

    return (set_password,)


def _set(session: Session, room: Room, username: str, hashed: str, *, admin: bool) -> None:
    if find(session, username) is not None:
        session.execute(update(Seller).where(Seller.username == username).values(password_hash=hashed))
        end_visits_of(session, visitor_name(username))
    elif admin:
        person = Person(username=username, name=username, password_hash=hashed, is_admin=True)
        register(session, room.desk, person)
    else:
        raise click.ClickException(f"There is nobody of the name {username}; --admin makes an administrator.")
