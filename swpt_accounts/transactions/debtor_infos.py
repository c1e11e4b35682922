"""Debtor infos by number: accounts store the number, not the text.

Rows of `debtor_info` never change and are few, so that a process remembers those it has seen
committed.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from swpt_accounts.rules.currency import NO_DEBTOR_INFO, DebtorInfo
from swpt_accounts.storage.arrays import int_array
from swpt_accounts.storage.faults import BatchConflictError
from swpt_accounts.storage.prepared import Statement

from .columns import unnest

_MAX_REMEMBERED: Final = 10_000

_LOAD_DEBTOR_INFOS: Final = Statement(
    "load_debtor_infos",
    f"""
SELECT i.debtor_info_id, i.iri, i.content_type, i.sha256
FROM {unnest(["debtor_info_id"])} JOIN debtor_info i USING (debtor_info_id)
""",  # noqa: S608 - constants only
)

_FIND_DEBTOR_INFO: Final = """
SELECT debtor_info_id FROM debtor_info
WHERE iri = %(iri)s AND content_type = %(content_type)s AND sha256 = %(sha256)s
"""

# No row: another transaction has registered the same info and is not committed, or just was.
_REGISTER_DEBTOR_INFO: Final = """
INSERT INTO debtor_info (iri, content_type, sha256) VALUES (%(iri)s, %(content_type)s, %(sha256)s)
ON CONFLICT DO NOTHING
RETURNING debtor_info_id
"""


class DebtorInfos:
    """A memory of the table, in both directions."""

    def __init__(self) -> None:
        self._by_id: dict[int, DebtorInfo] = {}
        self._ids: dict[DebtorInfo, int] = {}
        self.clear()

    def clear(self) -> None:
        """Forget everything, as when the process turns to another database."""
        self._by_id = {0: NO_DEBTOR_INFO}
        self._ids = {NO_DEBTOR_INFO: 0}

    def load(self, cursor: Any, ids: Iterable[int]) -> dict[int, DebtorInfo]:
        """The infos with these numbers, and maybe others."""
        wanted = set(ids)
        missing = wanted - self._by_id.keys()
        if missing:
            if len(self._by_id) + len(missing) > _MAX_REMEMBERED:
                self.clear()
                missing = wanted - self._by_id.keys()
            # The results of another statement may wait in the cursor.
            with cursor.connection.cursor() as own:
                _LOAD_DEBTOR_INFOS.run(own, [int_array(sorted(missing))])
                rows = own.fetchall()
            for number, *texts in rows:
                info = DebtorInfo(*texts)
                self._by_id[number] = info
                self._ids[info] = number
        return self._by_id

    def number(self, info: DebtorInfo, lift: Callable[[], Any]) -> int:
        """The number of an info, registered if it is new; `lift` gives a cursor if one is needed.

        Raises BatchConflictError if another transaction registers it at the same time.
        """
        known = self._ids.get(info)
        if known is not None:
            return known
        cursor, texts = lift(), msgspec.structs.asdict(info)
        cursor.execute(_FIND_DEBTOR_INFO, texts)
        row = cursor.fetchone()
        if row is None:
            # Not remembered: it is certain only after the commit.
            cursor.execute(_REGISTER_DEBTOR_INFO, texts)
            row = cursor.fetchone()
            if row is None:
                raise BatchConflictError("the debtor info is being registered by another worker")
        return int(row[0])
