"""Tables of an earlier version become those of this one, while code of the earlier version is at work.

What that code has made and written stands in files and statements here, as version 1 of the tables had them:
nobody changes them.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import IntegrityError

from swpt_client.inputs import Commit
from swpt_client.records import AccountKey, Decision, LedgerKey, TransferState
from swpt_client.store import packing
from swpt_client.store.sql import SqlStore
from swpt_client.store.sql.migrations import VERSION
from swpt_client.store.sql.schema import metadata
from tests.bench import START

from .teller import Teller, step

_HERE = Path(__file__).parent
ROWS: dict[str, Any] = json.loads((_HERE / "rows_of_1_0.json").read_text())
KEY = AccountKey(*ROWS["Account"]["key"])

INSERT_ACCOUNT = """INSERT INTO smp_account (debtor_id, creditor_id, state, due_at, record)
    VALUES (:debtor_id, :creditor_id, :state, :due_at, :record)"""
UPDATE_ACCOUNT = """UPDATE smp_account SET state = :state, due_at = :due_at, record = :record
    WHERE debtor_id = :debtor_id AND creditor_id = :creditor_id"""
INSERT_TRANSFER = """INSERT INTO smp_transfer (key, coordinator_type, coordinator_id, coordinator_request_id,
        bundle_key, state, due_at, record)
    VALUES (:key, :coordinator_type, :coordinator_id, :coordinator_request_id,
        :bundle_key, :state, :due_at, :record)"""
UPDATE_TRANSFER = (
    "UPDATE smp_transfer SET state = :state, due_at = :due_at, record = :record WHERE key = :key"
)
INSERT_BUNDLE = """INSERT INTO smp_bundle (key, state, due_at, record)
    VALUES (:key, :state, :due_at, :record)"""
INSERT_ENTRY = """INSERT INTO smp_ledger_entry (debtor_id, creditor_id, creation_date, number,
        acquired_amount, principal, added_at, record)
    VALUES (:debtor_id, :creditor_id, :creation_date, :number, :acquired_amount,
        :principal, :added_at, :record)"""
INSERT_STORED = """INSERT INTO smp_stored_transfer (debtor_id, creditor_id, creation_date, transfer_number,
        arrived_at, record)
    VALUES (:debtor_id, :creditor_id, :creation_date, :transfer_number, :arrived_at, :record)"""
INSERT_MESSAGES = "INSERT INTO smp_outbox (message_count, messages) VALUES (:message_count, :messages)"


def account(**changes: Any) -> dict[str, Any]:
    """Alice's, as version 1 stores it."""
    row = {**ROWS["Account"], **changes}
    return {
        "debtor_id": KEY.debtor_id,
        "creditor_id": KEY.creditor_id,
        "state": row["configuration"]["state"],
        "due_at": row["due_at"],
        "record": json.dumps(row),
    }


def transfer(key: str, state: str, number: int = 0) -> dict[str, Any]:
    """One of Alice's, as version 1 stores it."""
    row = {
        **ROWS["Transfer"],
        "key": key,
        "state": state,
        "parked_state": None,
        "evidence": [],
    }
    row["coordinator_request_id"] += number
    return {
        "key": key,
        "coordinator_type": row["request"]["coordinator_type"],
        "coordinator_id": row["request"]["coordinator_id"],
        "coordinator_request_id": row["coordinator_request_id"],
        "bundle_key": None,
        "state": state,
        "due_at": START,
        "record": json.dumps({**row, "due_at": START}),
    }


def write_all(connection: Connection) -> None:
    """A row of each kind."""
    ledger = {
        "debtor_id": KEY.debtor_id,
        "creditor_id": KEY.creditor_id,
        "creation_date": ROWS["Entry"]["ledger"][1],
    }
    bundle, entry, stored = ROWS["Bundle"], ROWS["Entry"], ROWS["StoredTransfer"]
    write(connection, INSERT_ACCOUNT, account())
    write(connection, INSERT_TRANSFER, transfer("known", "prepared"))
    write(connection, INSERT_BUNDLE, {**bundle, "record": json.dumps(bundle)})
    write(connection, INSERT_ENTRY, {**entry, **ledger, "record": json.dumps(entry)})
    number = stored["transfer"]["transfer_number"]
    row = {
        **ledger,
        "transfer_number": number,
        "arrived_at": START,
        "record": json.dumps(stored),
    }
    write(connection, INSERT_STORED, row)
    write(connection, INSERT_MESSAGES, {"message_count": 0, "messages": packing.pack([])})


def write(connection: Connection, statement: str, row: dict[str, Any]) -> None:
    """As version 1 does it."""
    names = text(statement).compile().params
    assert connection.execute(text(statement), {name: row[name] for name in names}).rowcount == 1


def make_tables_of_1(engine: Engine) -> None:
    """As version 1 has made them, and nothing else."""
    with engine.begin() as connection:
        metadata.drop_all(connection)
        for statement in (_HERE / f"tables_of_1_{engine.dialect.name}.sql").read_text().splitlines():
            connection.execute(text(statement))
        connection.execute(text("INSERT INTO smp_meta (name, value) VALUES ('version', '1')"))


_INDEXES = {
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename LIKE 'smp_%' ORDER BY 1",
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name LIKE 'smp_%' ORDER BY 1",
}
_OPTIONS = {
    "postgresql": "SELECT relname, reloptions::text FROM pg_class WHERE relname LIKE 'smp_%' ORDER BY 1",
    "sqlite": "SELECT 1",
}


def shape(engine: Engine) -> Any:
    """All that can be said of the tables."""
    with engine.begin() as connection:
        looking = inspect(connection)
        tables = {
            name: (
                {one["name"]: (str(one["type"]), one["nullable"], one["default"]) for one in columns},
                looking.get_pk_constraint(name)["constrained_columns"],
            )
            for name in metadata.tables
            for columns in [looking.get_columns(name)]
        }
        said = [
            [tuple(row) for row in connection.execute(text(statements[engine.dialect.name]))]
            for statements in (_INDEXES, _OPTIONS)
        ]
    return tables, said


@pytest.fixture
def old(sql_store: SqlStore) -> Any:
    """A database of version 1; afterwards one of this version, for other tests."""
    make_tables_of_1(sql_store.engine)
    yield sql_store
    metadata.drop_all(sql_store.engine)
    sql_store.prepare()


def test_upgraded_tables_are_like_new_ones(old):
    """Nobody can tell a database that was upgraded from one that was made today; twice changes nothing."""
    old.prepare()
    upgraded = shape(old.engine)
    old.prepare()
    assert shape(old.engine) == upgraded
    metadata.drop_all(old.engine)
    old.prepare()
    assert shape(old.engine) == upgraded


def test_rows_outlast_an_upgrade(old):
    """All that version 1 has stored is there, means the same, and can be gone on with."""
    with old.engine.begin() as connection:
        write_all(connection)
    old.prepare()
    assert old.account(KEY) == packing.read_account(account()["record"])
    assert old.transfer("known").state is TransferState.PREPARED
    assert old.bundle("b") == packing.read_bundle(json.dumps(ROWS["Bundle"]))
    assert old.entries(KEY, None, 10) == [packing.read_entry(json.dumps(ROWS["Entry"]))]
    with old.begin() as transaction:
        ledger = LedgerKey(KEY, old.account(KEY).ledger.creation_date)
        assert len(transaction.read_stored([ledger])[KEY]) == 1
    teller = Teller(old)
    teller.feed(Commit(key="known", decision=Decision(committed_amount=150)))
    assert old.transfer("known").state is TransferState.SETTLED


def test_code_of_yesterday_writes_while_the_tables_are_upgraded(old, postgres_engine):
    """In a transaction that is open during the upgrade, which waits for nobody, and afterwards."""
    if old.engine is not postgres_engine:
        pytest.skip("whoever writes to SQLite has it alone")
    with old.engine.begin() as connection:
        write_all(connection)
    with old.engine.begin() as yesterday:
        write(yesterday, UPDATE_ACCOUNT, account(silence_told_at=START))
        write(yesterday, INSERT_TRANSFER, transfer("before", "initiated", 1))
        old.prepare()
        write(yesterday, INSERT_TRANSFER, transfer("during", "initiated", 2))
        write(yesterday, UPDATE_TRANSFER, transfer("known", "settled"))
    with old.engine.begin() as yesterday:
        write(yesterday, UPDATE_TRANSFER, transfer("during", "prepared", 2))
        write(yesterday, INSERT_TRANSFER, transfer("after", "initiated", 3))
    assert old.account(KEY).silence_told_at == START
    states = {key: str(old.transfer(key).state) for key in ("known", "before", "during", "after")}
    assert states == {
        "known": "settled",
        "before": "initiated",
        "during": "prepared",
        "after": "initiated",
    }
    assert sorted(old.due(START, 10).transfers) == [
        "after",
        "before",
        "during",
        "known",
    ]


def test_code_of_yesterday_writes_what_code_of_today_has_written(old):
    """Both work on the same rows: each finds and replaces those of the other."""
    with old.engine.begin() as connection:
        write_all(connection)
    old.prepare()
    teller = Teller(old)
    teller.begin("of today", None)
    with old.engine.begin() as yesterday:
        row = {**transfer("of today", "prepared", 4), "record": ""}
        found = yesterday.execute(text("SELECT record FROM smp_transfer WHERE key = 'of today'")).scalar_one()
        full = json.loads(packing.to_full_text(packing.read_transfer(found)))
        row["record"] = json.dumps({**full, "state": "prepared", "prepared": ROWS["Transfer"]["prepared"]})
        write(yesterday, UPDATE_TRANSFER, row)
    with old.begin() as transaction:
        calls = [Commit(key="of today", decision=Decision(committed_amount=100))]
        step(transaction, calls, teller.policy, lambda: teller.now)
    assert old.transfer("of today").state is TransferState.SETTLED


def test_an_upgrade_is_whole_or_not_at_all(old, postgres_engine):
    """Who is stopped at its end finds tables of version 1, and upgrades them the next time."""
    if old.engine is not postgres_engine:
        pytest.skip("no step changes anything in SQLite yet")
    before = shape(old.engine)
    with old.engine.begin() as connection:
        connection.execute(text("ALTER TABLE smp_meta ADD CONSTRAINT of_one CHECK (value = '1')"))
    with pytest.raises(IntegrityError, match="of_one"):
        old.prepare()
    assert shape(old.engine) == before
    with old.engine.begin() as connection:
        connection.execute(text("ALTER TABLE smp_meta DROP CONSTRAINT of_one"))
    old.prepare()
    assert shape(old.engine) != before
    with old.engine.begin() as connection:
        assert connection.execute(text("SELECT value FROM smp_meta")).scalar_one() == str(VERSION)
