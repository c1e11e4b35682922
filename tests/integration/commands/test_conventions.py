"""The commands that programs of this kind have by convention: `flask db`, and `dramatiq tasks:broker`."""

from swpt_accounts.runtime import clock
from swpt_accounts.storage import migrations
from tests.backstage.builders import ALICE, configure
from tests.backstage.commands import DRAMATIQ, FLASK, running
from tests.backstage.mailbox import Mailbox


def test_flask_db_knows_the_newest_tables(server):
    """`flask db heads` shows the one version that `configure` brings the tables to."""
    code, output, _ = server.run("db", "heads", program=FLASK)
    assert code == 0
    assert output.split() == [*migrations.newest_versions(), "(head)"]


def test_dramatiq_runs_a_worker(server):
    """`dramatiq tasks:broker` applies messages, publishes the answer, and ends at SIGTERM."""
    mailbox = Mailbox(server.amqp_url)
    words = (*DRAMATIQ, "tasks:broker", "--processes", "1", "--threads", "1")
    with running(words, server.environ) as worker:
        mailbox.send(configure(ALICE, ts=clock.utcnow()))
        mailbox.wait_for("AccountUpdate", creditor_id=ALICE)
        assert worker.stop() == 0
    mailbox.close()
