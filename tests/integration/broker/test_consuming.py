"""Batches from a real broker, through outages of every kind."""

import shutil
import ssl
import struct
import subprocess
import threading
from collections import Counter
from hashlib import sha256

import pika.frame
import pika.spec
import pytest

from swpt_accounts.broker import BatchLimits, RabbitmqPublisher
from swpt_accounts.broker.amqp import administration
from swpt_accounts.broker.amqp.connection import Connection
from swpt_accounts.broker.errors import CannotReach, NoSuchVirtualHost, WrongPassword
from swpt_accounts.broker.waker import Waker
from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing, give_up
from tests.services.ports import free_port

from .conftest import QUEUE, Server, Wire, envelope, publish_all, send_bodies


@pytest.fixture
def url(amqp_url: str) -> str:
    """A virtual host with the whole topology in it."""
    administration.declare(amqp_url, QUEUE, "#")
    return amqp_url


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


def is_drained(url: str) -> bool:
    """Whether the queue is empty even after all consumers are gone."""
    return administration.count_messages(url, QUEUE) == 0


def test_thousands_of_messages_arrive_once_in_order(url):
    """5,000 messages come in order and once, and their acknowledgements last."""
    send_bodies(url, numbered(5000))
    server = Server(url, limits=BatchLimits(batch_messages=700))
    with server.running():
        wait_until(lambda: len(server.bodies()) >= 5000)
    assert server.bodies() == numbered(5000)
    assert max(len(batch) for batch in server.batches) <= 700
    assert is_drained(url)


def test_any_node_of_several_will_do(url):
    """Some of the nodes in the address are away: commands, publishers and consumers find another."""
    head, _, rest = url.partition("@")
    several = f"{head}@127.0.0.1:{free_port()},{rest.partition('/')[0]},127.0.0.2:1/{rest.partition('/')[2]}"
    administration.declare(several, QUEUE, "#")
    send_bodies(several, numbered(100))
    server = Server(several)
    with server.running():
        wait_until(lambda: len(server.bodies()) >= 100)
    assert server.bodies() == numbered(100)
    with pytest.raises(CannotReach, match=r"127\.0\.0\.2:1, 127\.0\.0\.3:1"):
        administration.declare("amqp://127.0.0.2:1,127.0.0.3:1", QUEUE, "#")


def test_cut_connections_lose_nothing(url, cut):
    """Connections closed by force in mid-flow: everything arrives, service resumes by itself."""
    bodies = numbered(6000)
    server = Server(url, limits=BatchLimits(batch_messages=100), prefetch_count=300)
    publisher = RabbitmqPublisher(url)
    with server.running():
        feeder = threading.Thread(
            target=publish_all, args=(publisher, [envelope(0, body=body) for body in bodies], 50)
        )
        feeder.start()
        for seen in (1000, 3000):
            wait_until(lambda seen=seen: len(server.bodies()) >= seen)  # type: ignore[misc]
            cut()
        feeder.join(40)
        wait_until(lambda: set(server.bodies()) == set(bodies))
    publisher.stop(5)
    assert is_drained(url)


def test_what_fails_is_redelivered_with_a_count(url):
    """A batch that was not settled comes again, and the broker's count can be read."""
    server = Server(url)
    failed: list[bytes] = []

    def fail_once(batch):
        if not failed:
            failed.extend(item.delivery.body for item in batch.items)
            raise RuntimeError("no database")
        batch.settle()

    server.on_batch = fail_once
    send_bodies(url, numbered(10))
    with server.running():
        wait_until(lambda: len(server.bodies()) >= 10)
    assert sorted(server.bodies()) == numbered(10)
    for one in server.deliveries():
        assert (one.redelivered, one.delivery_count) == ((True, 1) if one.body in failed else (False, 0))
    assert is_drained(url)


def test_a_header_that_kills_pika_is_served(url):
    """A timestamp of 2^63 among the headers is a message like any other."""
    table = b"\x04when" + b"T" + struct.pack("!Q", 2**63)
    properties = b"\xa0\x00\x10application/json" + struct.pack("!I", len(table)) + table
    header = struct.pack("!HHQ", 60, 0, 2) + properties
    waker = Waker()
    connection = Connection(url, "test", waker)
    connection.send(
        pika.frame.Method(1, pika.spec.Basic.Publish(exchange="accounts_in", routing_key="0")).marshal()
        + struct.pack("!BHI", 2, 1, len(header))
        + header
        + b"\xce"
        + pika.frame.Body(1, b"{}").marshal()
    )
    connection.close()
    waker.close()
    server = Server(url)
    with server.running():
        wait_until(lambda: len(server.bodies()) == 1)
    (delivery,) = server.deliveries()
    assert delivery.properties == properties
    assert (delivery.content_type, delivery.type) == ("application/json", None)
    assert is_drained(url)


def test_a_huge_body_is_cut_while_it_is_read(url):
    """Of a body of 1 MiB the head, the length and the digest are kept; neighbours are whole."""
    huge = bytes(range(256)) * 4096
    send_bodies(url, [b"before", huge, b"after"])
    server = Server(url)
    with server.running():
        wait_until(lambda: len(server.bodies()) == 3)
    before, found, after = server.deliveries()
    assert (before.body, after.body) == (b"before", b"after")
    assert found.body == huge[:65536]
    assert found.body_size == 1 << 20
    assert found.body_sha256 == sha256(huge).digest()
    assert is_drained(url)


def test_a_deleted_queue_is_reported_and_taken_again(url, caplog):
    """The queue vanishes under the consumer: clear log lines, and service when it is back."""
    server = Server(url)
    with server.running():
        wait_until(lambda: server.is_connected)
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:
            connection.channel().queue_delete(QUEUE)
        wait_until(lambda: "queue missing: swpt_accounts" in caplog.text)
        administration.declare(url, QUEUE, "#")
        send_bodies(url, [b"again"])
        wait_until(lambda: server.bodies() == [b"again"])
    lines = [one for one in caplog.records if one.name == "swpt_accounts.broker.consumer"]
    assert all("\n" not in one.getMessage() and one.exc_info is None for one in lines)
    assert "the broker cancelled the consumer" in caplog.text


def test_a_shut_gate_leaves_the_messages_with_the_broker(url):
    """While the database is away nothing is held; when it is back, all is served."""
    gate = threading.Event()
    gate.set()
    server = Server(url, is_open=gate.is_set)
    with server.running():
        wait_until(lambda: server.is_connected)
        gate.clear()
        wait_until(lambda: not server.is_connected)
        send_bodies(url, numbered(5))
        assert administration.count_messages(url, QUEUE) == 5
        gate.set()
        wait_until(lambda: len(server.bodies()) == 5)
    assert is_drained(url)


def test_stopping_gives_back_what_was_read_ahead(url):
    """A worker that stops acknowledges its batch only; the rest waits for the next worker."""
    send_bodies(url, numbered(100))
    server = Server(url, limits=BatchLimits(batch_messages=10))
    started, stopping = threading.Event(), threading.Event()

    def settle_late(batch):
        started.set()
        assert stopping.wait(20)
        batch.settle()

    server.on_batch = settle_late
    with server.running():
        assert started.wait(20)
        threading.Timer(0.2, stopping.set).start()
    done = len(server.bodies())
    assert 0 < done < 100
    wait_until(lambda: administration.count_messages(url, QUEUE) == 100 - done)


def test_two_consumers_share_a_queue(url):
    """Two workers serve one queue, each message once."""
    first, second = Server(url, prefetch_count=10), Server(url, prefetch_count=10)
    with first.running(), second.running():
        wait_until(lambda: first.is_connected and second.is_connected)
        send_bodies(url, numbered(2000))
        wait_until(lambda: len(first.bodies()) + len(second.bodies()) >= 2000)
    assert Counter(first.bodies() + second.bodies()) == Counter(numbered(2000))
    assert first.bodies()
    assert second.bodies()


def test_a_silent_broker_is_noticed_and_an_idle_one_is_not(url, wire, caplog):
    """Heartbeats keep an idle connection, and end one where nobody answers any more."""
    server = Server(wire.url + "?heartbeat=1")
    with server.running():
        wait_until(lambda: server.is_connected)
        threading.Event().wait(3.5)  # three times as long as the broker waits for a heartbeat
        assert caplog.text.count("is silent") == 0
        send_bodies(url, [b"still there"])
        wait_until(lambda: server.bodies() == [b"still there"])
        wire.is_silent.set()
        wait_until(lambda: "is silent" in caplog.text)
        wire.is_silent.clear()
        send_bodies(url, [b"back"])
        wait_until(lambda: b"back" in server.bodies())


def test_a_restarted_broker_is_served_again(restartable_rabbitmq, caplog):
    """A broker that is killed and comes back: no confirmed message is lost, service resumes soon."""
    node = restartable_rabbitmq
    administration.declare(node.url, QUEUE, "#")
    server = Server(node.url)
    publisher = RabbitmqPublisher(node.url)
    with server.running(), caplog.at_level("INFO"):
        publish_all(publisher, [envelope(number) for number in range(100)])
        wait_until(lambda: len(server.bodies()) >= 100)
        # RabbitMQ 3.10 forgets a quorum queue that is not older than a second when it is killed.
        threading.Event().wait(2)
        node.kill()
        late = threading.Thread(target=publish_all, args=(publisher, [envelope(7000)]))
        late.start()
        wait_until(lambda: not server.is_connected)
        node.start()
        wait_until(lambda: b'{"n":7000}' in server.bodies())
        late.join(5)
    publisher.stop(5)
    lines = [one.getMessage() for one in caplog.records if one.name.startswith("swpt_accounts.broker")]
    assert len(lines) < 20, lines
    assert all(one.exc_info is None for one in caplog.records)


def test_tls_is_spoken(url, tmp_path):
    """amqps:// works for both streams, with the certificate checked."""
    if shutil.which("openssl") is None:
        give_up(ServiceMissing("OpenSSL is missing: as root, apt-get install openssl"))
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    wire = Wire(url, context)
    trusted = f'?ssl_options={{"ca_certs":"{certificate}","cert_reqs":"CERT_REQUIRED"}}'
    secure = wire.url + trusted.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
    bodies = [b"%d" % number * 500 for number in range(3000)]
    server = Server(secure)
    publisher = RabbitmqPublisher(secure)
    with server.running():
        publish_all(publisher, [envelope(0, body=body) for body in bodies])
        wait_until(lambda: len(server.bodies()) == 3000)
    publisher.stop(5)
    wire.close()
    assert server.bodies() == bodies


def test_wrong_passwords_and_virtual_hosts_are_clear(amqp_url):
    """Our own handshake says what is wrong in one line."""
    waker = Waker()
    with pytest.raises(WrongPassword, match="wrong password"):
        Connection(amqp_url.replace("guest:guest", "guest:secret"), "test", waker)
    with pytest.raises(NoSuchVirtualHost, match="no such virtual host"):
        Connection(amqp_url + "-not", "test", waker)
    waker.close()
