"""The two ports of the web server: apart from each other, and careful with those who knock."""

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from swpt_accounts.roles import web as web_server
from swpt_accounts.roles.patience import Patience
from swpt_accounts.runtime.settings import load
from tests.backstage.commands import SERVER, running
from tests.backstage.stand import standing
from tests.services.ports import free_port

WRONG = "swpt_" + "x" * 43


def ask(port, path, **headers):
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


@pytest.fixture
def ports(database):
    """Two free ports: for other services, and for operators."""
    with standing(database):
        return free_port(), free_port()


def environ(database, ports, **settings):
    """The environment of a web server."""
    shards, admin = map(str, ports)
    bound = {"WEBSERVER_BIND": "127.0.0.1", "WEBSERVER_PORT": shards, "ADMIN_PORT": admin}
    return {"POSTGRES_URL": database, **bound, **settings}


def test_each_port_serves_its_own(database, ports):
    """Operators find nothing of other services, and other services nothing of operators."""
    shards, admin = ports
    with running((*SERVER, "web"), environ(database, ports)) as web:
        web.wait_for("Serving the admin API")
        assert ask(shards, "/accounts/healthz")[0] == 200
        assert [ask(shards, path)[0] for path in ("/livez", "/admin/", "/admin/api/v1/debtors")] == [404] * 3
        assert json.loads(ask(admin, "/livez")[1]) == {"status": "alive"}
        assert ask(admin, "/accounts/healthz")[0] == 401
        code = web.stop()
    assert code == 0


@pytest.mark.parametrize(
    ("proxy", "address"), [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.9"), ("192.0.2.1", "127.0.0.1")]
)
def test_only_the_trusted_proxy_is_believed(database, ports, proxy, address):
    """The address of a visitor is that of the connection, unless ADMIN_TRUSTED_PROXY shows another one."""
    with running((*SERVER, "web"), environ(database, ports, ADMIN_TRUSTED_PROXY=proxy)) as web:
        web.wait_for("Serving the admin API")
        headers = {"X_Forwarded_For": "203.0.113.9", "Authorization": f"Bearer {WRONG}"}
        assert ask(ports[1], "/admin/api/v1/debtors", **headers)[0] == 401
        web.wait_for(f"A token from {address} is not valid: refused GET /admin/api/v1/debtors")
        assert not any(WRONG in line for line in web.lines)


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        (b"rubbish\r\n\r\n", 400, "The request cannot be read: "),
        (b"GET /livez HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "The request cannot be read: "),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413, "exceeds max_body of 1048576"),
        (b"GET /livez HTTP/1.1\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431, "exceeds max_header"),
    ],
)
def test_what_is_no_request_gets_a_problem_document(database, ports, sent, status, detail):
    """With the headers of all answers, although the application never hears of it."""
    with running((*SERVER, "web"), environ(database, ports)) as server:
        server.wait_for("Serving the admin API")
        with socket.create_connection(("127.0.0.1", ports[1]), timeout=60) as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            problem = json.loads(answer.read())
    assert (answer.status, problem["status"]) == (status, status)
    assert detail in problem["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("flooded", "path", "limit"),
    [
        (0, "/accounts/healthz", web_server._MOST_SHARD_CONNECTIONS),
        (1, "/livez", web_server._MOST_ADMIN_CONNECTIONS),
    ],
)
def test_a_flood_at_one_port_leaves_the_other_alone(database, ports, flooded, path, limit):
    """Each port has its own limit of connections, so that operators get in when they are needed."""
    other = {0: (1, "/livez"), 1: (0, "/accounts/healthz")}[flooded]
    with running((*SERVER, "web"), environ(database, ports)) as server, ExitStack() as stack:
        server.wait_for("Serving the admin API")
        # The listener and what wakes it up count as well.  Whoever was answered is connected, and stays so.
        for _ in range(limit - 2):
            connection = http.client.HTTPConnection("127.0.0.1", ports[flooded], timeout=60)
            stack.callback(connection.close)
            connection.request("GET", path)
            assert connection.getresponse().read()
        assert ask(ports[other[0]], other[1])[0] == 200


# -- those who take their time -------------------------------------------------------------------

HURRY = Patience(request_seconds=0.5, answer_seconds=1.0, silence_seconds=1.5)
HEAD = b"GET /livez HTTP/1.1\r\nHost: h\r\n"
BODY = b"POST /admin/login HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n"
CHUNKS = b"POST /admin/login HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n"


@contextmanager
def serving(database, ports, patience=HURRY):
    """A web server in this process, which is in a hurry."""
    settings, is_over = load(environ(database, ports)), threading.Event()
    arguments = (settings, web_server.listen(settings), is_over.is_set)
    thread = threading.Thread(target=web_server.serve, args=arguments, kwargs={"patience": patience})
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


MOST_DROPS = 300
"""A connection that takes so many, one in a tenth of a second, has no deadline: all are far shorter."""


def trickle(connection, drop):
    """Send a drop ten times a second until the other side has enough; what it says."""
    connection.settimeout(0.1)
    said = b""
    for _ in range(MOST_DROPS):
        try:
            connection.sendall(drop)
            if not (words := connection.recv(1000)):
                return said
            said += words
        except TimeoutError:
            continue
        except OSError:
            return said
    pytest.fail(f"still open after {MOST_DROPS} drops; it said {said!r}")


@pytest.mark.parametrize("port", [0, 1], ids=["web", "admin"])
@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        pytest.param(b"G", b"E", id="first line"),
        pytest.param(HEAD, b"a", id="head"),
        pytest.param(BODY, b"a", id="body"),
        pytest.param(CHUNKS, b"a\r\n1\r\n", id="body in chunks"),
        pytest.param(b"", b"", id="silence"),
        pytest.param(b"", b"\r\n", id="empty lines"),
    ],
)
def test_a_request_has_a_deadline(database, ports, port, beginning, drop):
    """Bytes that come now and then do not buy more time, wherever in a request they stand."""
    with serving(database, ports), socket.create_connection(("127.0.0.1", ports[port])) as connection:
        connection.sendall(beginning)
        said = trickle(connection, drop)
    assert said.startswith(b"HTTP/1.1 408 ") or (said == b"" and not beginning)


def test_a_connection_may_be_used_again_and_again(database, ports):
    """Each request begins a new time."""
    # Silence is much longer than our pauses, also on a machine that is busy.
    patience = HURRY._replace(silence_seconds=2.5)
    with serving(database, ports, patience):
        connection = http.client.HTTPConnection("127.0.0.1", ports[1], timeout=60)
        started = time.monotonic()
        while time.monotonic() < started + patience.silence_seconds + 2 * patience.request_seconds:
            connection.request("GET", "/livez")
            assert b"alive" in connection.getresponse().read()
            threading.Event().wait(0.05)
        connection.close()


@pytest.mark.parametrize("asked", [4, 40])
def test_answers_have_to_be_taken(database, ports, asked):
    """Whoever asks and does not listen is dismissed, and keeps no thread; at once if he asks very much."""
    ask_much = b"GET /admin/static/swagger-ui/swagger-ui-bundle.js HTTP/1.1\r\nHost: h\r\n\r\n"
    with serving(database, ports), ExitStack() as stack:
        crowd = []
        for _ in range(5):  # more than there are threads
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", ports[1]))
            connection.sendall(ask_much * asked)
            crowd.append(connection)
        for connection in crowd:
            say_until_refused(connection)
        assert ask(ports[1], "/livez")[0] == 200


def say_until_refused(connection):
    """Say something ten times a second, and listen to nothing, until the other side is gone."""
    with suppress(ConnectionError):
        for _ in range(MOST_DROPS):
            connection.sendall(b"\r\n")
            threading.Event().wait(0.1)
        pytest.fail(f"still open after {MOST_DROPS} lines")


@pytest.mark.parametrize(
    ("flooded", "path", "limit"),
    [
        (0, "/accounts/healthz", web_server._MOST_SHARD_CONNECTIONS),
        (1, "/livez", web_server._MOST_ADMIN_CONNECTIONS),
    ],
    ids=["web", "admin"],
)
@pytest.mark.parametrize("beginning", [b"", HEAD], ids=["silent", "slow"])
def test_probes_are_answered_whoever_sits_on_all_seats(database, ports, flooded, path, limit, beginning):
    """The one who has been silent for longest makes room, long before his time is up."""
    with running((*SERVER, "web"), environ(database, ports)) as server, ExitStack() as stack:
        server.wait_for("Serving the admin API")
        crowd = []
        for _ in range(limit + 50):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", ports[flooded]), timeout=60))
            one.sendall(beginning)
            crowd.append(one)
        for _ in range(10):
            assert ask(ports[flooded], path)[0] == 200
        server.wait_for(f"connections to the {['web', 'admin'][flooded]} port that were too slow")
        crowd[-1].sendall(b"GET %b HTTP/1.0\r\n\r\n" % path.encode() if not beginning else b"\r\n")
        assert crowd[-1].recv(1000).startswith(b"HTTP/1.")
        assert not [line for line in server.lines if " ERROR " in line]
