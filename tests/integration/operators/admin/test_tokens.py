"""The commands `tokens`, as operators type them."""

import json
import os
import subprocess

import pytest

from tests.backstage.commands import SERVER, TOP
from tests.backstage.front_desk import API, front_desk


@pytest.fixture
def command(stand):
    """Runs a command on the database; its exit code and what it says."""

    def run(*words):
        environ = {"PATH": os.environ["PATH"], "POSTGRES_URL": stand.postgres_url}
        done = subprocess.run(
            (*SERVER, "tokens", *words), cwd=TOP, env=environ, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_token_is_shown_once_and_works_until_it_is_revoked(stand, command):
    """Created, used, listed without itself, revoked; each order is in the audit."""
    code, shown = command("create", "--role", "viewer", "--name", "Vera", "--operator", "olga", "--json")
    assert code == 0
    made = json.loads(shown)
    with front_desk(stand) as desk:
        desk.tokens["vera"] = made["token"]
        desk.now = stand.value("SELECT created_at FROM api_token WHERE name = 'Vera'")
        assert desk.ask(API + "/debtors", "vera").status_code == 200
        code, shown = command("list")
        assert code == 0
        assert made["token"] not in shown
        assert made["token"][:11] in shown
        assert command("revoke", str(made["id"]), "--operator", "olga")[0] == 0
        assert desk.ask(API + "/debtors", "vera").status_code == 401
    assert command("revoke", str(made["id"]))[0] == 1
    rows = stand.rows(
        "SELECT operator, action FROM audit WHERE target = %s ORDER BY audit_id", f"token {made['id']}"
    )
    assert rows == [("olga", "tokens create"), ("olga", "tokens revoke")]


@pytest.mark.parametrize(
    "words",
    [
        ("--role", "king", "--name", "x"),
        ("--role", "viewer"),
        ("--role", "viewer", "--name", "x", "--expires-days", "0"),
        ("--role", "viewer", "--name", "  "),
        ("--role", "viewer", "--name", "x" * 101),
        ("--role", "viewer", "--name", "a\nb"),
    ],
)
def test_a_token_without_sense_is_not_made(stand, command, words):
    """A role, a name that can be shown, and days in the future, or nothing at all."""
    code, shown = command("create", *words)
    assert code in (1, 2)
    assert "Traceback" not in shown
    assert stand.count("api_token") == 0
