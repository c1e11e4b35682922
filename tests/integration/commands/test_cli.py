"""The commands as operators meet them: what they say, how they end, with which code."""

import http.client
import signal
import socket
import subprocess
import threading

import pika
import psycopg2
import pytest

from tests.backstage.commands import FLASK, SERVER, TOP, get, running, said
from tests.services.ports import free_port

AWAY = "postgresql://u:hush@127.0.0.1:1/d"
ROLES = ["configure", "worker", "chores", "web", "all", "healthcheck"]
READY = "Serving HTTP for other services at http://127.0.0.1"


@pytest.fixture
def environ():
    """An environment for a web server on a free port, whose database is away."""
    return {
        "POSTGRES_URL": AWAY,
        "WEBSERVER_BIND": "127.0.0.1",
        "WEBSERVER_PORT": str(free_port()),
        "ADMIN_PORT": str(free_port()),
    }


@pytest.mark.parametrize("verb", ROLES)
def test_every_role_refuses_wrong_settings(verb):
    """Each role shows all wrong settings, one a line, and ends with exit code 2."""
    code, lines = said((*SERVER, verb), {"WEBSERVER_PORT": "http", "COMMIT_PERIOD": "5"})
    assert code == 2
    names = {line.partition("=")[0].partition(" ")[0] for line in lines}
    assert {"POSTGRES_URL", "WEBSERVER_PORT", "COMMIT_PERIOD"} <= names
    assert lines[0].endswith("postgresql://user:password@host:port/database.")
    assert "Traceback" not in "".join(lines)


def test_unsafe_settings_are_announced(environ):
    """A role that runs with unsafe settings says so in its log."""
    environ |= {"ALLOW_UNSAFE_SETTINGS": "yes", "HEARTBEAT_INTERVAL": "2000000"}
    with running((*SERVER, "web"), environ) as web:
        assert "WARNING" in web.wait_for("ALLOW_UNSAFE_SETTINGS is on.*HEARTBEAT_INTERVAL=2000000")
        web.wait_for(READY)


@pytest.mark.parametrize("name", ["WEBSERVER_PORT", "ADMIN_PORT"])
@pytest.mark.parametrize("verb", ["web", "all"])
def test_a_port_in_use_is_one_line(environ, verb, name):
    """Exit code 1 and one line that names the variable, if one of the web server's ports is taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, lines = said((*SERVER, verb), environ | {name: str(port)})
    assert code == 1
    [line] = lines
    assert line.startswith(f"{name}={port}: the port is in use at 127.0.0.1 by another program: ")


@pytest.mark.parametrize("address", ["192.0.2.1", "no.such.host.invalid"])
def test_a_foreign_interface_is_one_line(environ, address):
    """Exit code 1 and one line, if WEBSERVER_BIND is no address of this machine."""
    code, lines = said((*SERVER, "web"), environ | {"WEBSERVER_BIND": address})
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith(f"WEBSERVER_BIND={address}: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_web_server_stops_when_asked(environ, number):
    """SIGTERM and SIGINT end the web server, with exit code 0 and no traceback."""
    with running((*SERVER, "web"), environ) as web:
        web.wait_for(READY)
        assert get(int(environ["WEBSERVER_PORT"]), "/accounts/healthz") == (200, b"I am healthy")
        code = web.stop(number)
    assert code == 0
    assert "Traceback" not in "".join(web.lines)


def test_the_web_server_finishes_what_it_has_begun(environ, postgres_url):
    """A request that runs when SIGTERM comes gets its answer."""
    port = int(environ["WEBSERVER_PORT"])
    with running((*SERVER, "web"), environ | {"POSTGRES_URL": postgres_url}) as web:
        web.wait_for(READY)
        blocker, watcher = psycopg2.connect(postgres_url), psycopg2.connect(postgres_url)
        watcher.autocommit = True
        answers = []
        ask = threading.Thread(target=lambda: answers.append(get(port, "/accounts/1/2/reachable")))
        with blocker.cursor() as cursor, watcher.cursor() as seen:
            cursor.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
            ask.start()
            is_waiting = False
            while not is_waiting:
                seen.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'account'::regclass")
                is_waiting = bool(seen.fetchall())
            web.process.send_signal(signal.SIGTERM)
            web.wait_for("Stopping")
            blocker.rollback()
        ask.join(10)
        assert web.wait() == 0
        blocker.close()
        watcher.close()
    assert answers == [(404, b"")]


def test_http_by_the_letter(environ):
    """The bytes on the wire: HEAD and 204 carry no body, large and chunked bodies are refused."""
    port = int(environ["WEBSERVER_PORT"])
    with running((*SERVER, "web"), environ) as web:
        web.wait_for(READY)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("HEAD", "/accounts/healthz")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, "12", b"")
        connection.request("GET", "/accounts/1/0/reachable")
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (204, None, b"")
        assert answer.getheader("Content-Type") == "text/plain; charset=utf-8"
        for path in ("//accounts/healthz", "///accounts/1/0/reachable"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (404, b"Not Found.\n")
        connection.request("POST", "/accounts/healthz", b"x" * 20480)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (405, b"Method Not Allowed.\n")
        for body in (b"x" * 20481, iter([b"x" * 20000, b"x" * 481])):
            large = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            large.request("POST", "/accounts/healthz", body)
            assert large.getresponse().status == 413
            large.close()
        connection.close()


def test_flask_run_serves_the_same(environ):
    """`flask run` in a checkout starts the web server for developers."""
    port = free_port()
    with running((*FLASK, "run", "--port", str(port)), environ) as web:
        web.wait_for("Running on http")
        assert get(port, "/accounts/healthz") == (200, b"I am healthy")
        assert get(port, "/accounts/1/2/reachable")[0] == 503


def test_flask_run_refuses_wrong_settings():
    """`flask run` without settings shows what is missing, without a traceback."""
    code, lines = said((*FLASK, "run"), {})
    assert code == 1
    assert lines == [
        "POSTGRES_URL is not set: set it. The database: postgresql://user:password@host:port/database."
    ]


def test_the_web_server_of_this_machine_is_checked(environ):
    """healthcheck asks the web server's own port, and says what came of it."""
    code, lines = said((*SERVER, "healthcheck"), environ)
    assert code == 1
    assert len(lines) == 1
    assert "no answer from http://127.0.0.1" in lines[0]
    with running((*SERVER, "web"), environ) as web:
        web.wait_for(READY)
        assert said((*SERVER, "healthcheck"), environ) == (0, [])


def test_servers_are_checked_for_workers(environ, empty_postgres_url, postgres_url, amqp_url):
    """healthcheck --role worker wants the database, its tables, the broker, and its queue, in turn."""
    check = (*SERVER, "healthcheck", "--role", "worker")
    for changes, shown in [
        ({"POSTGRES_URL": AWAY}, "unhealthy: no answer from the database postgresql://u:***@127.0.0.1:1/d: "),
        (
            {"POSTGRES_URL": empty_postgres_url},
            "lacks the tables of this version: run `swpt-accounts configure`",
        ),
        (
            {"PROTOCOL_BROKER_URL": "amqp://u:hush@127.0.0.1:1"},
            "unhealthy: cannot reach the broker at 127.0.0.1:1",
        ),
        (
            {"PROTOCOL_BROKER_URL": amqp_url.replace("guest:guest", "guest:hush")},
            "wrong password or unknown user",
        ),
        ({}, "unhealthy: the broker has no queue swpt_accounts: run `swpt-accounts configure`"),
    ]:
        right = {"POSTGRES_URL": postgres_url, "PROTOCOL_BROKER_URL": amqp_url}
        code, lines = said(check, environ | right | changes)
        assert code == 1
        assert len(lines) == 1
        assert shown in lines[0]
        assert "hush" not in lines[0]
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare("swpt_accounts")
        assert said(check, environ | right) == (0, [])


@pytest.mark.parametrize("verb", ["", *ROLES, "demo"])
def test_every_command_explains_itself(verb):
    """--help works without settings, and is longer than a name."""
    words = (*SERVER, *filter(None, [verb]), "--help")
    shown = subprocess.run(words, cwd=TOP, env={}, capture_output=True, text=True, check=True).stdout
    assert shown.startswith("Usage: swpt-accounts")
    assert len(shown) > 150


@pytest.mark.parametrize("verb", ["worker", "chores", "configure"])
def test_a_missing_database_is_one_line(verb, postgres, amqp_url):
    """A role that cannot work without a database that does not exist says so, and ends with exit code 1."""
    environ = {"POSTGRES_URL": postgres.database_url("swpt_no"), "PROTOCOL_BROKER_URL": amqp_url}
    code, lines = said((*SERVER, verb), environ)
    assert code == 1
    assert "does not exist" in lines[-1]
    assert "Traceback" not in "".join(lines)


def test_an_unknown_command_is_wrong_usage():
    """Exit code 2, and the usage, for a verb that does not exist."""
    code, lines = said((*SERVER, "wrker"), {})
    assert code == 2
    assert "No such command 'wrker'" in lines[-1]
