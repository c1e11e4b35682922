"""Whether the database can work, and not only answer: each way in which a batch would fail is found."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from swpt_accounts.storage import migrations
from swpt_accounts.storage.trial import why_not
from tests.backstage.server import locking


def execute(url: str, *statements: str) -> None:
    """Run statements, each for itself."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


def test_a_sound_database_can_work(postgres_url):
    """And it keeps nothing of the attempt."""
    assert why_not(postgres_url, "a test") == ""
    with closing(psycopg2.connect(postgres_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM outbox")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("ALTER TABLE outbox RENAME TO elsewhere", "does not exist"),
        (
            "ALTER TABLE outbox ADD CONSTRAINT full_up CHECK (created_at > 1) NOT VALID",
            "violates check constraint",
        ),
    ],
)
def test_a_table_that_refuses_is_reported(postgres_url, statement, why):
    """Something is wrong with a table that every batch needs."""
    execute(postgres_url, statement)
    assert why in why_not(postgres_url, "a test")


def test_a_database_that_is_read_only_is_reported(postgres_url):
    """As after a switch of servers, or by a setting: everybody can connect, and nobody can commit."""
    execute(
        postgres_url,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',"
        " current_database()); END $$",
    )
    assert "read-only transaction" in why_not(postgres_url, "a test")


@pytest.mark.parametrize("table", ["account", "journal", "prepared_transfer", "outbox"])
def test_a_table_that_somebody_has_locked_is_reported(postgres_url, table):
    """An index that is made, or a change of the table that waits itself: no batch gets through."""
    with locking(postgres_url, f"LOCK TABLE {table} IN SHARE MODE"):
        assert "lock timeout" in why_not(postgres_url, "a test")
    assert why_not(postgres_url, "a test") == ""


@pytest.fixture
def small_disk(restartable_postgres) -> Iterator[str]:
    """A database on a disk of its own that has 24 MB; the address."""
    server, place = restartable_postgres, restartable_postgres.folder / "small"
    if os.geteuid() != 0:
        pytest.skip("Mounting a small disk needs the rights of root.")
    place.mkdir()
    options = f"size=24m,mode=700,uid={(server.folder / 'data').stat().st_uid}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip("Mounting a small disk needs the rights of root.")
    try:
        execute(
            server.url(),
            f"CREATE TABLESPACE small LOCATION '{place}'",
            "CREATE DATABASE small TABLESPACE small",
        )
        migrations.upgrade(server.url("small"))
        yield server.url("small")
    finally:
        execute(server.url(), "DROP DATABASE IF EXISTS small WITH (FORCE)", "DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", "--lazy", place], check=True)
        place.rmdir()


def test_a_full_disk_is_reported(small_disk):
    """What needs no more room still works, and so hides it: connections, questions, small changes."""
    assert why_not(small_disk, "a test") == ""
    # Texts that are kept as they are: packed ones would fill it a hundred times slower.
    execute(
        small_disk,
        "CREATE TABLE ballast (filler text)",
        "ALTER TABLE ballast ALTER filler SET STORAGE EXTERNAL",
    )
    with pytest.raises(psycopg2.errors.DiskFull):
        while True:
            execute(
                small_disk,
                "INSERT INTO ballast SELECT repeat(md5(n::text), 100) FROM generate_series(1, 100) AS n",
            )
    assert "No space left on device" in why_not(small_disk, "a test")
    execute(small_disk, "DROP TABLE ballast", "CHECKPOINT")
    assert why_not(small_disk, "a test") == ""
