"""The schema: migrated and fresh ones are the same, and every process may bring it up to date."""

import threading

import pytest
from alembic import command, util
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections, migrations
from swpt_accounts.storage.models import db as models
from swpt_accounts.storage.partitions import MONTHS_AHEAD, make_partitions
from swpt_accounts.storage.server_record import keep_promises
from swpt_accounts.storage.shard_record import ShardRecord, keep_realm, load_shard_record
from tests.backstage.builders import DAY, NOW, journal_of, month_later
from tests.backstage.commands import SERVER, running
from tests.backstage.schema import is_migrated
from tests.backstage.server import locking
from tests.backstage.waiting import wait_until

_SCHEMA = """
SELECT 'column', table_name, column_name, data_type, is_nullable, column_default, is_identity
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), NULL, NULL, NULL
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index', tablename, indexname, indexdef, NULL, NULL, NULL
FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'options', relname, array_to_string(reloptions, ','), relkind::text, NULL, NULL, NULL
FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'sequence', sequencename, increment_by::text, cache_size::text, NULL, NULL, NULL
FROM pg_sequences WHERE schemaname = 'public'
UNION ALL
SELECT 'comment', objoid::regclass::text, description, objsubid::text, NULL, NULL, NULL
FROM pg_description WHERE classoid = 'pg_class'::regclass AND objoid >= 16384
"""


def schema_of(url: str) -> set[tuple[object, ...]]:
    """Everything about the tables that matters; not how the migrations are counted."""
    return {row for row in query(url, _SCHEMA) if "alembic_version" not in str(row)}


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    """What a query finds."""
    with connections.session(url, "a test") as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        found: list[tuple[object, ...]] = cursor.fetchall()
        return found


def migrate(url: str, direction: str, revision: str) -> None:
    """Go to a revision, as `flask db` would."""
    engine = migrations.make_engine(url)
    try:
        getattr(command, direction)(migrations._alembic_config(engine), revision)
    finally:
        engine.dispose()


def revisions() -> list[str]:
    """All revisions, the first one first."""
    script = ScriptDirectory.from_config(migrations._alembic_config())
    return [revision.revision for revision in script.walk_revisions()][::-1]


def test_migrations_make_what_the_models_say(database):
    """Nothing is left to be migrated: tables, columns, types, defaults and indexes agree."""
    engine = migrations.make_engine(database)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "compare_server_default": True,
                    "include_object": lambda thing, name, kind, reflected, other: (
                        not (kind == "table" and reflected and name.startswith("journal_"))
                    ),
                },
            )
            assert compare_metadata(context, models.metadata) == []
        command.check(migrations._alembic_config(engine))
    finally:
        engine.dispose()


def test_a_migrated_schema_is_a_fresh_one(postgres_url, empty_postgres_url):
    """Constraints, storage options, sequences and comments included."""
    engine = migrations.make_engine(empty_postgres_url)
    models.metadata.create_all(engine)
    engine.dispose()
    assert schema_of(postgres_url) == schema_of(empty_postgres_url)


def test_an_upgrade_can_be_repeated(database):
    """Also with rows in the tables, and without touching them."""
    before = schema_of(database)
    migrations.upgrade(database)
    assert schema_of(database) == before
    assert is_migrated(database)


def test_processes_that_upgrade_at_the_same_time(empty_postgres_url, rabbitmq, amqp_url):
    """One of them does the work, the others wait for it, and all of them succeed."""
    environ = {"POSTGRES_URL": empty_postgres_url, "PROTOCOL_BROKER_URL": amqp_url}
    assert not is_migrated(empty_postgres_url)
    configure = (*SERVER, "configure")
    with running(configure, environ) as one, running(configure, environ) as other:
        codes = one.wait(), other.wait()
    assert codes == (0, 0), (one.lines, other.lines)
    upgrades = [line for line in [*one.lines, *other.lines] if "Running upgrade" in line]
    assert len(upgrades) == len(revisions())
    assert is_migrated(empty_postgres_url)
    assert query(empty_postgres_url, "SELECT count(*) FROM server_record") == [(1,)]


def test_an_upgrade_waits_for_another_one(empty_postgres_url):
    """The advisory lock is held for the whole upgrade, so that no half of it is ever seen."""
    lock = f"SELECT pg_advisory_lock({migrations._MIGRATIONS_LOCK})"
    upgrade = threading.Thread(target=migrations.upgrade, args=[empty_postgres_url])
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with locking(empty_postgres_url, lock):
        upgrade.start()
        wait_until(lambda: query(empty_postgres_url, waiting) == [(1,)])
        assert not is_migrated(empty_postgres_url)
    upgrade.join()
    assert is_migrated(empty_postgres_url)


def test_every_migration_can_be_taken_back(empty_postgres_url):
    """Down and up again, step by step, on an empty database."""
    schemas = [schema_of(empty_postgres_url)]
    for revision in revisions():
        migrate(empty_postgres_url, "upgrade", revision)
        schemas.append(schema_of(empty_postgres_url))
    for revision in ["base", *revisions()[:-1]][::-1]:
        schemas.pop()
        migrate(empty_postgres_url, "downgrade", revision)
        assert schema_of(empty_postgres_url) == schemas[-1]
    migrations.upgrade(empty_postgres_url)


def test_an_old_schema_is_recognized(empty_postgres_url):
    """A process that needs newer tables can tell before it starts."""
    assert not is_migrated(empty_postgres_url)
    migrate(empty_postgres_url, "upgrade", revisions()[0])
    assert is_migrated(empty_postgres_url) == (len(revisions()) == 1)
    with pytest.raises(util.CommandError):
        migrate(empty_postgres_url, "upgrade", "no such revision")


# -- partitions --------------------------------------------------------------------------------

PARTITIONS = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1"


def test_partitions_are_made_three_months_ahead(postgres_url):
    """This month, three more, and the default one; once more makes nothing."""
    with connections.session(postgres_url, "a test") as connection:
        assert make_partitions(connection, NOW) == MONTHS_AHEAD + 1
        assert make_partitions(connection, NOW) == 0
        assert make_partitions(connection, month_later(1)) == 1
    names = [journal_of(month_later(months)) for months in range(MONTHS_AHEAD + 2)]
    assert query(postgres_url, PARTITIONS) == [(name,) for name in (*names, "journal_default")]


def test_processes_that_make_partitions_at_the_same_time(postgres_url):
    """There is no ON CONFLICT for tables; they wait for each other instead."""

    def make() -> None:
        with connections.session(postgres_url, "a test") as connection:
            make_partitions(connection, NOW)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(query(postgres_url, PARTITIONS)) == MONTHS_AHEAD + 2


def test_a_row_without_a_partition_is_an_alarm(postgres_url, caplog):
    """It is kept in the default partition, and the operator is told until somebody has moved it."""
    with connections.session(postgres_url, "a test") as connection:
        make_partitions(connection, NOW)
        assert "ALARM" not in caplog.text
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO journal (applied_at, debtor_id, sender_creditor_id, recipient_creditor_id,"
                " amount, sender_transfer_number, recipient_transfer_number, committed_at, transfer_id,"
                " coordinator_id, coordinator_request_id, coordinator_type, transfer_note_format,"
                " transfer_note) VALUES (%s, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, '', '', '')",
                [NOW + 1000 * DAY],
            )
        make_partitions(connection, NOW)
    assert "ALARM: the default partition of the journal holds rows" in caplog.text


# -- promises ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [("TRANSFER_NOTE_MAX_BYTES", "499", "500"), ("COMMIT_PERIOD", "7775999", "7776001")],
)
def test_promises_may_only_grow(stand, database, name, less, more):
    """The server record refuses to shrink, and counts each time it grows."""
    environ = {"POSTGRES_URL": database}
    with connections.session(database, "a test") as connection:
        keep_promises(connection, load(environ))
        keep_promises(connection, load(environ))
        with pytest.raises(OperatorError, match=rf"^{name}={less}: this database has promised "):
            keep_promises(connection, load(environ | {name: less}))
        keep_promises(connection, load(environ | {name: more}))
    [(version,)] = query(database, "SELECT settings_version FROM server_record")
    assert version == (1 if more == "500" else 2)


def test_a_database_keeps_its_part_of_all_accounts(database):
    """Who comes with another realm is refused in one line, and so is everybody after a split."""
    with connections.session(database, "a test") as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM shard_record")
        for _ in range(2):
            keep_realm(cursor, "0.#", NOW)
        for other in ("#", "1.#", "0.1.#"):
            with pytest.raises(OperatorError, match=r"this database has the accounts of 0\.#, and only"):
                keep_realm(cursor, other, NOW)
        assert load_shard_record(cursor) == ShardRecord("0.#", NOW)
        cursor.execute("UPDATE shard_record SET split_begun_at = 5")
        keep_realm(cursor, "0.#", NOW)
        cursor.execute("UPDATE shard_record SET split_closed_at = 5")
        with pytest.raises(OperatorError, match="this database was split at 1970-01-01"):
            keep_realm(cursor, "0.#", NOW)


def test_two_processes_promise_together(stand, database):
    """The first start of several processes at once makes one record."""
    settings = load({"POSTGRES_URL": database})
    stand.execute("DELETE FROM server_record")

    def promise() -> None:
        with connections.session(database, "a test") as connection:
            keep_promises(connection, settings)

    threads = [threading.Thread(target=promise) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert query(database, "SELECT settings_version FROM server_record") == [(1,)]


def test_money_is_never_written_loosely(database):
    """All tables are logged, and connections wait for the disk."""
    loose = """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relpersistence <> 'p'
    """
    assert query(database, loose) == []
    assert query(database, "SHOW synchronous_commit") == [("on",)]


def test_the_newest_version_is_read_from_the_names_of_the_files():
    """Programs that only look need not load the tools for migrations."""
    script = ScriptDirectory.from_config(migrations._alembic_config())
    assert migrations.newest_versions() == set(script.get_heads())
