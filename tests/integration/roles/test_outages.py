"""The database or the broker goes away: nothing is lost or doubled, and all comes back by itself."""

import threading
from collections.abc import Iterator
from functools import partial

import pika
import psycopg2
import pytest

from swpt_accounts.roles import configure as configuring
from swpt_accounts.roles.gate import Gate
from swpt_accounts.roles.worker import processing, wiring
from swpt_accounts.runtime import clock, standstill
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import trial
from tests.backstage.audit import chains, find_violations
from tests.backstage.builders import ALICE, BOB, DEBTOR, ROOT, configure, finalize, prepared, request
from tests.backstage.commands import SERVER, running, said
from tests.backstage.mailbox import Mailbox
from tests.backstage.proxy import Proxy
from tests.backstage.server import QUEUE, Server, locking, vhost_of
from tests.backstage.stand import sweep
from tests.backstage.waiting import wait_until

SOON_SECONDS = 15.0
"""The first answer after an outage must come within this time, by the promise of the server."""
DONE_SECONDS = 60.0
"""And by then nothing may wait any more."""


@pytest.fixture
def to_postgres(places) -> Iterator[Proxy]:
    """What lies between the server and its database."""
    proxy = Proxy(places[0])
    yield proxy
    proxy.close()


@pytest.fixture
def to_broker(places) -> Iterator[Proxy]:
    """What lies between the server and its broker."""
    proxy = Proxy(places[1])
    yield proxy
    proxy.close()


@pytest.fixture
def distant(server, to_postgres, to_broker) -> Server:
    """The same server, behind proxies."""
    return Server(to_postgres.url, to_broker.url, PUBLISH_CONFIRM_TIMEOUT="1")


class Story:
    """Transfers from ALICE to BOB, whose end is known in advance."""

    def __init__(self, server: Server, mailbox: Mailbox) -> None:
        self.server = server
        self.mailbox = mailbox
        self.ts = clock.utcnow()
        self.serial = 0
        mailbox.send(
            configure(ROOT, ts=self.ts, negligible_amount=1e30),
            configure(ALICE, ts=self.ts),
            configure(BOB, ts=self.ts),
        )
        mailbox.wait_for("AccountUpdate", creditor_id=BOB)
        self.pay(ROOT, ALICE, 1000, coordinator_type="issuing", coordinator_id=DEBTOR)

    def ask(self, sender_id: int = ALICE, recipient_id: int = BOB, **fields) -> int:
        """Send a request; returns its number."""
        self.serial += 1
        fields["coordinator_request_id"] = self.serial
        self.mailbox.send(request(sender_id, recipient_id, ts=clock.utcnow(), **fields))
        return self.serial

    def commit(self, serial: int, amount: int, sender_id: int = ALICE, recipient_id: int = BOB, **fields):
        """Commit the transfer that was prepared by this request."""
        received = self.mailbox.wait_for(
            "PreparedTransfer", coordinator_request_id=serial, timeout=SOON_SECONDS
        )
        transfer = prepared(
            sender_id,
            recipient_id,
            transfer_id=received["transfer_id"],
            coordinator_request_id=serial,
            **fields,
        )
        message = finalize(transfer, amount, ts=clock.utcnow())
        self.mailbox.send(message, message)

    def pay(self, sender_id: int = ALICE, recipient_id: int = BOB, amount: int = 1, **fields) -> None:
        """A whole transfer."""
        serial = self.ask(sender_id, recipient_id, **fields)
        self.commit(serial, amount, sender_id, recipient_id, **fields)
        self.wait_until_paid(serial)

    def wait_until_paid(self, serial: int) -> None:
        """The answer to the commitment."""
        self.mailbox.wait_for(
            "FinalizedTransfer", coordinator_request_id=serial, status_code="OK", timeout=SOON_SECONDS
        )

    def check(self, paid: int) -> None:
        """All is done, once, and known to the owners."""
        self.server.wait_until_done(DONE_SECONDS)
        principals = dict(self.server.rows("SELECT creditor_id, principal FROM account"))
        assert principals == {ROOT: -1000, ALICE: 1000 - paid, BOB: paid}
        wait_until(lambda: len(self._chain(BOB)) == paid, "the whole chain")
        assert len(self._chain(ALICE)) == paid + 1
        assert find_violations(self.server.postgres_url) == []

    def _chain(self, creditor_id: int):
        received = self.mailbox.received("AccountTransfer", creditor_id=creditor_id)
        return sorted({transfer["transfer_number"] for transfer in received})


@pytest.mark.parametrize("lost", ["COMMIT", "BEGIN", "EXECUTE insert_outbox", "DELETE FROM outbox"])
def test_a_connection_that_dies_in_a_statement(server, distant, to_postgres, mailbox, lost):
    """Nobody knows whether the statement was done: then it is done once all the same.

    For COMMIT this is the hard case: the events of the batch are in the outbox, and the worker
    that has written them never learns it.
    """
    with distant.serving_here():
        story = Story(server, mailbox)
        server.wait_until_done()
        serial = story.ask()
        mailbox.wait_for("PreparedTransfer", coordinator_request_id=serial)
        server.wait_until_done()
        # Connections commit other things as well, so that only the end of the batch counts.
        to_postgres.trap(lost.encode(), after=b"EXECUTE insert_outbox" if lost == "COMMIT" else b"")
        story.commit(serial, 1)
        assert to_postgres.trapped.wait(10)
        # What is frozen is only the answer: the database does its work.
        if lost == "COMMIT":
            wait_until(lambda: server.rows("SELECT count(*) FROM journal") == [(2,)])
        # The other connections of the process live on.
        to_postgres.cut(b"swpt_accounts outbox" if "DELETE" in lost else b"swpt_accounts worker")
        to_postgres.thaw()
        story.wait_until_paid(serial)
        story.pay()
        story.check(paid=2)
    chains(mailbox.events)


def test_sessions_that_are_terminated(server, mailbox):
    """All connections to the database are closed by an operator: the next answer comes all the same."""
    with server.serving_here():
        story = Story(server, mailbox)
        for _ in range(3):
            server.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'swpt_accounts%%'"
            )
            story.pay()
        story.check(paid=3)


def test_a_database_that_is_away_for_a_while(server, distant, to_postgres, mailbox):
    """Messages are held while it is away; the first answer comes soon after its return."""
    with distant.serving_here():
        story = Story(server, mailbox)
        to_postgres.refuse()
        serials = [story.ask() for _ in range(5)]
        threading.Event().wait(1.5)
        to_postgres.accept()
        for serial in serials:
            story.commit(serial, 1)
            story.wait_until_paid(serial)
        story.check(paid=5)


def test_a_long_outage_closes_the_consumer(server, distant, to_postgres, mailbox, monkeypatch):
    """When patience is over, the messages go back to the queue, and are fetched again afterwards."""
    impatient = partial(processing.Processor, patience_seconds=0.2)
    monkeypatch.setattr(wiring, "Processor", impatient)
    with distant.serving_here():
        story = Story(server, mailbox)
        to_postgres.refuse()
        serial = story.ask()
        wait_until(lambda: server.count_messages() == 1, "the message back in the queue")
        to_postgres.accept()
        story.commit(serial, 1)
        story.wait_until_paid(serial)
        story.check(paid=1)


def test_a_database_that_can_do_nothing_keeps_the_gate_shut(server, mailbox, monkeypatch, caplog):
    """It answers, and nothing can be committed: the messages go back once, and stay until it works again."""
    asked: list[str] = []

    def asking(url: str, name: str) -> str:
        asked.append(trial.why_not(url, name))
        return asked[-1]

    impatient = partial(processing.Processor, patience_seconds=0.2)
    monkeypatch.setattr(wiring, "Processor", impatient)
    monkeypatch.setattr(wiring, "why_not", asking)
    with server.serving_here():
        story = Story(server, mailbox)
        server.wait_until_done()
        set_read_only(server, "on")
        try:
            serials = [story.ask() for _ in range(3)]
            wait_until(lambda: len(asked) >= 3, "a gate that asks")
            assert all("read-only transaction" in why for why in asked)
            assert "taking messages again" not in caplog.text
            assert max(delivery_counts(server, len(serials))) <= 1
        finally:
            set_read_only(server, "off")
        for serial in serials:
            story.commit(serial, 1)
            story.wait_until_paid(serial)
        story.check(paid=3)


def delivery_counts(server: Server, number: int) -> list[int]:
    """How often each message of the queue was delivered before; that they are looked at counts as well."""
    with pika.BlockingConnection(pika.URLParameters(server.amqp_url)) as connection:
        channel = connection.channel()
        found = [channel.basic_get(QUEUE)[1] for _ in range(number)]
    return [int((properties.headers or {}).get("x-delivery-count", 0)) for properties in found]


def set_read_only(server: Server, value: str) -> None:
    """Let nobody write into the database any more, or everybody again."""
    server.execute(
        f"""
        SET TRANSACTION READ WRITE;
        DO $$ BEGIN
            EXECUTE format(
                'ALTER DATABASE %I SET default_transaction_read_only = {value}', current_database());
        END $$;
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'swpt_accounts%'
        """
    )


def test_a_batch_that_waits_for_a_lock_is_an_alarm(server, mailbox, monkeypatch, caplog):
    """The database is well, and still no message is answered: the log says so, and when it is over."""
    monkeypatch.setattr(standstill, "ALARM_AFTER_SECONDS", 0.5)
    with server.serving_here():
        story = Story(server, mailbox)
        server.wait_until_done()
        with locking(server.postgres_url, "LOCK TABLE account IN SHARE MODE"):
            serial = story.ask()
            wait_until(lambda: "ALARM: the batch stands still" in caplog.text, "an alarm")
        story.commit(serial, 1)
        story.wait_until_paid(serial)
        wait_until(lambda: "The batch goes on" in caplog.text, "the end of the alarm")
        story.check(paid=1)


def test_a_gate_asks_with_growing_pauses(monkeypatch):
    """A gate that is shut asks after up to one second, up to two, and then at most every three."""
    moment = 1000.0
    monkeypatch.setattr("swpt_accounts.roles.gate.monotonic", lambda: moment)
    asked: list[float] = []

    def probe() -> str:
        asked.append(moment)
        return "" if moment > 1040 else "a reason"

    gate = Gate(probe)
    gate.shut("for a test")
    while not gate.is_open():
        moment += 0.25
    pauses = [later - earlier for earlier, later in zip([1000.0, *asked], asked, strict=False)]
    bounds = [1.0, 2.0, *[3.0] * (len(pauses) - 2)]
    assert all(most / 2 <= pause <= most + 0.25 for pause, most in zip(pauses, bounds, strict=True))


@pytest.mark.parametrize("how", ["operator", "network"])
def test_connections_to_the_broker_that_are_cut(server, distant, to_broker, mailbox, rabbitmqctl, how):
    """In the middle of batches: what was not acknowledged comes again, what was not confirmed is repeated."""
    with distant.serving_here():
        story = Story(server, mailbox)
        serials = []
        for _ in range(1 if how == "operator" else 3):
            serials += [story.ask() for _ in range(5)]
            if how == "operator":
                rabbitmqctl("-q", "close_all_connections", "-p", vhost_of(server.amqp_url), "a test")
            else:
                to_broker.cut()
        for serial in serials:
            story.commit(serial, 1)
        for serial in serials:
            story.wait_until_paid(serial)
        story.check(paid=len(serials))


def test_a_broker_that_is_away_for_a_while(server, distant, to_broker, mailbox):
    """Events wait in the outbox for as long as it takes, and leave it soon after its return."""
    with distant.serving_here():
        story = Story(server, mailbox)
        serials = [story.ask() for _ in range(5)]
        for serial in serials:
            mailbox.wait_for("PreparedTransfer", coordinator_request_id=serial)
        to_broker.refuse()
        for serial in serials:
            story.commit(serial, 1)
        threading.Event().wait(2.5)  # longer than the confirm timeout: rows are put off several times
        to_broker.accept()
        for serial in serials:
            story.wait_until_paid(serial)
        story.check(paid=5)


def test_messages_that_the_broker_has_lost(places, mailbox):
    """A queue is purged: whoever sends again what has no answer, and answers reminders, loses nothing."""
    sweep(places[0])
    server = Server(*places, REMINDER_INTERVAL="0.5", REMINDERS_SCAN_INTERVAL="0.2")
    with server.serving_here():
        story = Story(server, mailbox)
        prepared_serial = story.ask()
        mailbox.wait_for("PreparedTransfer", coordinator_request_id=prepared_serial)
        server.wait_until_done()
    story.commit(prepared_serial, 1)
    story.ask()
    with pika.BlockingConnection(pika.URLParameters(server.amqp_url)) as connection:
        wait_until(lambda: server.count_messages() == 3, "all messages in the queue")
        connection.channel().queue_purge(QUEUE)
    received = len(mailbox.received("PreparedTransfer", coordinator_request_id=prepared_serial))
    with server.serving_here():
        mailbox.wait_for("PreparedTransfer", received + 1, coordinator_request_id=prepared_serial)
        story.commit(prepared_serial, 1)
        story.wait_until_paid(prepared_serial)
        story.serial -= 1
        story.pay()
        story.check(paid=2)


# -- at the start ------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["worker", "chores"])
def test_a_database_that_is_away_at_the_start_is_one_line(server, to_postgres, role):
    """The process ends at once, and says why: whoever has started it decides what to do."""
    to_postgres.refuse()
    code, lines = said((*SERVER, role), server.environ | {"POSTGRES_URL": to_postgres.url})
    assert code == 1
    assert len(lines) == 1
    assert "Connection refused" in lines[0]


def test_a_broker_that_is_away_at_the_start_is_one_line(server, to_broker):
    """The same for a worker whose broker cannot be reached."""
    to_broker.refuse()
    code, lines = said((*SERVER, "worker"), server.environ | {"PROTOCOL_BROKER_URL": to_broker.url})
    lines = [line for line in lines if " INFO " not in line]
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("cannot reach the broker at 127.0.0.1:")


@pytest.mark.parametrize("away", ["POSTGRES_URL", "PROTOCOL_BROKER_URL"])
def test_configure_waits_for_the_servers(server, to_postgres, to_broker, away):
    """It is started together with them, and goes on when they are up."""
    proxy = to_postgres if away == "POSTGRES_URL" else to_broker
    proxy.refuse()
    with running((*SERVER, "configure"), server.environ | {away: proxy.url}) as command:
        command.wait_for("Waiting for the (database|broker)")
        assert command.process.poll() is None
        proxy.accept()
        assert command.wait() == 0


def test_configure_gives_up_with_one_line(server, to_postgres):
    """A server that stays away is reported once, with its reason."""
    to_postgres.refuse()
    settings = load(server.environ | {"POSTGRES_URL": to_postgres.url})
    with pytest.raises(OperatorError, match=r"cannot configure the database: .*Connection refused"):
        configuring.run(settings, wait_seconds=0.3)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(to_postgres.url)
