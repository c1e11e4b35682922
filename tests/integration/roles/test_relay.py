"""What is left in the outbox: taken over from the dead, never from the living, and tried until it works."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.operators.operations.outbox_rows import settle_unreadable
from swpt_accounts.roles.chores.chore import Errand
from swpt_accounts.roles.chores.loop import Chores
from swpt_accounts.roles.chores.relay import relay_outbox
from swpt_accounts.roles.composition import make_broker, make_outbox
from swpt_accounts.runtime import clock, metrics
from swpt_accounts.storage import connections
from swpt_accounts.storage.outbox.peers import MOST_TOGETHER, Silence
from tests.backstage.builders import ALICE, SECOND, configure, request
from tests.backstage.mailbox import Mailbox
from tests.backstage.proxy import TO_SERVER, Proxy
from tests.backstage.server import Server, kill, locking
from tests.backstage.stand import Stand, sweep
from tests.backstage.stand import standing as standing_on
from tests.backstage.waiting import wait_until

KEY = 4711
RELAY = Errand("relay outbox", lambda settings: 0.0, relay_outbox)
ROWS = """
SELECT publisher_key, attempts, next_attempt_at, last_failure, type_counts FROM outbox ORDER BY outbox_id
"""


@pytest.fixture(scope="module")
def server(places) -> Server:
    """A server for all these tests, which empty it themselves."""
    return Server(*places)


@pytest.fixture
def writer(server) -> Iterator[Stand]:
    """A process that writes rows in the name KEY, and publishes nothing."""
    sweep(server.postgres_url)
    with standing_on(server.postgres_url, clock=clock.utcnow, publisher_key=KEY) as stand:
        yield stand


@pytest.fixture
def mailbox(server) -> Iterator[Mailbox]:
    """What creditors and debtors get; coordinators are not there yet."""
    mailbox = Mailbox(server.amqp_url, exchanges=("to_creditors", "to_debtors"))
    yield mailbox
    mailbox.close()


@contextmanager
def living(server: Server) -> Iterator[None]:
    """The process of the name KEY is there, as far as anybody can see."""
    with connections.session(server.postgres_url, "a living process") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [KEY])
        connection.commit()
        yield


class Relay:
    """The relay of one process, turned by the test."""

    def __init__(self, server: Server) -> None:
        self._broker = make_broker(server.settings)
        self.outbox = make_outbox(server.settings, self._broker)
        self.outbox.start()
        self.outbox.connect()
        wait_until(lambda: self.outbox.is_connected)
        self._chores = Chores(server.settings, self.outbox, (RELAY,))
        self._stop = threading.Event()

    def turn(self) -> None:
        """Do what is due."""
        self._chores.turn(self._stop)

    def close(self) -> None:
        self.outbox.stop(5)
        self._chores.close()
        self._broker.close()


@pytest.fixture
def relay(server, writer) -> Iterator[Relay]:
    """A relay that is connected."""
    relay = Relay(server)
    yield relay
    relay.close()


def empty(server: Server) -> bool:
    """Whether nothing is left."""
    return server.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_rows_of_a_living_process_are_left_alone(server, writer, relay, mailbox):
    """Its advisory lock says that it lives; the moment it is gone, its rows are published."""
    with living(server):
        writer.apply(configure(ts=clock.utcnow()))
        for _ in range(3):
            relay.turn()
        [row] = server.rows(ROWS)
        assert row[:4] == (KEY, 0, None, None)
    wait_until(lambda: relay.turn() or empty(server), "an empty outbox")
    mailbox.wait_for("AccountUpdate", creditor_id=ALICE)


def test_what_nobody_wants_is_kept_and_tried_again(server, writer, relay, mailbox):
    """Events without a queue become a row of their peer, with growing pauses; the others have left."""
    started_at = clock.utcnow()
    writer.apply(
        configure(ts=started_at),
        request(coordinator_type="nobody", coordinator_request_id=1, ts=started_at),
        request(coordinator_type="nobody", coordinator_request_id=2, ts=started_at),
    )
    relay.turn()
    mailbox.wait_for("AccountUpdate", creditor_id=ALICE)
    wait_until(lambda: server.rows(ROWS)[0][1] == 1, "a row for the events that were returned")
    [(key, attempts, next_attempt_at, last_failure, counts)] = server.rows(ROWS)
    assert (key, attempts, last_failure) == (None, 1, "returned")
    assert counts == {"RejectedTransfer": 2}
    assert started_at < next_attempt_at <= clock.utcnow() + SECOND // 10

    not_yet_at = started_at

    def tried(times: int) -> bool:
        nonlocal not_yet_at
        relay.turn()
        looked_at = clock.utcnow()
        attempts = [row[1] for row in server.rows(ROWS)]
        if max(attempts) < times:
            not_yet_at = looked_at
        return attempts == [times]

    wait_until(lambda: tried(3), "the third attempt")
    wait_until(lambda: all(row[0] is None for row in server.rows(ROWS)))
    next_attempts_at = [row[2] for row in server.rows(ROWS)]
    assert min(next_attempts_at) - not_yet_at > 0.19 * SECOND  # 0.2 to 0.4 s after the third
    mailbox.bind("to_coordinators")
    wait_until(lambda: relay.turn() or empty(server), "an empty outbox")
    mailbox.wait_for("RejectedTransfer", coordinator_request_id=1)
    mailbox.wait_for("RejectedTransfer", coordinator_request_id=2)
    assert len(mailbox.received("AccountUpdate", creditor_id=ALICE)) == 1


def test_what_nobody_wants_blocks_nothing(server, writer, relay, mailbox):
    """O5: hundreds of rows that come back again and again do not delay the rows of others."""
    now = clock.utcnow()
    nobodys(writer, 500)
    relay.turn()
    wait_until(lambda: waits(server) == 500, "all of them returned")
    writer.execute("UPDATE outbox SET next_attempt_at = 1")
    writer.apply(configure(ts=now))
    relay.turn()
    mailbox.wait_for("AccountUpdate", creditor_id=ALICE)
    wait_until(lambda: waits(server) == 500 and all(row[0] is None for row in server.rows(ROWS)))


def nobodys(writer: Stand, number: int, *, batch: int = 500, spread: int = 0) -> None:
    """Write answers for a type of coordinator that nobody binds; those of `spread` are in many subnets."""
    now = clock.utcnow()
    requests = [
        request(
            coordinator_type="nobody",
            coordinator_id=1 + one * spread,
            coordinator_request_id=one,
            ts=now,
        )
        for one in range(number)
    ]
    for start in range(0, number, batch):
        writer.apply(*requests[start : start + batch])


def waits(server: Server) -> int:
    """How many messages wait that were returned."""
    [(number,)] = server.rows(
        "SELECT coalesce(sum(number::int), 0) FROM outbox, jsonb_each_text(type_counts) AS c (type, number)"
        " WHERE last_failure = 'returned' AND publisher_key IS NULL"
    )
    return int(number)


def attempts_of(server: Server, writer: Stand, relay: Relay) -> int:
    """How many messages the broker returns when all that waits is due."""
    writer.execute("UPDATE outbox SET next_attempt_at = 1")
    relay.outbox.silence = Silence()
    before, number = returned(), waits(server)
    while server.rows("SELECT FROM outbox WHERE next_attempt_at <= 1 LIMIT 1"):
        relay.turn()
    wait_until(lambda: waits(server) == number, "all of it back")
    return returned() - before


def returned() -> int:
    """How many messages were returned in this process."""
    return int(metrics.OUTBOX_RETURNED.labels("RejectedTransfer")._value.get())


@pytest.mark.parametrize("spread", [0, 2**40], ids=["one agent", "many agents"])
def test_a_missing_queue_costs_little(server, writer, relay, spread):
    """However many messages wait for one binding, a few of them try the way for all."""
    nobodys(writer, 3000, spread=spread)
    wait_until(lambda: relay.turn() or waits(server) == 3000, "all of them returned")
    cost = attempts_of(server, writer, relay)
    assert 0 < cost <= 3 * MOST_TOGETHER + 20
    if not spread:
        assert len(server.rows(ROWS)) <= 3000 // MOST_TOGETHER + 10
        [(size,)] = server.rows("SELECT sum(pg_column_size(payload)) FROM outbox")
        assert size < 3000 * 60


def test_single_messages_for_a_missing_queue_gather(server, writer, relay):
    """What comes one by one, for hours, gets rows of many all the same; nothing is lost by that."""
    nobodys(writer, 60, batch=1)
    wait_until(lambda: relay.turn() or waits(server) == 60, "all of them returned")
    for _ in range(3):
        attempts_of(server, writer, relay)
    assert len(server.rows(ROWS)) <= 3
    assert waits(server) == 60


@pytest.mark.parametrize("batch", [1, 500])
def test_a_queue_that_comes_gets_all_that_has_waited(server, writer, relay, mailbox, batch):
    """The first that goes through lets the others go; each message arrives, and once."""
    nobodys(writer, 700 if batch > 1 else 50, batch=batch)
    number = 700 if batch > 1 else 50
    wait_until(lambda: relay.turn() or waits(server) == number, "all of them returned")
    attempts_of(server, writer, relay)
    mailbox.bind("to_coordinators")
    writer.execute("UPDATE outbox SET next_attempt_at = 1")
    relay.outbox.silence = Silence()
    wait_until(lambda: relay.turn() or empty(server), "an empty outbox")
    wait_until(lambda: len(mailbox.received("RejectedTransfer")) >= number)
    received = [event["coordinator_request_id"] for event in mailbox.received("RejectedTransfer")]
    assert sorted(received) == list(range(number))


def test_what_was_parked_meanwhile_stays(server, writer, relay, mailbox):
    """A queue that comes lets go what waits, and not what an operator has told to wait."""
    nobodys(writer, 3, batch=1)
    wait_until(lambda: relay.turn() or waits(server) == 3, "all of them returned")
    [(first,), *_] = server.rows("SELECT outbox_id FROM outbox ORDER BY outbox_id")
    writer.execute("UPDATE outbox SET next_attempt_at = NULL WHERE outbox_id = %s", first)
    mailbox.bind("to_coordinators")
    writer.execute("UPDATE outbox SET next_attempt_at = 1 WHERE outbox_id > %s", first)
    relay.outbox.silence = Silence()
    wait_until(lambda: relay.turn() or len(server.rows(ROWS)) == 1, "one row")
    assert server.rows(ROWS)[0][2] is None


def test_a_row_that_cannot_be_read_is_set_aside(server, writer, relay, mailbox, caplog):
    """O6: an alarm, and no delay for the others."""
    now = clock.utcnow()
    writer.apply(configure(1, ts=now))
    writer.execute("UPDATE outbox SET payload = 'rubbish'")
    writer.apply(configure(2, ts=now))
    relay.turn()
    mailbox.wait_for("AccountUpdate", creditor_id=2)
    wait_until(lambda: len(server.rows(ROWS)) == 1)
    assert "ALARM: the row" in caplog.text
    caplog.clear()
    relay.turn()
    assert server.rows(ROWS) == [(None, 0, None, "unreadable", {"AccountUpdate": 1})]
    assert "ALARM" not in caplog.text


def test_a_row_that_is_released_is_read_again(server, writer, relay, mailbox, caplog):
    """What a newer version can read is published; what is still rubbish is set aside once more."""
    writer.apply(configure(1, ts=clock.utcnow()))
    [(payload,)] = writer.rows("SELECT payload FROM outbox")
    writer.execute("UPDATE outbox SET payload = 'rubbish'")
    relay.turn()
    [(outbox_id,)] = writer.rows("SELECT outbox_id FROM outbox WHERE last_failure = 'unreadable'")
    order = Order("a test", "the tests", clock.utcnow)
    for content in (b"more rubbish", bytes(payload)):
        writer.execute("UPDATE outbox SET payload = %s", content)
        caplog.clear()
        settle_unreadable(writer.connection, [outbox_id], "release", "", order=order)
        relay.turn()
        assert ("ALARM: the row" in caplog.text) is (content == b"more rubbish")
    mailbox.wait_for("AccountUpdate", creditor_id=1)
    wait_until(lambda: empty(server), "an empty outbox")


def test_two_relays_share_the_work(server, writer, relay, mailbox):
    """Each row is published by one of them, also if they are at work at the same time."""
    now = clock.utcnow()
    for number in range(120):
        writer.apply(configure(5000 + number, ts=now))
    with ExitStack() as stack:
        relays = [relay, Relay(server)]
        stack.callback(relays[1].close)
        threads = [threading.Thread(target=one.turn) for one in relays for _ in range(1)]
        with locking(server.postgres_url, "LOCK TABLE outbox IN SHARE MODE"):
            for thread in threads:
                thread.start()
            wait_until(lambda: len(server.sessions("swpt_accounts chores", "Lock")) == 2)
        for thread in threads:
            thread.join()
        wait_until(lambda: any(one.turn() for one in relays) or empty(server), "an empty outbox")
    wait_until(lambda: len(mailbox.received("AccountUpdate")) >= 120)
    created = [
        event["creditor_id"] for event in mailbox.received("AccountUpdate") if event["creditor_id"] >= 5000
    ]
    assert sorted(created) == list(range(5000, 5120))


def test_a_relay_that_dies_leaves_its_rows_to_the_next(server, writer, relay, mailbox):
    """It signs what it takes over like everything else, so that nothing is lost with it."""
    now = clock.utcnow()
    wire = Proxy(server.amqp_url)
    with server.running("chores", {"PROTOCOL_BROKER_URL": wire.url}) as chores:
        writer.apply(configure(6000, ts=now))
        mailbox.wait_for("AccountUpdate", creditor_id=6000)
        wait_until(lambda: empty(server))
        wire.freeze(TO_SERVER)
        writer.apply(configure(6001, ts=now))
        wait_until(lambda: server.rows(ROWS)[0][0] != KEY, "that the row is taken over")
        relay.turn()
        assert not mailbox.received("AccountUpdate", creditor_id=6001)
        kill(chores)
    wire.close()
    wait_until(lambda: not server.sessions("swpt_accounts chores") or relay.turn() or empty(server))
    wait_until(lambda: relay.turn() or empty(server), "an empty outbox")
    mailbox.wait_for("AccountUpdate", creditor_id=6001)
    assert len(mailbox.received("AccountUpdate", creditor_id=6001)) == 1
