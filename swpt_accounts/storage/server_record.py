"""What this database has promised to clients: settings that may only grow (rules.md#server-record)."""

from typing import Any, Final

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import Settings

_LOAD: Final = "SELECT transfer_note_max_bytes, commit_period FROM server_record FOR UPDATE"
_CREATE: Final = "INSERT INTO server_record VALUES (1, %s, %s, 1) ON CONFLICT DO NOTHING"
_GROW: Final = """
UPDATE server_record
SET transfer_note_max_bytes = %s, commit_period = %s, settings_version = settings_version + 1
"""


def keep_promises(connection: Any, settings: Settings) -> None:
    """Record the settings that clients rely on; raises OperatorError if one of them would shrink."""
    wanted = settings.transfer_note_max_bytes, settings.commit_period
    with connection, connection.cursor() as cursor:
        cursor.execute(_CREATE, wanted)
        cursor.execute(_LOAD)
        promised = cursor.fetchone()
        names = ("TRANSFER_NOTE_MAX_BYTES", "COMMIT_PERIOD")
        for name, old, new in zip(names, promised, wanted, strict=True):
            if new < old:
                raise OperatorError(
                    f"{name}={new}: this database has promised {old} to its clients,"
                    f" and the value may only grow: set {name} to {old} or more."
                )
        if promised != wanted:
            cursor.execute(_GROW, wanted)
