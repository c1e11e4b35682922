"""How to undo changes of tables in memory."""

from typing import Any


class Journal:
    """How to undo what has been done, the latest first."""

    def __init__(self) -> None:
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    def __len__(self) -> int:
        return len(self._undo)

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set, or delete with None."""
        self._undo.append((table, key, table.get(key)))
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def roll_back(self, to: int) -> None:
        """Undo what was done after a moment."""
        while len(self._undo) > to:
            table, key, value = self._undo.pop()
            if value is None:
                table.pop(key, None)
            else:
                table[key] = value
