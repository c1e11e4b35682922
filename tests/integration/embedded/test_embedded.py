"""The server inside another program: what it has answered is not lost with the process."""

import os
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from swpt_accounts.demo.folder import private_folder
from swpt_accounts.embedded import EmbeddedServer
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import SettingsError
from tests.backstage.commands import PYTHON, TOP

PROGRAM = TOP / "tests" / "backstage" / "embedding.py"


@pytest.fixture
def folder():
    """A folder whose PostgreSQL ends with the test."""
    with private_folder() as folder:
        yield folder


def play(folder: Path, scene: str) -> list[str]:
    """Run the program of a client until it ends, or ends itself; what it has printed."""
    done = subprocess.run(
        [*PYTHON, "-W", "error", str(PROGRAM), str(folder), scene],
        cwd=TOP,
        env={"PATH": os.defpath, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if scene.startswith("die") else 0), done.stderr
    return done.stdout.splitlines()


def test_what_was_not_acknowledged_comes_again(folder):
    """The process dies with an answer in its hands: the next one gets it, the same one, once."""
    assert play(folder, "die holding the answer") == ["committed", "AccountUpdate 1"]
    assert play(folder, "take the answer") == ["AccountUpdate 1"]
    assert play(folder, "take the answer") == []


def test_a_message_is_confirmed_after_its_commit(folder, monkeypatch):
    """Who dies before the confirmation sends again; who has it need not.  A relative path is as good."""
    assert play(folder, "die at the confirmation") == ["committed"]
    with (
        EmbeddedServer(folder) as server,
        closing(psycopg2.connect(server.settings.postgres_url)) as connection,
    ):
        with connection.cursor() as cursor:
            cursor.execute("SELECT debtor_id, creditor_id FROM account")
            assert cursor.fetchall() == [(7, 1001)]
        assert server.database_url("application") == server.database_url("application")
        with pytest.raises(OperatorError, match=f"process {os.getpid()} runs the server in"):
            EmbeddedServer(folder).start_database()


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root has PostgreSQL run by somebody else.")
def test_a_private_place_is_refused_in_one_line(folder):
    """As root, PostgreSQL runs as a user who cannot pass through another one's home."""
    folder.chmod(0o700)
    with pytest.raises(OperatorError, match=f"runs as nobody, who may not enter {folder}: choose another"):
        EmbeddedServer(folder / "server").start_database()


def test_within_a_program_nobody_vouches_for_names(folder):
    """A table of peers would keep nobody apart, and is refused."""
    table = folder / "peers.toml"
    table.write_text("[peers.a]\ncreditors = [1]")
    with pytest.raises(SettingsError, match=r"^PEERS_FILE: .*leave it empty"):
        EmbeddedServer(folder, {"PEERS_FILE": str(table)})
