"""A database with the procedures on it, driven by a test without broker and processes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from swpt_accounts import procedures
from swpt_accounts.broker.batch import Delivered
from swpt_accounts.events import Envelope, Event, decode
from swpt_accounts.procedures import Applied
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections, eager
from swpt_accounts.storage.faults import Fault, fault_of
from swpt_accounts.storage.fitness import make_ready
from swpt_accounts.storage.outbox.rows import unpack
from swpt_accounts.transactions.account_locks import lock_accounts
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.transactions.debtor_infos import DebtorInfos
from swpt_accounts.wire.messages import Message
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import DEBTOR, NOW, POLICY

from .wire import delivered


class Stand:
    """One worker's connection and context; `clock` may be set by the test."""

    def __init__(
        self,
        postgres_url: str,
        clock: Callable[[], Moment] = lambda: NOW,
        policy: Policy = POLICY,
        environ: Mapping[str, str] | None = None,
        **context: Any,
    ) -> None:
        self.postgres_url = postgres_url
        self.connection = eager.connect(postgres_url, "a test's worker")
        with connections.session(postgres_url, "a test") as connection:
            make_ready(connection, load({"POSTGRES_URL": postgres_url} | dict(environ or {})), clock())
        values: dict[str, Any] = {
            "policy": policy,
            "infos": DebtorInfos(),
            "publisher_key": 1,
            "queue": "swpt_accounts",
            "dead_letter_max_open": 1000,
            "clock": clock,
        }
        self.context = TransactionContext(**(values | context))
        self.conflicts = 0

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def replace(self, **context: Any) -> None:
        """Go on with another context."""
        self.context = msgspec.structs.replace(self.context, **context)

    # -- doing ---------------------------------------------------------------------------------

    def apply(self, *messages: Message | Delivered) -> Applied:
        """Apply a batch once; errors come out as they are."""
        items = [one if isinstance(one, Delivered) else delivered(one) for one in messages]
        return procedures.apply_batch(self.connection, items, self.context)

    def insist(self, *messages: Message | Delivered) -> Applied:
        """Apply a batch, and again after each conflict, as a worker does."""
        while True:
            try:
                return self.apply(*messages)
            except Exception as error:
                if fault_of(error) is not Fault.CONFLICT:
                    raise
                self.conflicts += 1

    def execute(self, statement: str, *parameters: object) -> None:
        """Run a statement in a transaction of its own."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)

    # -- looking -------------------------------------------------------------------------------

    def rows(self, query: str, *parameters: object) -> list[Any]:
        """What a query finds."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(query, parameters)
            found: list[Any] = cursor.fetchall()
            return found

    def value(self, query: str, *parameters: object) -> Any:
        """The only value that a query finds."""
        [(value,)] = self.rows(query, *parameters)
        return value

    def machine_moment(self) -> int:
        """The database's clock, in microseconds: it stays right where that of the tests is shifted."""
        return int(self.value("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8"))

    def count(self, table: str) -> int:
        """How many rows a table has."""
        number: int = self.value(f"SELECT count(*) FROM {table}")
        return number

    def account(self, creditor_id: int, debtor_id: int = DEBTOR) -> Account:
        """An account as it is stored."""
        with self.connection, self.connection.cursor() as cursor:
            found = lock_accounts(cursor, [(debtor_id, creditor_id)], self.context.infos)
        return found[debtor_id, creditor_id]

    def envelopes(self) -> list[Envelope]:
        """Everything in the outbox, in order."""
        rows = self.rows("SELECT payload FROM outbox ORDER BY outbox_id")
        return [envelope for (payload,) in rows for envelope in unpack(bytes(payload))]

    def events(self) -> list[Event]:
        """Everything in the outbox, in order, decoded."""
        return [decode(envelope.body) for envelope in self.envelopes()]


@contextmanager
def standing(postgres_url: str, **options: Any) -> Iterator[Stand]:
    """A stand that is closed at the end."""
    stand = Stand(postgres_url, **options)
    try:
        yield stand
    finally:
        stand.close()


def sweep(postgres_url: str) -> None:
    """Empty all tables, for the next test."""
    with connections.session(postgres_url, "a test") as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND (relkind = 'p' OR relkind = 'r' AND NOT relispartition) AND relname <> 'alembic_version'"
        )
        names = [name for (name,) in cursor.fetchall()]
        cursor.execute("; ".join(f'DELETE FROM "{name}"' for name in names))
