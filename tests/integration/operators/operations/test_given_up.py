"""What the broker itself has given up waits in `.XQ`: seen by operators, and taken out as dead letters."""

import pika
import pytest

from swpt_accounts.broker.amqp import administration
from swpt_accounts.broker.errors import QueueMissing
from swpt_accounts.operators.operations.given_up import take_given_up
from swpt_accounts.roles.admission import make_admission
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import ALICE, BOB, configure, credit
from tests.backstage.wire import body_of, key_of

QUEUE = "swpt_accounts"
DEAD_QUEUE = "swpt_accounts.XQ"
LETTERS = """
SELECT reason, detail, queue, exchange, routing_key, body, body_size FROM dead_letter ORDER BY dead_letter_id
"""


@pytest.fixture
def broker(amqp_url):
    """A broker with our queues; the address."""
    administration.declare(amqp_url, QUEUE, "#")
    return amqp_url


def given_up(amqp_url, *bodies_and_keys):
    """Send messages that a consumer refuses, as one that a broker has delivered too often."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for body, key in bodies_and_keys:
            properties = pika.BasicProperties(content_type="application/json", delivery_mode=2)
            channel.basic_publish("accounts_in", key, body, properties, mandatory=True)
        seen = 0
        for method, _, _ in channel.consume(QUEUE):
            channel.basic_reject(method.delivery_tag, requeue=False)
            seen += 1
            if seen == len(bodies_and_keys):
                break
        channel.cancel()
        while channel.queue_declare(DEAD_QUEUE, passive=True).method.message_count < seen:
            connection.sleep(0.02)


def take(stand, amqp_url, order, *, most=1000, max_open=100, internal_user=""):
    """What the command does."""
    admit = make_admission(Realm.parse("#"), internal_user)
    return take_given_up(stand.connection, amqp_url, QUEUE, admit, most=most, max_open=max_open, order=order)


def test_they_become_dead_letters_as_they_were_sent(stand, broker, order, audit):
    """With body, exchange and key of the sender, the reason of the broker, and a row of the audit."""
    message = configure(ALICE)
    given_up(broker, (body_of(message), key_of(message)))
    assert take(stand, broker, order) == 1
    [(reason, detail, queue, exchange, key, body, size)] = stand.rows(LETTERS)
    assert (reason, detail) == ("internal_error", "the broker has given it up: rejected")
    assert (queue, exchange, key) == (DEAD_QUEUE, "accounts_in", key_of(message))
    assert (bytes(body), size) == (body_of(message), len(body_of(message)))
    assert audit() == [("dead-letters take-xq", f"queue {DEAD_QUEUE}", "1 messages")]
    assert administration.count_messages(broker, DEAD_QUEUE) == 0
    assert take(stand, broker, order) == 0


def test_what_a_worker_would_have_refused_has_its_reason(stand, broker, order):
    """A message does not become better by way of the broker: a forged credit cannot be returned either."""
    forged = credit(ALICE)
    given_up(broker, (b"{", "0.1"), (body_of(forged), key_of(forged)))
    assert take(stand, broker, order, internal_user="swpt") == 2
    assert [row[0] for row in stand.rows(LETTERS)] == ["bad_json", "not_internal"]
    assert all("the broker has given it up: rejected" in row[1] for row in stand.rows(LETTERS))


def test_what_cannot_be_kept_whole_stays_at_the_broker(stand, broker, order):
    """Beyond the limit of open dead letters bodies are not kept: then nothing is taken."""
    given_up(broker, *((body_of(configure(one)), key_of(configure(one))) for one in (ALICE, BOB)))
    with pytest.raises(OperatorError, match="DEAD_LETTER_MAX_OPEN"):
        take(stand, broker, order, max_open=0)
    assert stand.rows(LETTERS) == []
    assert administration.count_messages(broker, DEAD_QUEUE) == 2
    assert take(stand, broker, order, most=1) == 1
    assert administration.count_messages(broker, DEAD_QUEUE) == 1


def test_a_queue_that_is_missing_is_one_line(stand, amqp_url, order):
    """As everywhere: what to do, and no traceback."""
    with pytest.raises(QueueMissing, match="configure"):
        take(stand, amqp_url, order)
