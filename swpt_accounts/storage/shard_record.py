"""Which part of all accounts this database has (rules.md#realms): written once, changed by a split only."""

from typing import Any, Final

import msgspec

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.moments import Moment, render_timestamp
from swpt_accounts.wire.routing import Realm

_LOAD: Final = """
SELECT realm, realm_since, left_queue, right_queue, split_begun_at, split_closed_at FROM shard_record
"""
_CREATE: Final = "INSERT INTO shard_record VALUES (1, %s, %s) ON CONFLICT DO NOTHING"


class ShardRecord(msgspec.Struct, frozen=True):
    """The realm of a database, and how far its split is."""

    binding_key: str
    realm_since: Moment
    left_queue: str | None = None
    right_queue: str | None = None
    split_begun_at: Moment | None = None
    """From now on the children's queues get what this shard gets."""

    split_closed_at: Moment | None = None
    """Nothing changes here any more: the children go on."""

    @property
    def realm(self) -> Realm:
        """The realm itself."""
        return Realm.parse(self.binding_key)


def load_shard_record(cursor: Any, *, for_update: bool = False) -> ShardRecord | None:
    """The record, or None in a database that no server has been started on yet."""
    cursor.execute(_LOAD + (" FOR UPDATE" if for_update else ""))
    row = cursor.fetchone()
    return None if row is None else ShardRecord(*row)


def keep_realm(cursor: Any, wanted: str, now: Moment) -> None:
    """Record the realm of this database; raises OperatorError if it has another one.

    `wanted` is PROTOCOL_BROKER_QUEUE_ROUTING_KEY.
    """
    cursor.execute(_CREATE, [wanted, now])
    record = load_shard_record(cursor)
    assert record is not None, "just made"
    if (why := why_not(record, wanted)) is not None:
        raise OperatorError(why)


def why_not(record: ShardRecord, wanted: str) -> str | None:
    """Why a server with this binding key must not work on the database; None if it may."""
    if record.split_closed_at is not None:
        at = render_timestamp(record.split_closed_at)
        return (
            f"this database was split at {at}, and its children go on: start those (`swpt-accounts split`"
            " says how far it is)"
        )
    if record.binding_key == wanted:
        return None
    return (
        f"PROTOCOL_BROKER_QUEUE_ROUTING_KEY={wanted}: this database has the accounts of {record.binding_key},"
        " and only `swpt-accounts split` changes that"
    )


def begin_split(cursor: Any, left_queue: str, right_queue: str, now: Moment) -> None:
    """Remember that the children's queues get what this shard gets."""
    cursor.execute(
        "UPDATE shard_record SET left_queue = %s, right_queue = %s, split_begun_at = %s"
        " WHERE split_begun_at IS NULL",
        [left_queue, right_queue, now],
    )


def close_split(cursor: Any, now: Moment) -> None:
    """Let nobody work on this database any more, but on copies of it."""
    cursor.execute("UPDATE shard_record SET split_closed_at = %s WHERE split_closed_at IS NULL", [now])


def narrow(cursor: Any, child: Realm, now: Moment) -> None:
    """Give a copy of a closed database the realm of a child."""
    cursor.execute(
        "UPDATE shard_record SET realm = %s, realm_since = %s, left_queue = NULL, right_queue = NULL,"
        " split_begun_at = NULL, split_closed_at = NULL WHERE split_closed_at IS NOT NULL",
        [child.binding_key, now],
    )
    assert cursor.rowcount == 1, "looked at before"
