"""The store on an SQLAlchemy engine."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    bindparam,
    delete,
    event,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from swpt_client.moments import Moment
from swpt_client.records import Account, AccountKey, Bundle, Entry, Transfer
from swpt_client.store import packing
from swpt_client.store.base import (
    DeadLetter,
    Due,
    LeftRow,
    LetterKind,
    LetterState,
    OutboxRow,
    Overtaken,
    Retention,
    StoreAway,
    latest_claim,
)

from . import caught, faults, migrations, schema, sessions
from .statements import PostgresStatements, SqliteStatements, Statements
from .transaction import SqlTransaction

_AFTER: Final = "swpt_client.after_commit"
_CLEANED_AT_ONCE: Final = 5000
_OPEN: Final = {
    "transfer": ("initiated", "prepared", "settled"),
    "bundle": ("preparing", "dismissing", "committing", "repairing", "reversing"),
}
_ROWS_CLAIMED_AT_ONCE: Final = 500


def _record(table: Table, *names: str) -> Select[Any]:
    """The statement is made once: what is asked with each call costs more to build than to execute."""
    return select(table.c.record).where(*(table.c[name] == bindparam(name) for name in names))


_ACCOUNT: Final = _record(schema.account, "debtor_id", "creditor_id")
_TRANSFER: Final = _record(schema.transfer, "key")
_BUNDLE: Final = _record(schema.bundle, "key")


class SqlStore:
    """Keeps everything of one client in tables of a database (see `schema`).

    On PostgreSQL transactions must be READ COMMITTED, which is the default; the engine is told that
    its connections speak UTF-8, whatever their surroundings say.  On SQLite the engine is told to
    begin every transaction with BEGIN IMMEDIATE.  Raises ValueError for other databases.
    """

    is_persistent = True

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._statements: Statements
        if engine.dialect.name == "postgresql":
            self._statements = PostgresStatements()
            sessions.speak_utf8(engine)
            caught.remember_errors(engine)
        elif engine.dialect.name == "sqlite":
            self._statements = SqliteStatements()
            sessions.begin_immediately(engine)
        else:
            raise ValueError(f"the store needs PostgreSQL or SQLite, not {engine.dialect.name}")

    def prepare(self) -> None:
        """Make or upgrade the tables.  Raises UnfitStore for a database that cannot keep all texts."""
        with self._told():
            sessions.check(self.engine)
            migrations.upgrade(self.engine)

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        """A transaction; an exception undoes it.  Raises StoreAway, or Overtaken at any moment."""
        with self._told(), Session(self.engine, autoflush=False) as session, session.begin():
            yield SqlTransaction(session, self._statements)

    def join(self, session: Session) -> SqlTransaction:
        """The transaction of a session of the application."""
        return SqlTransaction(session, self._statements)

    def after_commit(self, session: Session, work: Callable[[], None]) -> None:
        """Do something when the transaction of a session has been committed."""
        waiting: list[Callable[[], None]] | None = session.info.get(_AFTER)
        if waiting is None:
            waiting = session.info[_AFTER] = []
            event.listen(session, "after_commit", _committed)
            event.listen(session, "after_rollback", _rolled_back)
        waiting.append(work)

    def is_passing(self, error: BaseException) -> bool:
        """Whether it is a conflict, or the database is away."""
        return isinstance(error, StoreAway | Overtaken) or faults.is_conflict(error) or faults.is_away(error)

    def is_unfit(self, error: BaseException) -> bool:
        """Whether a table, a column or a grant is missing."""
        return faults.is_unfit(error)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Exceptions of the database in the words of a store; those of programs stay what they are."""
        try:
            yield
        except SQLAlchemyError as error:
            if faults.is_conflict(error):
                raise Overtaken(str(error)) from error
            if faults.is_away(error):
                raise StoreAway(str(error).partition("\n")[0]) from error
            raise

    @contextmanager
    def _connection(self, session: Session | None = None) -> Iterator[Connection]:
        if session is not None:
            yield session.connection()
            return
        with self._told(), self.engine.begin() as connection:
            yield connection

    # --- the outbox -----------------------------------------------------------------------------

    def claim(self, owner: str, now: Moment, until: Moment, most: int) -> list[OutboxRow]:
        """The oldest rows that nobody claims, with about `most` messages in all."""
        table = schema.outbox
        with self._connection() as connection:
            candidates = connection.execute(
                select(table.c.id, table.c.message_count)
                .where(or_(table.c.claimed_until <= now, table.c.claimed_until > latest_claim(now, until)))
                .order_by(table.c.id)
                .limit(_ROWS_CLAIMED_AT_ONCE)
                .with_for_update(skip_locked=True)
            ).all()
            chosen: list[int] = []
            for number, count in candidates:
                if most <= 0:
                    break
                chosen.append(number)
                most -= count
            if not chosen:
                return []
            # A claim that is lost with the machine is only a message that leaves twice.
            self._statements.hurry(connection)
            rows = connection.execute(
                update(table)
                .where(table.c.id.in_(chosen))
                .values(owner=owner, claimed_until=until)
                .returning(table.c.id, table.c.messages)
            ).all()
        return [OutboxRow(number, packing.unpack(messages)) for number, messages in sorted(rows)]

    def renew(self, owner: str, until: Moment) -> None:
        """Claim for longer what is claimed."""
        table = schema.outbox
        with self._connection() as connection:
            connection.execute(update(table).where(table.c.owner == owner).values(claimed_until=until))

    def release(self, owner: str) -> None:
        """Claim nothing any more."""
        table = schema.outbox
        with self._connection() as connection:
            connection.execute(update(table).where(table.c.owner == owner).values(owner="", claimed_until=0))

    def count_outbox(self) -> int:
        """How many messages wait for their confirmation."""
        with self._connection() as connection:
            found = connection.execute(select(func.sum(schema.outbox.c.message_count))).scalar()
        return int(found or 0)

    def forget_outbox(self) -> int:
        """Drop the messages of transfers that wait for their confirmation; says how many."""
        table = schema.outbox
        dropped = 0
        with self.begin() as transaction:
            rows = transaction.session.execute(
                select(table.c.id, table.c.messages).order_by(table.c.id).with_for_update()
            ).all()
            for number, messages in rows:
                parcels = packing.unpack(messages)
                left = [one for one in parcels if not packing.is_of_transfer(one.ref)]
                dropped += len(parcels) - len(left)
                if not left:
                    transaction.settle([number], [])
                elif len(left) < len(parcels):
                    transaction.settle([], [LeftRow(number, left, 0)])
        return dropped

    # --- reading --------------------------------------------------------------------------------

    def due(self, now: Moment, most: int) -> Due:
        """What is due, at most so many of each kind."""
        with self._connection() as connection:

            def keys(table: Any, *columns: Any) -> Sequence[Any]:
                wanted = select(*columns).where(table.c.due_at <= now).order_by(table.c.due_at).limit(most)
                return connection.execute(wanted).all()

            of_account = schema.account.c.debtor_id, schema.account.c.creditor_id
            return Due(
                [AccountKey(*key) for key in keys(schema.account, *of_account)],
                [key for (key,) in keys(schema.transfer, schema.transfer.c.key)],
                [key for (key,) in keys(schema.bundle, schema.bundle.c.key)],
            )

    def account(self, key: AccountKey, session: Session | None = None) -> Account | None:
        """The record of an account."""
        found = self._texts(_ACCOUNT, session, debtor_id=key.debtor_id, creditor_id=key.creditor_id)
        return packing.read_account(found[0]) if found else None

    def accounts(self, after: AccountKey | None, most: int) -> list[Account]:
        """The records of accounts, in the order of their keys."""
        table = schema.account
        place = tuple_(table.c.debtor_id, table.c.creditor_id)
        wanted = select(table.c.record).order_by(table.c.debtor_id, table.c.creditor_id).limit(most)
        if after is not None:
            wanted = wanted.where(place > tuple_(*after))
        return [packing.read_account(one) for one in self._texts(wanted)]

    def transfer(self, key: str, session: Session | None = None) -> Transfer | None:
        """The record of a transfer."""
        found = self._texts(_TRANSFER, session, key=key)
        return packing.read_transfer(found[0]) if found else None

    def bundle(self, key: str, session: Session | None = None) -> Bundle | None:
        """The record of a bundle."""
        found = self._texts(_BUNDLE, session, key=key)
        return packing.read_bundle(found[0]) if found else None

    def entries(self, key: AccountKey, before: Entry | None, most: int) -> list[Entry]:
        """The entries of all ledgers of an account, the newest first."""
        table = schema.ledger_entry
        wanted = select(table.c.record).where(
            table.c.debtor_id == key.debtor_id, table.c.creditor_id == key.creditor_id
        )
        if before is not None:
            date = before.ledger.creation_date
            wanted = wanted.where(
                or_(
                    table.c.creation_date < date,
                    (table.c.creation_date == date) & (table.c.number < before.number),
                )
            )
        wanted = wanted.order_by(table.c.creation_date.desc(), table.c.number.desc()).limit(most)
        return [packing.read_entry(one) for one in self._texts(wanted)]

    def parked_transfers(self, after: str, most: int) -> list[Transfer]:
        """Parked transfers, in the order of their keys."""
        table = schema.transfer
        wanted = select(table.c.record).where(table.c.state == "parked", table.c.key > after)
        return [packing.read_transfer(one) for one in self._texts(wanted.order_by(table.c.key).limit(most))]

    def parked_bundles(self, after: str, most: int) -> list[Bundle]:
        """Parked bundles, and those that wait for a person, in the order of their keys."""
        found: list[Bundle] = []
        table = schema.bundle
        states = ("parked", "torn", *_OPEN["bundle"])
        while len(found) < most:
            wanted = select(table.c.record).where(table.c.state.in_(states), table.c.key > after)
            texts = self._texts(wanted.order_by(table.c.key).limit(most))
            if not texts:
                break
            bundles = [packing.read_bundle(one) for one in texts]
            after = bundles[-1].key
            found += [one for one in bundles if one.parked_state is not None or one.is_alarming]
        return found[:most]

    def open_keys(self, kind: str, after: str, most: int) -> list[str]:
        """Keys of transfers or bundles that have not ended and are not parked."""
        table = schema.transfer if kind == "transfer" else schema.bundle
        wanted = select(table.c.key).where(table.c.state.in_(_OPEN[kind]), table.c.key > after)
        return self._texts(wanted.order_by(table.c.key).limit(most))

    def letters(self, state: LetterState, after: int, most: int) -> list[DeadLetter]:
        """Dead letters, in the order of their ids."""
        table = schema.dead_letter
        wanted = select(table).where(table.c.state == state, table.c.id > after).order_by(table.c.id)
        with self._connection() as connection:
            rows = connection.execute(wanted.limit(most)).all()
        return [
            DeadLetter(
                id=row.id,
                kind=LetterKind(row.kind),
                reason=row.reason,
                detail=row.detail,
                body=bytes(row.body),
                properties=json.loads(row.properties),
                state=LetterState(row.state),
                added_at=row.added_at,
                closed_at=row.closed_at,
            )
            for row in rows
        ]

    def _texts(self, wanted: Any, session: Session | None = None, **values: Any) -> list[str]:
        with self._connection(session) as connection:
            return list(connection.execute(wanted, values).scalars())

    # --- upkeep ---------------------------------------------------------------------------------

    def close_letter(
        self, number: int, state: LetterState, now: Moment, session: Session | None = None
    ) -> bool:
        """Say what has been done about a dead letter; False if it is neither open nor waiting."""
        table = schema.dead_letter
        with self._connection(session) as connection:
            done = connection.execute(
                update(table)
                .where(table.c.id == number, table.c.state.in_((LetterState.OPEN, LetterState.WAITING)))
                .values(state=str(state), closed_at=None if state is LetterState.WAITING else now)
            )
        return done.rowcount == 1

    def clean(self, retention: Retention, now: Moment) -> int:
        """Delete some thousand rows of what is kept too long; says how many."""
        letter, entry = schema.dead_letter, schema.ledger_entry
        kept = now - retention.closed_letters
        old = select(letter.c.id).where(letter.c.closed_at < kept)
        with self._connection() as connection:
            ids = old.limit(_CLEANED_AT_ONCE)
            count = connection.execute(delete(letter).where(letter.c.id.in_(ids))).rowcount
            if retention.entries is not None:
                before = now - retention.entries
                keys = connection.execute(
                    select(*entry.primary_key.c).where(entry.c.added_at < before).limit(_CLEANED_AT_ONCE)
                ).all()
                if keys:
                    self._statements.delete(connection, entry, [tuple(key) for key in keys])
                    count += len(keys)
        return count


def _committed(session: Session) -> None:
    if session.in_nested_transaction():
        return
    waiting = session.info[_AFTER]
    done, waiting[:] = list(waiting), []
    for work in done:
        work()


def _rolled_back(session: Session) -> None:
    # A savepoint that is undone leaves what was done before it: better told once too often.
    if not session.in_nested_transaction():
        session.info[_AFTER].clear()
