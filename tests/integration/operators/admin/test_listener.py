"""The two ports of the web server: apart from each other, and careful with those who knock."""

import http.client
import json
import socket
from contextlib import ExitStack

import pytest

from swpt_accounts.roles import web as web_server
from tests.backstage.commands import SERVER, running
from tests.backstage.stand import standing
from tests.services.ports import free_port

WRONG = "swpt_" + "x" * 43


def ask(port, path, **headers):
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
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
    fetch, admin = map(str, ports)
    bound = {"WEBSERVER_BIND": "127.0.0.1", "WEBSERVER_PORT": fetch, "ADMIN_PORT": admin}
    return {"POSTGRES_URL": database, **bound, **settings}


def test_each_port_serves_its_own(database, ports):
    """Operators find nothing of other services, and other services nothing of operators."""
    fetch, admin = ports
    with running((*SERVER, "web"), environ(database, ports)) as web:
        web.wait_for("Serving the admin API")
        assert ask(fetch, "/accounts/healthz")[0] == 200
        assert [ask(fetch, path)[0] for path in ("/livez", "/admin/", "/admin/api/v1/debtors")] == [404] * 3
        assert json.loads(ask(admin, "/livez")[1]) == {"status": "alive"}
        assert ask(admin, "/accounts/healthz")[0] == 401
        code, _ = web.stop()
    assert code == 0


@pytest.mark.parametrize(
    ("proxy", "address"), [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.9"), ("192.0.2.1", "127.0.0.1")]
)
def test_only_the_trusted_proxy_is_believed(database, ports, proxy, address):
    """The address of a visitor is that of the connection, unless ADMIN_TRUSTED_PROXY tells another one."""
    with running((*SERVER, "web"), environ(database, ports, ADMIN_TRUSTED_PROXY=proxy)) as web:
        web.wait_for("Serving the admin API")
        headers = {"X_Forwarded_For": "203.0.113.9", "Authorization": f"Bearer {WRONG}"}
        assert ask(ports[1], "/admin/api/v1/debtors", **headers)[0] == 401
        web.wait_for(f"A token from {address} is not valid: refused GET /admin/api/v1/debtors")
        assert not any(WRONG in line for line in web.lines)


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        (b"rubbish\r\n\r\n", 400, "The request cannot be read: "),
        (b"GET /livez HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400, "The request cannot be read: "),
        (b"POST /livez HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413, "exceeds max_body of 1048576"),
        (b"GET /livez HTTP/1.1\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431, "exceeds max_header"),
    ],
)
def test_what_is_no_request_gets_a_problem_document(database, ports, sent, status, told):
    """With the headers of all answers, although the application never hears of it."""
    with running((*SERVER, "web"), environ(database, ports)) as server:
        server.wait_for("Serving the admin API")
        with socket.create_connection(("127.0.0.1", ports[1]), timeout=10) as connection:
            connection.sendall(sent)
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            problem = json.loads(answer.read())
    assert (answer.status, problem["status"]) == (status, status)
    assert told in problem["detail"]
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("flooded", "path", "limit"),
    [
        (0, "/accounts/healthz", web_server._MOST_FETCH_CONNECTIONS),
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
            connection = http.client.HTTPConnection("127.0.0.1", ports[flooded], timeout=10)
            stack.callback(connection.close)
            connection.request("GET", path)
            assert connection.getresponse().read()
        assert ask(ports[other[0]], other[1])[0] == 200
