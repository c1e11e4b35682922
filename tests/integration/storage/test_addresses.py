"""One address means the same to all who connect: several hosts, a socket folder, a schema, a pooler, TLS."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from swpt_accounts.operators.admin.context import AdminContext
from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage import connections, eager, fitness, migrations
from swpt_accounts.storage.models import db
from swpt_accounts.storage.partitions import MONTHS_AHEAD
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from tests.backstage.builders import ALICE, NOW
from tests.backstage.commands import SERVER, said
from tests.backstage.places import place_of
from tests.backstage.stand import standing
from tests.backstage.stories import issue
from tests.backstage.waiting import wait_until
from tests.services.debian import install
from tests.services.leftovers import new_folder
from tests.services.ports import free_port

# Of this machine, like 127.0.0.1, and hardly anybody listens there.
ADDRESS = "127.0.0.2"

PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'journal'::regclass"


@contextmanager
def every_session(url: str) -> Iterator[dict[str, Any]]:
    """A connection of each kind, as the driver knows it."""
    settings = load({"POSTGRES_URL": url})
    app = create_app(settings)
    with app.app_context():
        web = db.engine
    engines = {
        "web": web,
        "admin": AdminContext(settings, lambda: NOW, lambda queue: 0)._engine,
        "migrations": migrations.make_engine(settings.postgres_url),
    }
    borrowed = {kind: engine.raw_connection() for kind, engine in engines.items()}
    plain = connections.connect(settings.postgres_url, "a test")
    worker = eager.connect(settings.postgres_url, "a test")
    try:
        yield {"plain": plain, "worker": worker} | {k: one.driver_connection for k, one in borrowed.items()}
    finally:
        for one in (plain, worker, *borrowed.values()):
            one.close()
        for engine in engines.values():
            engine.dispose()


def answers(url: str, query: str) -> set[object]:
    """What a query finds, asked by a connection of each kind."""
    found = set()
    with every_session(url) as sessions:
        for session in sessions.values():
            with session.cursor() as cursor:
                cursor.execute(query)
                found.add(cursor.fetchone()[0])
            session.rollback()
    return found


def test_several_hosts(postgres_url):
    """The first of them is away: whoever connects finds the other one, and so do the commands."""
    place = place_of(postgres_url)
    url = f"postgresql://{place.user}@127.0.0.1:1,{place.quoted_host}:{place.port}/{place.name}"
    assert answers(url, "SELECT current_database()") == {place.name}
    assert said((*SERVER, "verify"), {"POSTGRES_URL": url}) == (0, [])


def test_several_hosts_without_ports(postgres_url):
    """Each has the usual port then, also for the worker, who looks for the host by himself."""
    place = place_of(postgres_url)
    if place.port != 5432:
        pytest.skip("PostgreSQL is not at its usual port")
    hosts = f"{place.user}@{ADDRESS}:1,{place.quoted_host},{place.quoted_host}"
    url = f"postgresql://{hosts}/{place.name}?target_session_attrs=read-write"
    assert answers(url, "SELECT current_database()") == {place.name}


def test_a_schema_of_its_own(empty_postgres_url):
    """Two installations in two schemas of one database: each has its tables, partitions and rows."""
    more = f"{empty_postgres_url}{'&' if '?' in empty_postgres_url else '?'}"
    urls = [f"{more}options=-csearch_path%3D{name}" for name in ("one", "two")]
    with connections.session(empty_postgres_url, "a test") as owner, owner, owner.cursor() as cursor:
        cursor.execute("CREATE SCHEMA one; CREATE SCHEMA two")
    for url in urls:
        fitness.configure_database(load({"POSTGRES_URL": url}))
    for url, schema in zip(urls, ("one", "two"), strict=True):
        assert answers(url, "SELECT current_schema()") == {schema}
        # The months, and the default partition.
        assert answers(url, PARTITIONS) == {MONTHS_AHEAD + 2}
    with standing(urls[1]) as two:
        two.apply(*issue(ALICE, 5))
    assert answers(urls[0], "SELECT count(*) FROM account") == {0}
    assert answers(urls[1], "SELECT count(*) FROM account") == {2}


@contextmanager
def pooling(postgres_url: str, folder: Path, mode: str, more: str = "") -> Iterator[str]:
    """The database behind PgBouncer in this mode, which drops `options`; the address."""
    program = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
    if program is None and os.environ.get("CI") == "true":
        install("pgbouncer", "PgBouncer", "install the package pgbouncer")
        program = "/usr/sbin/pgbouncer"
    if program is None:
        pytest.skip("PgBouncer is missing: install the package pgbouncer.")
    place, port = place_of(postgres_url), free_port()
    folder.mkdir()
    users, ini = folder / "users.txt", folder / "pool.ini"
    users.write_text(f'"{place.user}" "{place.password}"\n')
    ini.write_text(
        f"[databases]\n{place.name} = host={place.host} port={place.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {users}\npool_mode = {mode}\ndefault_pool_size = 20\n"
        f"ignore_startup_parameters = options\n{more}"
    )
    for path in (users, ini, folder, *list(folder.parents)[:3]):
        path.chmod(0o755)
    # It refuses to run as root, which containers are.
    with subprocess.Popen([program, "-q", *_other_user(), str(ini)], stderr=subprocess.DEVNULL) as pooler:
        try:
            wait_until(lambda: _is_up(port), "the pooler")
            yield f"postgresql://{place.user}@127.0.0.1:{port}/{place.name}"
        finally:
            pooler.terminate()


@pytest.fixture
def pooled_url(postgres_url, tmp_path):
    """The database behind PgBouncer in session mode."""
    with pooling(postgres_url, tmp_path / "pool", "session") as url:
        yield url


def _other_user() -> tuple[str, ...]:
    return () if os.getuid() else ("-u", "nobody")


def _is_up(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_a_pooler_in_session_mode(pooled_url):
    """It takes our sessions, drops none of their settings, and money is issued through it."""
    assert answers(pooled_url, "SHOW idle_in_transaction_session_timeout") == {"15s"}
    assert answers(pooled_url, "SHOW TimeZone") == {"UTC"}
    with standing(pooled_url) as stand:
        stand.apply(*issue(ALICE, 5))
        assert stand.account(ALICE).principal == 5
    assert said((*SERVER, "verify"), {"POSTGRES_URL": pooled_url}) == (0, [])


@pytest.mark.parametrize("more", ["", "server_round_robin = 1\n"], ids=["last one first", "by turns"])
def test_a_pooler_that_shares_sessions_is_refused(postgres_url, tmp_path, more):
    """By all who start, in one line: others would get our settings, prepared statements and locks."""
    with pooling(postgres_url, tmp_path / "pool", "transaction", more) as url:
        for words in ("configure", "worker", "verify", "web"):
            code, lines = said((*SERVER, words), {"POSTGRES_URL": url})
            assert (code, len(lines)) == (1, 1), lines
            assert "`pool_mode = session`" in lines[0]


def test_a_pooler_without_transactions_is_told_in_one_line(postgres_url, tmp_path):
    """It ends the connection at the first of them, and we show no traceback."""
    with pooling(postgres_url, tmp_path / "pool", "statement") as url:
        code, lines = said((*SERVER, "verify"), {"POSTGRES_URL": url})
        assert (code, len(lines)) == (1, 1), lines


def make_certificate(folder: Path, name: str) -> None:
    """A certificate for the address, which is its own authority, and its key."""
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=a test"]
    words += ["-addext", f"subjectAltName=IP:{ADDRESS}", "-out", str(folder / name)]
    key = folder / name.replace("cert", "key")
    key = key if key.name != name else folder / f"key_of_{name}"
    subprocess.run([*words, "-keyout", str(key)], check=True, capture_output=True)


@pytest.fixture
def certificate(tmp_path):
    """A folder with a certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is missing: install the package openssl.")
    make_certificate(tmp_path, "cert.pem")
    return tmp_path


class _InstalledPostgres(EmbeddedPostgres):
    """A server of the programs that the system has; those of the wheel know no TLS."""

    def _programs(self) -> Path:
        return _installed_folder() or super()._programs()


def _installed_folder() -> Path | None:
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/bin").glob("postgres")]
    found = sorted(one if one.is_dir() else one.parent for one in folders)
    return found[-1] if found else None


@pytest.fixture
def encrypted_url(certificate) -> Iterator[str]:
    """A PostgreSQL of our own that takes nothing but TLS, at an address where no other one listens."""
    if _installed_folder() is None:
        pytest.skip("No PostgreSQL with TLS is installed: install the package postgresql.")
    server = _InstalledPostgres(
        folder := new_folder(),
        {
            "listen_addresses": ADDRESS,
            "ssl": "on",
            "ssl_cert_file": str(folder / "cert.pem"),
            "ssl_key_file": str(folder / "key.pem"),
            "hba_file": str(folder / "hba.conf"),
        },
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.0/8 trust\n")
    for name in ("cert.pem", "key.pem"):
        shutil.copy(certificate / name, folder / name)
    (folder / "key.pem").chmod(0o600)
    if server._user is not None:
        shutil.chown(folder / "key.pem", server._user)
    try:
        server.start()
        yield f"postgresql://postgres@{ADDRESS}/postgres"
    finally:
        server.remove()


def test_tls_is_obeyed_by_everybody(encrypted_url, certificate):
    """The certificate is checked against the authority of the address; another authority is refused."""
    url = f"{encrypted_url}?sslmode=verify-full&sslrootcert={certificate / 'cert.pem'}"
    assert answers(url, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == {True}
    other = certificate / "other.pem"
    make_certificate(certificate, "other.pem")
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        eager.connect(f"{encrypted_url}?sslmode=verify-full&sslrootcert={other}", "a test")
