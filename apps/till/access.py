"""Passwords of people and of the administration; who guesses has to wait."""

from collections.abc import Callable
from typing import Final, TypeAlias

from flask import request
from sqlalchemy.orm import Session

from house.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, hash_password, is_password
from house.problems import Problem
from house.room import room
from house.visits import end_visits_of

from .holders import person_by_name, present
from .tables import Administrator

_ONLY: Final = 1
Known: TypeAlias = tuple[int, str | None]
"""An id, and what is kept of a password."""


def check_password(name: str, password: str) -> int:
    """Who has this name and this password.  Raises Problem NOT_KNOWN, TOO_MANY_TRIES."""

    def find(session: Session) -> Known:
        found = person_by_name(session, name)
        return (0, None) if found is None else (found.id, found.password_hash)

    return _check(f"name {name.lower()}", password, find)[0]


def check_administrator(password: str) -> None:
    """Raises Problem NOT_KNOWN, TOO_MANY_TRIES."""

    def find(session: Session) -> Known:
        found = session.get(Administrator, _ONLY)
        return _ONLY, None if found is None else found.password_hash

    _check("administrator", password, find)


def _check(whose: str, password: str, find: Callable[[Session], Known]) -> Known:
    one = room()
    address = f"address {request.remote_addr}"
    one.throttle.check(whose, address)
    found = one.database.transact(find)
    if not is_password(found[1], password[:MOST_CHARACTERS]):
        one.throttle.note(whose, address)
        raise Problem("NOT_KNOWN", "Unknown name, or wrong password; or there is no password yet.")
    return found


def hashed(password: str) -> str:
    """What is kept of a new password.  Raises Problem INVALID_FIELDS."""
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        sentence = f"must have {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters."
        raise Problem("INVALID_FIELDS", f"The password {sentence}", fields={"password": sentence})
    return hash_password(password)


def set_password(session: Session, holder_id: int, password_hash: str) -> None:
    """Another password for somebody, who is logged out wherever the old one was used."""
    present(session, holder_id).password_hash = password_hash
    end_visits_of(session, f"person:{holder_id}")


def set_administrator(session: Session, password_hash: str) -> None:
    """Another password for the administration, which is logged out everywhere."""
    found = session.get(Administrator, _ONLY)
    if found is None:
        session.add(Administrator(id=_ONLY, password_hash=password_hash))
    else:
        found.password_hash = password_hash
    end_visits_of(session, "administrator")
