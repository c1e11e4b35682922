"""How a split of this shard stands: its database, those of the children, and the queues."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import psycopg2

from swpt_accounts.broker.amqp.administration import look_at_queue
from swpt_accounts.rules.split import CopyState, QueueState, SplitView
from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage import connections
from swpt_accounts.storage.shard_record import ShardRecord, load_shard_record
from swpt_accounts.wire.routing import Realm

from .shard_check import check_shard

NAME: Final = "swpt_accounts split"

_LOCK: Final = 0x73706C69  # any number that nobody else uses as an advisory lock
_HAS_TABLES: Final = "SELECT to_regclass('shard_record') IS NOT NULL"
_IS_STANDBY: Final = "SELECT pg_is_in_recovery()"
_WRITTEN: Final = "SELECT pg_current_wal_flush_lsn()"
_HAS_ALL: Final = "SELECT coalesce(pg_last_wal_replay_lsn() >= %s, false)"


class Wanted:
    """What a split is to make: where the children's databases are, and how their queues are called."""

    def __init__(self, urls: tuple[str, str], queues: tuple[str, str], *, can_copy: bool) -> None:
        self.urls = urls
        self.queues = queues
        self.can_copy = can_copy


def look(settings: Settings, wanted: Wanted) -> SplitView:
    """Look at everything.  Raises OperatorError, BrokerProblem, or psycopg2.OperationalError."""
    realm = settings.realm()
    amqp_url, queue = settings.protocol_broker_url, settings.protocol_broker_queue
    with ExitStack() as stack:
        parent = stack.enter_context(connections.session(settings.postgres_url, NAME))
        record, sessions, written = _look_at_parent(parent, realm)
        foreign = _foreign_rows(parent, realm) if record.split_begun_at is None else 0
        children = [stack.enter_context(_maybe(url)) for url in wanted.urls]
        is_one = _is_one_database([parent, *(one for one in children if one is not None)])
        copies = [_look_at_copy(child, written) for child in children]
    left, right = wanted.queues
    return SplitView(
        realm=realm,
        queue=queue,
        parent_queue=_queue_state(amqp_url, queue),
        child_queues=(left, right),
        child_queue_states=(_queue_state(amqp_url, left), _queue_state(amqp_url, right)),
        copies=(copies[0], copies[1]),
        is_one_database=is_one,
        has_shard_settings=bool(settings.internal_user and settings.fetch_api_url),
        can_copy=wanted.can_copy,
        begun_at=record.split_begun_at,
        begun_queues=(record.left_queue, record.right_queue),
        closed_at=record.split_closed_at,
        foreign_rows=foreign,
        sessions=sessions,
    )


def _look_at_parent(connection: Any, realm: Realm) -> tuple[ShardRecord, tuple[str, ...], str]:
    with connection, connection.cursor() as cursor:
        record = load_shard_record(cursor)
        if record is None:
            raise OperatorError("no server was ever started on this database: there is nothing to split")
        if record.realm != realm:
            raise OperatorError(
                f"PROTOCOL_BROKER_QUEUE_ROUTING_KEY={realm.binding_key}: this database has the accounts of"
                f" {record.binding_key}; use the settings of the shard that is split"
            )
        sessions = connections.sessions_at_work(cursor)
        cursor.execute(_IS_STANDBY)
        if cursor.fetchone()[0]:
            raise OperatorError("POSTGRES_URL leads to a standby: name the database that it follows")
        cursor.execute(_WRITTEN)
        return record, sessions, cursor.fetchone()[0]


@contextmanager
def _maybe(url: str) -> Iterator[Any | None]:
    """A connection, or None if the server has no such database."""
    try:
        connection = connections.connect(url, NAME)
    except psycopg2.OperationalError as error:
        text = mask_secrets(first_line(error))
        if "does not exist" in text:
            yield None
            return
        raise OperatorError(f"cannot ask the database of a child: {text}") from None
    try:
        yield connection
    finally:
        connection.close()


def _is_one_database(connected: list[Any]) -> bool:
    """Whether two of them are the same: a lock of the one is in the way of the other.

    Two addresses may lead to one database; nothing but the database itself can tell.
    """
    for number, connection in enumerate(connected):
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK, 0])
            if not cursor.fetchone()[0]:
                if number == 0:
                    raise OperatorError("another `swpt-accounts split` is at work on this database")
                return True
    return False


def _look_at_copy(connection: Any | None, written: str) -> CopyState:
    if connection is None:
        return CopyState()
    with connection, connection.cursor() as cursor:
        cursor.execute(_IS_STANDBY)
        is_standby = cursor.fetchone()[0]
        is_caught_up = False
        if is_standby:
            cursor.execute(_HAS_ALL, [written])
            is_caught_up = cursor.fetchone()[0]
        cursor.execute(_HAS_TABLES)
        has_tables = cursor.fetchone()[0]
        record = load_shard_record(cursor) if has_tables else None
    if record is None:
        return CopyState(True, is_standby, is_caught_up, has_tables)
    is_child = not is_standby and record.split_closed_at is None
    return CopyState(
        True,
        is_standby,
        is_caught_up,
        has_tables,
        record.realm,
        record.split_closed_at,
        _foreign_rows(connection, record.realm) if is_child else 0,
    )


def _foreign_rows(connection: Any, realm: Realm) -> int:
    never: Callable[[], bool] = lambda: False  # noqa: E731 - it has a type
    checks = check_shard(connection, realm, never)
    assert checks is not None, "nobody stops it"
    return sum(check.foreign for check in checks)


def _queue_state(amqp_url: str, queue: str) -> QueueState | None:
    found = look_at_queue(amqp_url, queue)
    return None if found is None else QueueState(*found)
