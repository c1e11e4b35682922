"""Hosts lose their power, processes sleep, packets are lost: the others go on within the promised times."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from swpt_accounts.broker.amqp.connection import HEARTBEAT_SECONDS
from swpt_accounts.runtime import clock
from swpt_accounts.storage import migrations
from swpt_accounts.storage.connections import IDLE_IN_TRANSACTION_SECONDS, LOCK_SECONDS, SILENCE_SECONDS
from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from tests.backstage.audit import find_violations
from tests.backstage.builders import ALICE, BOB, ROOT, configure
from tests.backstage.commands import SERVER, Command, running
from tests.backstage.mailbox import Mailbox
from tests.backstage.proxy import TO_SERVER, Proxy
from tests.backstage.server import CONSUMING, Server, kill, locking
from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing, give_up
from tests.services.network import Host, another_host
from tests.services.ports import free_port
from tests.services.postgres import own_postgres

LOSS_SECONDS: Final = float(os.environ.get("CHAOS_LOSS_SECONDS", "120"))

ROOM_SECONDS: Final = 10.0
"""What a busy machine may need besides."""

LOCK_ALICE: Final = f"SELECT FROM account WHERE creditor_id = {ALICE} FOR UPDATE"
PUBLISHER: Final = b": publisher"

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host for the worker that will be unlucky."""
    try:
        with another_host() as host:
            yield host
    except ServiceMissing as error:
        give_up(error)


@pytest.fixture(scope="module")
def database(host) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that both hosts reach: this one by a socket, the other by TCP."""
    settings = {"listen_addresses": host.near, "port": str(free_port())}
    try:
        with own_postgres(settings, admitted=f"{host.near}/24") as database:
            migrations.upgrade(database.url())
            yield database
    except ServiceMissing as error:
        give_up(error)


class Scene:
    """A server whose workers are here and on the other host, and all that it says."""

    def __init__(self, host: Host, database: EmbeddedPostgres, amqp_url: str, stack: ExitStack) -> None:
        self.host = host
        self.port = int(dict(part.split("=") for part in urlsplit(database.url()).query.split("&"))["port"])
        self.server = Server(database.url(), amqp_url)
        self.wire = Proxy(amqp_url, host.near)
        stack.callback(self.wire.close)
        self.mailbox = Mailbox(amqp_url)
        stack.callback(self.mailbox.close)
        self._seqnum = 0

    @property
    def far_environ(self) -> dict[str, str]:
        """How the other host reaches database and broker."""
        return self.server.environ | {
            "POSTGRES_URL": f"postgresql://postgres@{self.host.near}:{self.port}/postgres",
            "PROTOCOL_BROKER_URL": self.wire.url,
        }

    @contextmanager
    def far_worker(self, **environ: str) -> Iterator[Command]:
        """A worker on the other host."""
        words = self.host.words(*SERVER, "worker")
        with running(words, self.far_environ | environ) as worker:
            worker.wait_for(CONSUMING)
            yield worker

    def ask(self, creditor_id: int) -> int:
        """Configure an account anew; the number of the configuration, which its announcement will say."""
        self._seqnum += 1
        self.mailbox.send(configure(creditor_id, ts=clock.utcnow(), seqnum=self._seqnum))
        return self._seqnum

    def ask_all(self, creditor_id: int) -> list[int]:
        """Ask more than once: the broker gives every other message to the unlucky one."""
        return [self.ask(creditor_id) for _ in range(4)]

    def seconds_until_any(self, creditor_id: int, seqnums: list[int], timeout: float) -> float:
        """How long it takes until one of several configurations is announced."""
        begun_at = monotonic()
        has_announced = lambda: any(  # noqa: E731
            self.mailbox.received("AccountUpdate", creditor_id=creditor_id, last_config_seqnum=seqnum)
            for seqnum in seqnums
        )
        wait_until(has_announced, f"an announcement of {creditor_id}", timeout)
        return monotonic() - begun_at

    def seconds_until(self, creditor_id: int, seqnum: int, timeout: float) -> float:
        """How long it takes until a configuration is announced."""
        begun_at = monotonic()
        self.mailbox.wait_for(
            "AccountUpdate", creditor_id=creditor_id, last_config_seqnum=seqnum, timeout=timeout
        )
        return monotonic() - begun_at

    def begin(self) -> None:
        """Make the accounts."""
        for creditor_id in (ROOT, ALICE, BOB):
            self.seconds_until(creditor_id, self.ask(creditor_id), 30)

    def finish(self) -> None:
        """All is done in the end, and the books are right."""
        with self.server.running("worker", "chores"):
            # What the unlucky one held comes back when the broker misses its heartbeats.
            self.server.wait_until_done(180)
        assert find_violations(self.server.postgres_url) == []

    def stand_in_the_middle(self) -> Any:
        """A worker that has begun a batch with ALICE, and waits; the context lets it go on."""
        return locking(self.server.postgres_url, LOCK_ALICE)


@pytest.fixture
def scene(host, database, amqp_url) -> Iterator[Scene]:
    """Everything in its place, and no row in the tables."""
    with ExitStack() as stack:
        scene = Scene(host, database, amqp_url, stack)
        scene.server.execute("TRUNCATE account, outbox, account_update_due, debtor_info CASCADE")
        yield scene


def lose_power(scene: Scene, worker: Command) -> None:
    """The host is gone, and so is all that was on it; nobody hears of it."""
    scene.host.cut()
    kill(worker)


@pytest.fixture
def powered(host) -> Iterator[None]:
    """The host has its power again for the next test."""
    yield
    host.plug()


def test_a_host_loses_its_power_while_its_worker_holds_locks(scene, powered):
    """A new worker has the accounts when the server has missed the dead one, and not after two hours."""
    with scene.far_worker() as worker:
        scene.begin()
        with scene.stand_in_the_middle():
            scene.ask(ALICE)
            scene.server.wait_until_blocked()
            lose_power(scene, worker)
        with scene.server.worker() as other:
            limit = SILENCE_SECONDS + LOCK_SECONDS + ROOM_SECONDS
            seconds = scene.seconds_until_any(ALICE, scene.ask_all(ALICE), limit)
            other.wait_for('The worker has waited .* lock of process .*"swpt_accounts worker", 10[.]')
    print(f"free after {seconds:.1f} s")
    scene.finish()


def test_a_host_loses_its_power_with_messages_in_the_outbox(scene, powered):
    """The session of the dead host was idle, and said that it lives; the relay has its rows soon."""
    with scene.far_worker() as worker:
        scene.begin()
        scene.wire.freeze(TO_SERVER, PUBLISHER)
        seqnum = scene.ask(ALICE)
        wait_until(lambda: scene.server.rows("SELECT count(*) FROM outbox") == [(1,)], "a committed batch")
        lose_power(scene, worker)
        with scene.server.running("chores"):
            seconds = scene.seconds_until(ALICE, seqnum, SILENCE_SECONDS + ROOM_SECONDS)
    print(f"reported after {seconds:.1f} s")
    scene.wire.thaw()
    scene.finish()


def test_a_worker_sleeps_while_it_holds_locks(scene):
    """Its kernel answers, so it seems to live; but a transaction in which nothing happens is ended."""
    with scene.far_worker() as worker:
        scene.begin()
        with scene.stand_in_the_middle():
            scene.ask(ALICE)
            scene.server.wait_until_blocked()
            worker.process.send_signal(signal.SIGSTOP)
        with scene.server.worker():
            limit = IDLE_IN_TRANSACTION_SECONDS + LOCK_SECONDS + ROOM_SECONDS
            seconds = scene.seconds_until_any(ALICE, scene.ask_all(ALICE), limit)
        print(f"free after {seconds:.1f} s")
        worker.process.send_signal(signal.SIGCONT)
        worker.wait_for("The database is away|Conflict")
        seqnum = scene.ask(BOB)
        scene.seconds_until(BOB, seqnum, 30)
        scene.server.wait_until_done()
    scene.finish()


def test_a_worker_sleeps_with_messages_in_the_outbox(scene):
    """The chores take them over after the time in which a living one would have sent them."""
    with scene.far_worker(PUBLISH_CONFIRM_TIMEOUT="1") as worker:
        scene.begin()
        scene.wire.freeze(TO_SERVER, PUBLISHER)
        seqnum = scene.ask(ALICE)
        wait_until(lambda: scene.server.rows("SELECT count(*) FROM outbox") == [(1,)], "a committed batch")
        worker.process.send_signal(signal.SIGSTOP)
        with scene.server.running("chores", {"PUBLISH_CONFIRM_TIMEOUT": "1"}) as chores:
            seconds = scene.seconds_until(ALICE, seqnum, 2 + 30 + ROOM_SECONDS)
            chores.wait_for('process .*"swpt_accounts worker", 10[.].* seems to hang')
        print(f"reported after {seconds:.1f} s")
        scene.wire.thaw()
        worker.process.send_signal(signal.SIGCONT)
        scene.seconds_until(BOB, scene.ask(BOB), 30)
    scene.finish()


def test_a_worker_sleeps_with_messages_in_its_hands(scene):
    """The broker misses its heartbeats, and gives them to others."""
    with scene.far_worker() as worker:
        scene.begin()
        worker.process.send_signal(signal.SIGSTOP)
        seqnum = scene.ask(ALICE)
        with scene.server.worker():
            seconds = scene.seconds_until(ALICE, seqnum, 3 * HEARTBEAT_SECONDS + ROOM_SECONDS)
        print(f"given to another one after {seconds:.1f} s")
        worker.process.send_signal(signal.SIGCONT)
        scene.seconds_until(BOB, scene.ask(BOB), 30)
    scene.finish()


@pytest.mark.timeout(600)
def test_packets_to_the_database_are_lost_for_long(scene):
    """The worker says so within seconds, and goes on within seconds when they arrive again."""
    with scene.far_worker() as worker:
        scene.begin()
        with scene.stand_in_the_middle():
            scene.ask(ALICE)
            scene.server.wait_until_blocked()
            scene.host.lose(scene.port)
        lost_at = monotonic()
        worker.wait_for("The worker has waited .* the database does not answer", timeout=ROOM_SECONDS)
        print(f"said after {monotonic() - lost_at:.1f} s")
        scene.ask(BOB)
        sleep(max(0.0, lost_at + LOSS_SECONDS - monotonic()))
        worker.wait_for("ALARM: the batch stands still")
        scene.host.find()
        seconds = scene.seconds_until(ALICE, scene.ask(ALICE), ROOM_SECONDS)
        print(f"back after {seconds:.1f} s")
    scene.finish()
