"""A decision about a request for credit: stored, and waited for."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from house.problems import Problem
from house.room import Room

from . import crediting


def decide(one: Room, request_id: int, decision: str, admin_id: Callable[[Session], int]) -> crediting.View:
    """Decide, and give the request as it is when all is done, or after two seconds.

    `admin_id` tells who decides, in the same transaction.  Raises Problem as `crediting.decide` does.
    """
    check_id(request_id)

    def work(session: Session) -> None:
        crediting.decide(session, one.desk, request_id, decision, admin_id(session))

    one.database.transact(work)
    return one.waiting.until(
        crediting.key_of(request_id), lambda session: found(session, request_id), lambda seen: seen.is_over
    )


def found(session: Session, request_id: int) -> crediting.View:
    """A request.  Raises Problem NOT_FOUND."""
    check_id(request_id)
    seen = crediting.view(session, request_id)
    if seen is None:
        raise Problem("NOT_FOUND", "There is no such request.")
    return seen


def check_id(request_id: int) -> None:
    """Raises Problem NOT_FOUND for what cannot be the number of a request."""
    if not 0 < request_id < 2**62:
        raise Problem("NOT_FOUND", "There is no such request.")
