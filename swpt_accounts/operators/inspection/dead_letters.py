"""Dead letters: listed, shown, decoded once more."""

from typing import Any, Final

import msgspec

from swpt_accounts.broker.amqp.content_header import describe
from swpt_accounts.broker.delivery import CONTENT_TYPE, TYPE, USER_ID, short_property
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire import messages
from swpt_accounts.wire.messages import Malformed
from swpt_accounts.wire.moments import Moment

from .keyset import Cut, Page, read_page

STATES: Final = ("open", "returned", "discarded")


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter without its body.  `is_complete` says whether the whole body is kept."""

    dead_letter_id: int
    received_at: Moment
    state: str
    reason: str
    detail: str
    queue: str
    exchange: str
    routing_key: str
    properties: bytes
    body_size: int
    body_sha256: bytes
    is_complete: bool
    settled_at: Moment | None
    operator_note: str | None

    @property
    def type(self) -> str | None:
        """The property type; None if it is missing."""
        return short_property(self.properties, TYPE)

    @property
    def content_type(self) -> str | None:
        """The property content_type; None if it is missing."""
        return short_property(self.properties, CONTENT_TYPE)

    @property
    def user_id(self) -> str | None:
        """The user for whom the broker has vouched, if any."""
        return short_property(self.properties, USER_ID)

    def described_properties(self) -> dict[str, Any]:
        """All properties and headers, as far as they can be read."""
        return describe(self.properties)


# In the order of the fields; one of them is no column, but asks about the body.
COLUMNS: Final = ", ".join(
    "coalesce(octet_length(body), -1) = body_size" if name == "is_complete" else name
    for name in DeadLetter.__struct_fields__
)


_LIST: Final = f"""
SELECT {COLUMNS} FROM dead_letter
WHERE {{cut}} AND (%(state)s IS NULL OR state = %(state)s) AND (%(reason)s IS NULL OR reason = %(reason)s)
ORDER BY {{order}} LIMIT %(limit)s
"""  # noqa: S608 - constants only


_SHOW: Final = f"SELECT {COLUMNS}, body FROM dead_letter WHERE dead_letter_id = %s"  # noqa: S608


def list_dead_letters(
    connection: Any, *, state: str | None, reason: str | None, after: int = 0, limit: int = 100
) -> list[DeadLetter]:
    """Dead letters by id, those behind `after`; no state or reason means all of them."""
    return page_of_dead_letters(connection, Cut((after,)), limit, state=state, reason=reason).items


def page_of_dead_letters(
    connection: Any, cut: Cut, limit: int, *, state: str | None, reason: str | None
) -> Page[DeadLetter]:
    """A page of dead letters by id; no state or reason means all of them."""
    with connection, connection.cursor() as cursor:
        asked = {"state": state, "reason": reason}
        page = read_page(
            cursor, _LIST, asked, cut, limit, keys=["dead_letter_id"], position_of=lambda row: (row[0],)
        )
    return page.map(dead_letter)


def show_dead_letter(connection: Any, dead_letter_id: int) -> tuple[DeadLetter, bytes | None]:
    """A dead letter, and what is kept of its body."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_SHOW, [dead_letter_id])
        row = cursor.fetchone()
    if row is None:
        raise OperatorError(no_such_letter(dead_letter_id))
    return with_body(row)


def read_message(letter: DeadLetter, body: bytes | None) -> messages.Message | Malformed:
    """The message in a dead letter, or what is wrong with it."""
    return messages.decode(body or b"", letter.content_type, letter.type, body_size=letter.body_size)


def dead_letter(row: Any) -> DeadLetter:
    values = dict(zip(DeadLetter.__struct_fields__, row, strict=True))
    for name in ("properties", "body_sha256"):
        values[name] = bytes(values[name])
    return DeadLetter(**values)


def with_body(row: Any) -> tuple[DeadLetter, bytes | None]:
    return dead_letter(row[:-1]), None if row[-1] is None else bytes(row[-1])


def no_such_letter(dead_letter_id: int) -> str:
    return f"there is no dead letter {dead_letter_id}"
