"""Who holds up others, and who waits, is known within seconds: by the log, and to the relay."""

from collections.abc import Iterator

import pytest

from swpt_accounts.roles.chores import relay
from swpt_accounts.runtime import clock
from swpt_accounts.storage import connections, eager
from tests.backstage.builders import ALICE, ROOT, configure
from tests.backstage.commands import SERVER, running
from tests.backstage.proxy import TO_CLIENT, TO_SERVER, Proxy
from tests.backstage.server import Server, locking
from tests.backstage.stand import standing

LOCK_ALICE = f"SELECT FROM account WHERE creditor_id = {ALICE} FOR UPDATE"


@pytest.fixture
def proxy(places) -> Iterator[Proxy]:
    """What lies between the server and its database."""
    proxy = Proxy(places[0])
    yield proxy
    proxy.close()


def test_a_worker_says_for_whom_it_waits(server, mailbox):
    """By process, name and address, and what happens next; when the lock is free it goes on."""
    with server.worker() as worker:
        mailbox.send(configure(ROOT, ts=clock.utcnow()), configure(ALICE, ts=clock.utcnow()))
        mailbox.wait_for("AccountUpdate", creditor_id=ALICE)
        with locking(server.postgres_url, LOCK_ALICE) as holder:
            mailbox.send(configure(ALICE, ts=clock.utcnow(), seqnum=2))
            line = worker.wait_for("The worker has waited for .* s: it waits for a lock")
            assert not any("Conflict" in said for said in worker.lines[: worker.lines.index(line)])
            assert f"of process {holder.info.backend_pid} " in line
            assert '"a test that locks"' in line
            assert "idle in transaction" in line
            assert "tries again" in line
            worker.wait_for("Conflict 1, trying again: canceling statement due to lock timeout")
        mailbox.wait_for("AccountUpdate", creditor_id=ALICE, last_config_seqnum=2)


def test_chores_say_for_whom_they_wait(server):
    """A chore that cannot have its lock is tried again, and the others have their turn."""
    with (
        locking(server.postgres_url, "LOCK TABLE account_update_due") as holder,
        server.running("chores") as chores,
    ):
        line = chores.wait_for("The chores have waited")
        assert f"of process {holder.info.backend_pid} " in line
        chores.wait_for("The chore 'announce updates' is tried again")
        assert not any("ALARM" in line for line in chores.lines)


def test_a_command_says_for_whom_it_waits(server):
    """And gives up soon with one line: its operator can do something about it."""
    words = (*SERVER, "tokens", "create", "--role", "viewer", "--name", "somebody")
    with (
        locking(server.postgres_url, "LOCK TABLE api_token") as holder,
        running(words, server.environ) as command,
    ):
        line = command.wait_for("The command has waited")
        assert f"of process {holder.info.backend_pid} " in line
        assert command.wait() == 1
    assert command.lines[-1] == "canceling statement due to lock timeout"
    assert len(command.lines) == 2


def test_a_database_that_does_not_answer_is_logged_within_seconds(server, proxy, mailbox):
    """A hole in the network gives no error for a while, but it gives a line; afterwards all is done."""
    with Server(proxy.url, server.amqp_url).worker() as worker:
        mailbox.send(configure(ROOT, ts=clock.utcnow()))
        mailbox.wait_for("AccountUpdate", creditor_id=ROOT)
        for direction in (TO_SERVER, TO_CLIENT):
            proxy.freeze(direction)
        mailbox.send(configure(ALICE, ts=clock.utcnow()))
        worker.wait_for("The worker has waited for .* s: the database does not answer .*tries again")
        proxy.thaw()
        mailbox.wait_for("AccountUpdate", creditor_id=ALICE)


def test_locks_of_a_worker_that_hangs_are_free_within_its_time(server, mailbox, monkeypatch):
    """It may sleep for as long as it likes, in the middle of a batch: others do its work."""
    monkeypatch.setattr(connections, "IDLE_IN_TRANSACTION_SECONDS", 1)
    with server.serving_here():
        mailbox.send(configure(ROOT, ts=clock.utcnow()), configure(ALICE, ts=clock.utcnow()))
        mailbox.wait_for("AccountUpdate", creditor_id=ALICE)
        hanging = eager.connect(server.postgres_url, "a worker that hangs")
        with hanging.cursor() as cursor:
            cursor.execute(LOCK_ALICE)
            cursor.fetchall()
        mailbox.send(configure(ALICE, ts=clock.utcnow(), seqnum=2))
        mailbox.wait_for("AccountUpdate", creditor_id=ALICE, last_config_seqnum=2, timeout=12)
        hanging.close()


def test_messages_of_a_process_that_hangs_are_taken_over(server, mailbox, monkeypatch, caplog):
    """Its session is there and idle, but what it has committed is announced to nobody: the relay does it."""
    monkeypatch.setattr(relay, "hanging_after_seconds", lambda settings: 0.5)
    key = 4711
    with (
        connections.session(server.postgres_url, "a worker that hangs") as hanging,
        standing(server.postgres_url, clock=clock.utcnow, publisher_key=key) as writer,
    ):
        hanging.cursor().execute("SELECT pg_advisory_lock(%s)", [key])
        hanging.commit()
        pid = hanging.info.backend_pid
        writer.apply(configure(ROOT, ts=clock.utcnow()))
        with server.serving_here():
            # Without the shorter time above it would be a minute and more.
            mailbox.wait_for("AccountUpdate", creditor_id=ROOT, timeout=45)
            server.wait_until_done()
    [line] = [record.message for record in caplog.records if "seems to hang" in record.message]
    assert f'process {pid} ("a worker that hangs"' in line
