"""What the transport tells comes to the worker in company, and never late."""

import threading

from swpt_client.agent.inbox import Inbox
from swpt_client.store.base import OutboxRow
from swpt_client.transport.base import Delivery

LONG = 3600.0


def delivery(tag=1):
    """A message."""
    return Delivery(body=b"", content_type=None, type=None, exchange="", routing_key="", channel=1, tag=tag)


def test_a_confirmed_publication_waits_for_the_answer():
    """Both are stored together."""
    inbox = Inbox()
    inbox.settle([1], None)
    found = []
    taker = threading.Thread(target=lambda: found.append(inbox.take(500, LONG, linger=LONG)))
    taker.start()
    inbox.deliver([delivery()])
    taker.join(30)
    (told,) = found
    assert (told.settled, [one.tag for one in told.deliveries]) == ([(1, None)], [1])


def test_it_does_not_wait_for_ever():
    """Without an answer it is taken alone, after the first has lingered."""
    inbox = Inbox()
    inbox.settle([1], None)
    inbox.settle([2], None)
    assert inbox.take(500, LONG, linger=0.01).settled == [(1, None), (2, None)]
    inbox.settle([3], None)
    assert inbox.take(500, LONG).settled == [(3, None)]


def test_what_has_not_arrived_is_urgent():
    """So is everything that was confirmed before it."""
    inbox = Inbox()
    inbox.settle([1], None)
    inbox.settle([2], "unanswered")
    inbox.settle([3], None)
    assert [number for number, _ in inbox.take(500, LONG, linger=LONG).settled] == [1, 2, 3]
    inbox.settle([4], None)
    assert inbox.take(500, 0.0, linger=LONG).settled == [(4, None)]


def test_who_stops_takes_no_deliveries():
    """And does not wait for them, but hears what is settled, and that it is woken."""
    inbox = Inbox()
    inbox.deliver([delivery()])
    assert inbox.take(0, 0.0).deliveries == []
    inbox.wake()
    told = inbox.take(0, LONG, linger=LONG)
    assert (told.is_woken, told.deliveries) == (True, [])
    assert not inbox.take(500, LONG).is_woken


def test_what_is_stored_and_claimed_leaves_at_once():
    """Whoever waits is woken by it; when very much of it waits, the rest stays in the outbox."""
    inbox = Inbox()
    for number in range(100):
        assert not inbox.is_backed_up
        inbox.launch(OutboxRow(number, []))
    assert inbox.is_backed_up
    assert [row.id for row in inbox.take(5, 1000.0).rows] == list(range(100))
    assert not inbox.is_backed_up
