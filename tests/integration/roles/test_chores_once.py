"""`swpt-accounts chores --once`: everything now, a table, and exit codes for scripts."""

import subprocess
from contextlib import closing

import pytest

from swpt_accounts.roles.chores.loop import CHORES
from tests.backstage.commands import SERVER
from tests.backstage.mailbox import Mailbox
from tests.backstage.server import Server
from tests.backstage.stand import standing
from tests.backstage.stories import issue


@pytest.fixture
def server(postgres_url, amqp_url):
    """A configured server with two accounts, of which no process runs."""
    server = Server(postgres_url, amqp_url, LOG_FORMAT="text")
    with standing(postgres_url) as stand:
        stand.apply(*issue())
        stand.execute("UPDATE account SET interest = 7.5 WHERE creditor_id <> 0")
    return server


def once(server: Server, *words: str) -> tuple[int, str, str]:
    """Run the command; exit code, standard output, standard error."""
    command = [*SERVER, "chores", "--once", *words]
    environ = {"PATH": "/usr/bin:/bin", "COLUMNS": "120", **server.environ}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50, check=False)
    return done.returncode, done.stdout, done.stderr


def rows_of(table: str) -> dict[str, str]:
    """The chores in a printed table, with the number of rows that each has handled."""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if "│" in line]
    return {row[0]: row[4] for row in cells}


def test_everything_is_done_and_shown_in_a_table(server):
    """Each chore has its line, whether it had something to do or not; exit code 0."""
    code, table, _ = once(server)
    assert code == 0
    rows = rows_of(table)
    assert rows.keys() == {chore.name for chore in CHORES}
    assert (rows["tend accounts"], rows["announce updates"], rows["send reminders"]) == ("1", "2", "0")
    assert server.rows("SELECT principal FROM account ORDER BY 1") == [(-1007,), (1007,)]
    assert once(server)[0] == 0
    assert server.rows("SELECT count(*) FROM journal WHERE coordinator_type = 'interest'") == [(1,)]


def test_what_was_left_unsent_is_sent(server):
    """Rows of a process that is gone are published, and removed when the broker has confirmed them."""
    assert server.rows("SELECT count(*) FROM outbox") == [(1,)]
    with closing(Mailbox(server.amqp_url)) as mailbox:
        code, table, _ = once(server, "--only", "relay outbox")
        assert (code, rows_of(table)) == (0, {"relay outbox": "1"})
        assert server.rows("SELECT count(*) FROM outbox") == [(0,)]
        mailbox.wait_for("FinalizedTransfer")


def test_only_some_chores_are_done(server):
    """`--only` can be repeated; the table names no other chore."""
    code, table, _ = once(server, "--only", "send reminders", "--only", "tend accounts")
    assert code == 0
    assert rows_of(table) == {"send reminders": "0", "tend accounts": "1"}
    assert server.rows("SELECT count(*) FROM account_update_due") == [(2,)]


def test_a_late_chore_is_shown(server):
    """The table says by how many seconds a chore had missed its time."""
    assert once(server)[0] == 0
    server.execute("UPDATE chore SET last_started_at = last_started_at - 10 * 86400000000")
    code, table, _ = once(server, "--only", "tend accounts")
    [row] = [line.split("│") for line in table.splitlines() if "tend accounts" in line]
    assert code == 0
    assert int(row[4]) > 86400


def test_a_chore_that_does_not_exist_is_refused(server):
    """With the names of those that do; nothing is done."""
    code, table, complaint = once(server, "--only", "tidy up")
    assert (code, table) == (2, "")
    assert "there is no chore 'tidy up'" in complaint
    assert "tend accounts" in complaint
    assert "Traceback" not in complaint


def test_a_chore_that_fails_is_shown_and_the_others_are_done(server):
    """Its line says so, and the exit code is 1."""
    server.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'a bug' USING ERRCODE = 'raise_exception'; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON debtor_summary FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    code, table, complaint = once(server)
    rows = rows_of(table)
    assert (code, rows["summarize debtors"], rows["tend accounts"]) == (1, "failed", "1")
    assert "ALARM: the chore 'summarize debtors' fails; the others go on" in complaint
