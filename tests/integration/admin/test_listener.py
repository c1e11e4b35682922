"""The two ports of the web server: neither serves what belongs to the other, and whose word is taken."""

import http.client
import json

import pytest

from tests.backstage.stand import standing
from tests.commands import SERVER, running
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
