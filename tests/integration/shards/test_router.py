"""The router of a node: Debian's nginx, with the configuration that `router` writes."""

import http.client
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

from swpt_accounts.commands.cli import program
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64, u64
from swpt_accounts.wire.routing import Realm
from tests.backstage.commands import TOP
from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing, give_up
from tests.services.nginx import require_nginx
from tests.services.ports import free_port

KEYS = ("0.#", "1.0.#", "1.1.0.#", "1.1.1.#")
AWAY = "1.1.1.#"


class _Shard(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    key = ""
    status = 200

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        """Say who was asked what."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = f"{self.key} {self.command} {self.path} {body.decode()}".encode()
        self.send_response(404 if "/404/" in self.path else 200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Cache-Control", "max-age=1000")
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET  # noqa: N815 - the library wants it so


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a router of four shards, one of which is away."""
    try:
        command = require_nginx()
    except ServiceMissing as error:
        give_up(error)
    servers = []
    for key in KEYS:
        handler = type("Shard", (_Shard,), {"key": key})
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
    folder, port = tmp_path_factory.mktemp("router"), free_port()
    ports = {key: server.server_address[1] for key, server in zip(KEYS, servers, strict=True)}
    ports[AWAY] = free_port()
    words = [f"{key}=127.0.0.1:{number}" for key, number in ports.items()]
    made = CliRunner().invoke(
        program, ["router", *words, "--folder", str(folder), "--listen", f"127.0.0.1:{port}"]
    )
    assert made.exit_code == 0, made.output
    nginx = subprocess.Popen([command, "-c", str(folder / "nginx.conf"), "-g", "daemon off;"], cwd=TOP)
    try:
        wait_until(lambda: nginx.poll() is not None or _answers(port), "nginx answers", 30.0)
        assert nginx.poll() is None, "it has started"
        yield port
    finally:
        nginx.terminate()
        nginx.wait(10)
        for server in servers:
            server.shutdown()
            server.server_close()


def _answers(port: int) -> bool:
    try:
        return ask(port, "/accounts/healthz")[0] == 200
    except OSError:
        return False


def ask(port: int, path: str, method: str = "GET", body: str = "") -> tuple[int, str]:
    """Status and text of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def test_every_account_is_asked_for_at_its_shard(router: int):
    """The script of nginx computes the same keys as the server."""
    chance = random.Random(7)
    edges = [0, 1, -1, MAX_INT64, MIN_INT64, 4294967297]
    ids = edges + [chance.randint(MIN_INT64, MAX_INT64) for _ in range(10)]
    for debtor_id in ids:
        for creditor_id in (chance.choice(ids), 0):
            [key] = [one for one in KEYS if Realm.parse(one).owns(debtor_id, creditor_id)]
            path = f"/accounts/{u64(debtor_id)}/{u64(creditor_id)}/reachable"
            status, text = ask(router, path)
            if key == AWAY:
                assert status == 502, "never 404"
            else:
                assert (status, text) == (200, f"{key} GET {path} ")


def test_what_is_said_comes_through(router: int):
    """Status and text of the shard, and a question about many with its body."""
    for key in KEYS[:3]:
        path = f"/realms/{key.replace('.', '').removesuffix('#')}/reachable"
        assert ask(router, path, "POST", "[[1,2]]") == (200, f"{key} POST {path} [[1,2]]")
    account = next(n for n in range(99) if Realm.parse("0.#").owns(404, n))
    assert ask(router, f"/accounts/404/{account}/config")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/18446744073709551616/0/reachable",
        "/accounts/01/0/reachable",
        "/accounts/-1/0/reachable",
        "/accounts/1/reachable",
        "/realms/11/reachable",
        "/realms/constructor/reachable",
        "/",
    ],
)
def test_what_belongs_to_no_shard_is_an_error_of_the_router(router: int, path: str):
    """404 without a text would be a no (rules.md#reachable-recipients)."""
    status, text = ask(router, path)
    assert (status, text) == (503, "No shard has this account.\n")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["0.#=a:1"], "nobody has what is after 0.#"),
        (["0.#=a:1", "#=b:1"], "have the same accounts"),
        (["0.#=a:1", "0.#=a:2", "1.#=b:1"], "have the same accounts"),
        (["#=a"], "must be like"),
        (["2.#=a:1"], "must be like"),
        (["#=a:1;evil"], "must be like"),
    ],
)
def test_parts_that_are_not_all_of_a_node_are_refused(tmp_path: Any, parts: list[str], words: str):
    """A gap or two shards for one account are told before anything is written."""
    done = CliRunner().invoke(program, ["router", *parts, "--folder", str(tmp_path / "x")])
    assert isinstance(done.exception, OperatorError)
    assert words in str(done.exception)
    assert not (tmp_path / "x").exists()
