"""RabbitMQ itself speaks TLS, by an authority that only we know: with the server, the SDK and commands."""

import shutil
import subprocess

import pytest

from swpt_accounts.broker.amqp.connection import Connection
from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.broker.waker import Waker
from tests.backstage.commands import SERVER, said
from tests.backstage.server import Server
from tests.backstage.waiting import wait_until
from tests.integration.client.conftest import ALICE, DEBTOR, Bank, engine_of, open_accounts, principal
from tests.services.errors import ServiceMissing, give_up
from tests.services.ports import free_port

# The broker may have to be started first.

_LISTEN = """
rabbit_networking:ensure_ssl(),
[ok = rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}, inet}},
    [{{cacertfile, "{file}"}}, {{certfile, "{file}"}}, {{keyfile, "{key}"}}], 1)].
"""


@pytest.fixture
def authority(tmp_path):
    """A certificate for this machine, which is its own authority, beside its key."""
    if shutil.which("openssl") is None:
        give_up(ServiceMissing("OpenSSL is missing: as root, apt-get install openssl"))
    file = tmp_path / "cert.pem"
    words = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=a-test"
    )
    files = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(tmp_path / "key.pem"),
        "-out",
        str(file),
    ]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)
    return file


@pytest.fixture
def secure_url(restartable_rabbitmq, authority):
    """A broker that has a port for TLS as well, for as long as it runs."""
    port = free_port()
    key = authority.with_name("key.pem")
    restartable_rabbitmq.rabbitmqctl("eval", _LISTEN.format(port=port, file=authority, key=key))
    return f"amqps://guest:guest@127.0.0.1:{port}"


def test_money_moves_over_tls(secure_url, authority, postgres, postgres_url, monkeypatch):
    """SSL_CERT_FILE names the authority: a worker, the chores and an agent of the SDK work together."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    name = postgres.create_empty_database()
    engine = engine_of(postgres.database_url(name))
    server = Server(postgres_url, secure_url)
    environ = server.environ | {"SSL_CERT_FILE": str(authority)}
    try:
        with server.serving_here(), Bank(server, engine).agent() as agent:
            ids = open_accounts(agent, ALICE)
            agent.issue("issue", debtor_id=DEBTOR, recipient=ids[ALICE], amount=1000)
            wait_until(lambda: principal(agent, ALICE) == 1000, "the ledger")
            code, lines = said((*SERVER, "healthcheck", "--role", "worker"), environ)
            assert code == 0, lines
    finally:
        engine.dispose()
        postgres.drop_database(name)


def test_an_authority_that_nobody_has_named_is_refused(secure_url, postgres_url):
    """In one line, by a command and by the connections of the hot streams."""
    environ = {"POSTGRES_URL": postgres_url, "PROTOCOL_BROKER_URL": secure_url}
    code, lines = said((*SERVER, "healthcheck", "--role", "worker"), environ)
    assert (code, len(lines)) == (1, 1), lines
    assert "CERTIFICATE_VERIFY_FAILED" in lines[0]
    waker = Waker()
    with pytest.raises(BrokerProblem, match="CERTIFICATE_VERIFY_FAILED"):
        Connection(secure_url, "a test", waker)
    waker.close()
