"""An operator's order: who gives it, from where, and the row of the audit that it leaves."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from swpt_accounts.wire.moments import Moment

_WRITE_DOWN: Final = """
INSERT INTO audit (happened_at, operator, origin, action, target, detail)
VALUES (%(now)s, %(operator)s, %(origin)s, %(action)s, %(target)s, %(detail)s)
"""


class Order(msgspec.Struct, frozen=True):
    """Who changes something, and the clock by which it happens."""

    operator: str
    origin: str
    clock: Callable[[], Moment]

    def write_down(self, cursor: Any, action: str, target: str, detail: str = "") -> Moment:
        """Leave a row of the audit in the transaction of the change; returns its moment."""
        now = self.clock()
        cursor.execute(
            _WRITE_DOWN,
            {
                "now": now,
                "operator": self.operator,
                "origin": self.origin,
                "action": action,
                "target": target,
                "detail": detail,
            },
        )
        return now
