"""A worker is killed at every point of its way; what it has left is finished, and done once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import pytest

from swpt_accounts.runtime import clock
from swpt_accounts.wire.moments import render_timestamp
from tests.backstage.audit import chains, finalized_once, find_violations
from tests.backstage.builders import ALICE, BOB, DEBTOR, ROOT, configure, finalize, prepared, request
from tests.backstage.commands import Command
from tests.backstage.mailbox import Mailbox
from tests.backstage.proxy import TO_CLIENT, TO_SERVER, Proxy
from tests.backstage.server import QUEUE, Server, kill, locking
from tests.backstage.stand import standing, sweep
from tests.backstage.waiting import wait_until

CAROL = 1003
CONSUMER = b"consumer of"
PUBLISHER = b": publisher"
SENT = 4
"""How many messages `Scene.send` sends."""

GATE = 42
"""The advisory lock by which a test holds a worker at a statement that no other lock can stop."""

HOLD_COMMITS = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON journal
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold();
"""
HOLD_DELETES = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NULL; END $$;
CREATE TRIGGER hold BEFORE DELETE ON outbox EXECUTE FUNCTION hold();
"""
RELEASE = "DROP FUNCTION IF EXISTS hold CASCADE"
TAKE_GATE = f"SELECT pg_advisory_xact_lock({GATE})"


class Scene(NamedTuple):
    """A worker that has answered once, with the messages of the story on their way to it."""

    server: Server
    worker: Command
    wire: Proxy
    mailbox: Mailbox
    send: Callable[[], None]

    def count_journal(self) -> int:
        """How many transfers are committed besides the one that issued the money."""
        [(count,)] = self.server.rows("SELECT count(*) FROM journal")
        return int(count) - 1


@pytest.fixture(scope="module")
def server(places) -> Server:
    """A server for all these tests, which empty it themselves."""
    return Server(*places)


@pytest.fixture
def wire(server) -> Iterator[Proxy]:
    """What lies between the worker and the broker."""
    proxy = Proxy(server.amqp_url)
    yield proxy
    proxy.close()


@pytest.fixture
def scene(server, wire, mailbox) -> Iterator[Scene]:
    """ALICE has 1000 and a prepared transfer; a worker runs behind the wire."""
    server.execute(RELEASE)
    sweep(server.postgres_url)
    now = clock.utcnow()
    with standing(server.postgres_url, clock=clock.utcnow) as stand:
        issuing = {"coordinator_type": "issuing", "coordinator_id": DEBTOR}
        stand.apply(
            configure(ROOT, ts=now, negligible_amount=1e30), configure(ALICE, ts=now), configure(BOB, ts=now)
        )
        stand.apply(request(ROOT, ALICE, ts=now, max_locked_amount=0, **issuing), request(ts=now))
        first, second = stand.rows("SELECT creditor_id, transfer_id FROM prepared_transfer ORDER BY 1")
        stand.apply(finalize(prepared(ROOT, ALICE, transfer_id=first[1], **issuing), 1000, ts=now))
        stand.execute("UPDATE account SET update_pending_since = 0; DELETE FROM account_update_due")
        events = stand.events()
        stand.execute("DELETE FROM outbox")
    mailbox.events += map(to_fields, events)
    commit = finalize(prepared(transfer_id=second[1]), 40, ts=now)

    def send() -> None:
        """Everything that a batch can be made of, and one message twice."""
        mailbox.send(
            commit,
            configure(CAROL, ts=now),
            commit,
            request(ALICE, BOB, coordinator_request_id=2, ts=now),
        )

    with server.worker(PROTOCOL_BROKER_URL=wire.url) as worker:
        mailbox.send(configure(BOB, ts=now, seqnum=1))
        mailbox.wait_for("AccountUpdate", creditor_id=BOB, last_config_seqnum=1)
        wait_until(lambda: server.rows("SELECT count(*) FROM outbox") == [(0,)])
        yield Scene(server, worker, wire, mailbox, send)


def to_fields(event: Any) -> dict[str, Any]:
    """An event as a receiver sees it."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return fields


def recover_and_check(scene: Scene) -> None:
    """A new worker and the chores finish everything; every effect is there exactly once."""
    server, mailbox = scene.server, scene.mailbox
    with server.serving_here():
        mailbox.wait_for("FinalizedTransfer", creditor_id=ALICE, status_code="OK", committed_amount=40)
        mailbox.wait_for("AccountTransfer", creditor_id=BOB, transfer_number=1)
        mailbox.wait_for("AccountTransfer", creditor_id=ALICE, transfer_number=2)
        mailbox.wait_for("AccountUpdate", creditor_id=CAROL)
        mailbox.wait_for("PreparedTransfer", coordinator_request_id=2)
        server.wait_until_done()
    # The worker has given back what it held, so nothing is hidden in unacknowledged messages.
    assert server.count_messages() == 0
    check(scene)


def check(scene: Scene) -> None:
    """The state and the sum of all that was said."""
    principals = dict(scene.server.rows("SELECT creditor_id, principal FROM account"))
    assert principals == {ROOT: -1000, ALICE: 960, BOB: 40, CAROL: 0}
    assert scene.count_journal() == 1
    assert find_violations(scene.server.postgres_url) == []
    found = chains(scene.mailbox.events)
    assert [transfer["principal"] for transfer in found[DEBTOR, ALICE]] == [1000, 960]
    assert [transfer["principal"] for transfer in found[DEBTOR, BOB]] == [40]
    finalized = finalized_once(scene.mailbox.events)
    assert sorted(event["committed_amount"] for event in finalized.values()) == [40, 1000]
    assert (
        len({event["transfer_id"] for event in scene.mailbox.received("PreparedTransfer", creditor_id=ALICE)})
        == 2
    )


@contextmanager
def killed_before_commit(scene: Scene, lock: str) -> Iterator[None]:
    """Kill the worker while it waits for this lock."""
    with locking(scene.server.postgres_url, lock):
        scene.send()
        scene.server.wait_until_blocked()
        kill(scene.worker)
        yield
    wait_until(lambda: not scene.server.sessions("swpt_accounts worker"), "the end of its transaction")


@pytest.mark.parametrize(
    "lock",
    [f"SELECT 1 FROM account WHERE creditor_id = {ALICE} FOR UPDATE", "LOCK TABLE outbox IN SHARE MODE"],
    ids=["when it begins", "when all is written"],
)
def test_before_the_commit(scene, lock):
    """Nothing has happened, and the messages come again (rule S1)."""
    with killed_before_commit(scene, lock):
        assert scene.count_journal() == 0
    assert scene.count_journal() == 0
    recover_and_check(scene)


def test_in_the_commit(scene):
    """The database commits when the worker is gone already: it has neither published nor acknowledged."""
    scene.server.execute(HOLD_COMMITS)
    with locking(scene.server.postgres_url, TAKE_GATE):
        scene.send()
        scene.server.wait_until_blocked()
        kill(scene.worker)
        assert scene.count_journal() == 0
    wait_until(lambda: scene.count_journal() == 1, "the commit of a dead worker")
    scene.server.execute(RELEASE)
    recover_and_check(scene)


@pytest.mark.parametrize("who", [PUBLISHER, CONSUMER, b""], ids=["publish", "ack", "ack and publish"])
def test_after_the_commit_before(scene, who):
    """The relay publishes what the worker could not; what was not acknowledged comes again, in vain (S9)."""
    with locking(scene.server.postgres_url, "LOCK TABLE outbox IN SHARE MODE"):
        scene.send()
        scene.server.wait_until_blocked()
        scene.wire.freeze(TO_SERVER, who)
    wait_until(lambda: scene.count_journal() == 1, "the commit")
    if who == CONSUMER:
        scene.mailbox.wait_for("FinalizedTransfer", creditor_id=ALICE)
        wait_until(lambda: scene.server.rows("SELECT count(*) FROM outbox") == [(0,)])
    elif who == PUBLISHER:
        with locking(scene.server.postgres_url, "SELECT 1"):
            assert scene.server.rows("SELECT count(*) FROM outbox") != [(0,)]
    kill(scene.worker)
    scene.wire.cut()
    if who:
        assert bool(scene.mailbox.received("FinalizedTransfer", creditor_id=ALICE)) == (who == CONSUMER)
    recover_and_check(scene)


def test_after_publishing_before_the_confirm(scene):
    """All is published at once (rule O1), the worker never hears it: the relay does it again, as it may."""
    with locking(scene.server.postgres_url, "LOCK TABLE outbox IN SHARE MODE"):
        scene.send()
        scene.server.wait_until_blocked()
        scene.wire.freeze(TO_CLIENT, PUBLISHER)
    scene.mailbox.wait_for("FinalizedTransfer", creditor_id=ALICE)
    kill(scene.worker)
    assert scene.server.rows("SELECT count(*) FROM outbox") != [(0,)]
    recover_and_check(scene)
    assert len(scene.mailbox.received("AccountTransfer", creditor_id=BOB)) >= 2


def test_after_the_confirm_before_the_row_is_deleted(scene):
    """The same: the row is still there, so that all is published once more (rule O2)."""
    scene.server.execute(HOLD_DELETES)
    with locking(scene.server.postgres_url, TAKE_GATE):
        scene.send()
        scene.server.wait_until_blocked("swpt_accounts outbox")
        scene.mailbox.wait_for("FinalizedTransfer", creditor_id=ALICE)
        kill(scene.worker)
    wait_until(lambda: not scene.server.sessions("swpt_accounts outbox"), "the end of its transaction")
    assert scene.server.rows("SELECT count(*) FROM outbox") != [(0,)]
    scene.server.execute(RELEASE)
    recover_and_check(scene)
    assert len(scene.mailbox.received("AccountTransfer", creditor_id=BOB)) >= 2


def test_stopping_in_order_leaves_nothing_undone(scene):
    """SIGTERM in the middle of a batch: it is committed, published and acknowledged before the end."""
    with locking(scene.server.postgres_url, "LOCK TABLE outbox IN SHARE MODE"):
        scene.send()
        scene.server.wait_until_blocked()
        scene.worker.process.terminate()
    assert scene.worker.wait() == 0
    # What came too late for the batch is back in the queue; the batch itself is not.
    assert scene.server.count_messages(QUEUE) < SENT
    assert scene.count_journal() == 1
    scene.mailbox.wait_for("FinalizedTransfer", creditor_id=ALICE)
    assert scene.server.rows("SELECT count(*) FROM outbox") == [(0,)]
    with scene.server.serving_here():
        scene.server.wait_until_done()
    check(scene)
    assert render_timestamp(clock.utcnow()) > scene.mailbox.events[-1]["ts"]
