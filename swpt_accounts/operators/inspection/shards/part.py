"""Which part of all accounts this server has (rules.md#realms)."""

from typing import Any, NamedTuple

from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.shard_record import load_shard_record
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.routing import Realm


class Part(NamedTuple):
    """Its realm; `is_settling` while a split still leaves rows of the sibling here."""

    realm: Realm = Realm(0, 0)
    is_settling: bool = False

    @classmethod
    def of(cls, settings: Settings) -> "Part":
        """The part that the settings name."""
        return cls(settings.realm(), settings.delete_foreign_records)


def realm_since(connection: Any) -> Moment | None:
    """Since when the database has its realm; None if no server was started on it yet."""
    with connection, connection.cursor() as cursor:
        record = load_shard_record(cursor)
    return None if record is None else record.realm_since
