"""The numbers beside the names of pages: asked now and then, and left out if the database does not say."""

from logging import getLogger
from time import monotonic
from typing import Final

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from swpt_accounts.operators.admin.context import AdminContext
from swpt_accounts.operators.inspection.activity import MOST_WAITING, count_waiting

_KEEP_SECONDS: Final = 10.0

_logger: Final = getLogger(__name__)


class Waiting:
    """What was last counted, for all pages of a process."""

    def __init__(self) -> None:
        self._asked_at = -_KEEP_SECONDS
        self._found: dict[str, str] = {}

    def look(self, context: AdminContext) -> dict[str, str]:
        """The numbers by the endpoints of their pages, without those that are 0."""
        if monotonic() - self._asked_at >= _KEEP_SECONDS:
            # Who comes meanwhile gets the numbers of before.
            self._asked_at = monotonic()
            self._found = _ask(context)
        return self._found


def _ask(context: AdminContext) -> dict[str, str]:
    try:
        with context.reading() as connection:
            counts = count_waiting(connection, context.now())
    except (psycopg2.Error, SQLAlchemyError) as error:
        _logger.debug("The navigation shows no numbers: %s", error)
        return {}
    found = {
        "console.dead_letters": counts.dead_letters,
        "console.outbox": counts.outbox,
        "console.refusals": counts.refusals,
        "console.waiting_requests": counts.requests,
    }
    return {page: f"{number:,}{'+' * (number >= MOST_WAITING)}" for page, number in found.items() if number}
