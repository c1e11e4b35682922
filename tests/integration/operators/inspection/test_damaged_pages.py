"""A byte that a disk has spoiled is found by `verify`, in a copy of the files of a database."""

import subprocess
from contextlib import contextmanager

import psycopg2
import pytest

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.storage import connections, migrations
from swpt_accounts.storage.guards import missing_guards, read_guards
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import ALICE, BOB, configure, finalize, prepared, request
from tests.backstage.stand import standing
from tests.backstage.stories import issue
from tests.services.errors import ServiceMissing, give_up
from tests.services.leftovers import new_folder
from tests.services.postgres import own_postgres

TABLES = ("account", "journal", "prepared_transfer", "outbox", "account_update_due")


@pytest.fixture(scope="module")
def stopped():
    """A server that was stopped in the middle of its life, and the file of each table."""
    try:
        with own_postgres() as server:
            migrations.upgrade(server.url())
            with standing(server.url()) as stand:
                first = prepared(ALICE, BOB)
                stand.apply(*issue(ALICE), configure(BOB), request(ALICE, BOB), finalize(first, 60))
                stand.apply(request(ALICE, BOB, coordinator_request_id=2))
                files = {name: file_of(stand, name) for name in TABLES}
            server.stop()
            yield server, files
    except ServiceMissing as error:
        give_up(error)


def file_of(stand, table):
    """Where the first row of a table stands, which may be in a partition."""
    stand.execute("CHECKPOINT")
    return stand.value(f"SELECT pg_relation_filepath(tableoid) FROM {table} LIMIT 1")


@contextmanager
def copied(server):
    """A copy of the files of a server, for one that is not started yet."""
    copy = EmbeddedPostgres(new_folder())
    try:
        copy.folder.mkdir(parents=True, exist_ok=True)
        copy.folder.chmod(0o711)
        subprocess.run(["cp", "-a", server.folder / "data", copy.folder / "data"], check=True)
        yield copy
    finally:
        copy.remove()


def flip(path):
    """Flip a bit of the last byte of the first page, where its first row stands."""
    with path.open("r+b") as file:
        file.seek(8191)
        [byte] = file.read(1)
        file.seek(8191)
        file.write(bytes([byte ^ 1]))


def found(server):
    """What `verify` says of a server."""
    with connections.session(server.url(), "a test") as connection:
        with connection, connection.cursor() as cursor:
            if any(guard.name == "data_checksums" for guard in missing_guards(cursor)):
                pytest.skip("this PostgreSQL makes its files without checksums")
        return [(one.rule, one.text) for one in verify(connection, Realm(0, 0)).violations]


def test_a_flipped_byte_in_a_copy_of_a_data_file_is_found(stopped):
    """A copy passes; with a single bit flipped in the file of a table it does not, whichever table it is."""
    server, files = stopped
    with copied(server) as copy:
        copy.start()
        assert found(copy) == []
        for name in TABLES:
            copy.stop()
            path = copy.folder / "data" / files[name]
            sound = path.read_bytes()
            flip(path)
            copy.start()
            [(rule, text), *_] = found(copy)
            assert (rule, files[name] in text) == ("damaged", True), name
            copy.stop()
            path.write_bytes(sound)
            copy.start()
        assert found(copy) == []


def test_guards_that_are_off_are_told(restartable_postgres):
    """Each with what it means; our tests run without most of them."""
    with psycopg2.connect(restartable_postgres.url()) as connection, connection.cursor() as cursor:
        guards = {guard.name: guard.value for guard in read_guards(cursor)}
        missing = [str(guard) for guard in missing_guards(cursor)]
    assert guards.keys() == {"data_checksums", "fsync", "full_page_writes", "synchronous_commit"}
    assert (guards["fsync"], guards["synchronous_commit"]) == ("off", "on")
    assert "fsync is off: a power failure can lose or spoil everything" in missing
