"""What operators have changed: the audit, page by page."""

from typing import Any, Final

import msgspec

from swpt_accounts.wire.moments import Moment

from .keyset import Cut, Page, Position, read_page

_LIST: Final = """
SELECT audit_id, happened_at, operator, origin, action, target, detail FROM audit
WHERE {cut} ORDER BY {order} LIMIT %(limit)s
"""


class AuditRow(msgspec.Struct, frozen=True):
    """An order of an operator."""

    audit_id: int
    happened_at: Moment
    operator: str
    origin: str
    action: str
    target: str
    detail: str


def list_audit(connection: Any, cut: Cut, limit: int) -> Page[AuditRow]:
    """All orders, newest first."""
    with connection, connection.cursor() as cursor:
        page = read_page(
            cursor, _LIST, {}, cut, limit, keys=["audit_id"], position_of=_position, newest_first=True
        )
    return page.map(lambda row: AuditRow(*row))


def _position(row: Any) -> Position:
    return (row[0],)
