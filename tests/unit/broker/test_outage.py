"""Log lines, and problems as one clear line."""

import logging
import socket
import ssl
import threading

import pika.exceptions
import pytest

from swpt_accounts.broker.amqp.addresses import parameters_of
from swpt_accounts.broker.amqp.connection import Connection
from swpt_accounts.broker.errors import (
    BrokerProblem,
    CannotReach,
    ChannelClosed,
    NoSuchVirtualHost,
    WrongPassword,
    explained,
)
from swpt_accounts.broker.outage import Outage
from swpt_accounts.broker.topology import queues
from swpt_accounts.broker.waker import Waker
from swpt_accounts.runtime.standstill import Standstill


def test_an_outage_is_reported_once_per_reason(caplog):
    """The same reason again is silent; another one, and the end, are reported."""
    outage = Outage(logging.getLogger("test"), "Publisher", Standstill("publisher"))
    with caplog.at_level("INFO"):
        for text in ("refused", "refused", "no such virtual host", "no such virtual host"):
            outage.began(BrokerProblem(text))
        outage.ended()
    assert [record.getMessage() for record in caplog.records] == [
        "Publisher: refused; trying again until it works.",
        "Publisher: no such virtual host; trying again until it works.",
        "Publisher: connected again.",
    ]


@pytest.mark.parametrize(
    ("error", "problem", "text"),
    [
        (pika.exceptions.ProbableAuthenticationError(), WrongPassword, "wrong password"),
        (pika.exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED"), WrongPassword, "wrong password"),
        (pika.exceptions.ConnectionClosedByBroker(530, "vhost x"), NoSuchVirtualHost, "no such virtual host"),
        (pika.exceptions.ChannelClosedByBroker(403, "ACCESS_REFUSED"), ChannelClosed, "403 ACCESS_REFUSED"),
        (pika.exceptions.AMQPConnectionError(ConnectionRefusedError(111, "refused")), CannotReach, "refused"),
        (socket.gaierror(-2, "Name or service not known"), CannotReach, "unknown host name"),
        (TimeoutError(), CannotReach, "no answer in time"),
        (ssl.SSLError(1, "[SSL] wrong version number"), CannotReach, "TLS failed"),
        (pika.exceptions.AMQPConnectionError(), CannotReach, "nobody answers"),
        (BrokerProblem("as it is"), BrokerProblem, "as it is"),
    ],
)
def test_every_exception_of_pika_becomes_one_clear_line(error, problem, text):
    """Whatever pika raises is reported as what an operator can mend."""
    found = explained(error, "host:5672")
    assert type(found) is problem
    assert text in str(found)
    assert "\n" not in str(found)


def test_a_port_where_nobody_listens_is_reported(caplog):
    """A refused connection is one clear line that names the address and not the password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        waker = Waker()
        with pytest.raises(CannotReach) as caught:
            Connection(f"amqp://user:secret@127.0.0.1:{port}/v", "test", waker)
        waker.close()
    assert str(caught.value) == (
        f"cannot reach the broker at 127.0.0.1:{port}, virtual host v: Connection refused"
    )


def test_a_server_that_is_no_broker_is_reported():
    """Another protocol behind the port ends the attempt with a problem, not with a crash."""
    waker = Waker()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(8)
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(BrokerProblem, match="no AMQP frames"):
            Connection(f"amqp://127.0.0.1:{port}", "test", waker)
        thread.join()
    waker.close()


@pytest.mark.parametrize("url", ["http://localhost", "", "amqp://localhost:port", "amqp://h?heartbeat=x"])
def test_what_is_no_url_is_reported(url):
    """A URL that cannot be read is a problem with one clear line."""
    with pytest.raises(BrokerProblem, match="not a URL of an AMQP broker"):
        parameters_of(url)


@pytest.mark.parametrize(
    "name",
    [
        "creditors_in",
        "creditors_out",
        "debtors_in",
        "debtors_out",
        "to_trade",
        "ca.1",
        "aa.1",
        "da.1",
        "amq.x",
        "",
    ],
)
def test_names_of_others_are_never_declared(name):
    """Queues of agents and relays are not ours to declare (rules.md#the-queues)."""
    with pytest.raises(ValueError, match="belongs to others"):
        queues(name)


def test_the_queues_have_the_arguments_of_the_specification():
    """The table of rules.md#the-queues."""
    dead, main = queues("swpt_accounts")
    assert (dead.name, dead.arguments) == ("swpt_accounts.XQ", {"x-queue-type": "quorum"})
    assert main.name == "swpt_accounts"
    assert main.arguments == {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "swpt_accounts.XQ",
        "overflow": "reject-publish",
    }
