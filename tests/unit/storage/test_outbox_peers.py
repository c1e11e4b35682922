"""Whom events wait for: what is returned waits by peers, all else alone; and silence has an end."""

import pytest

from swpt_accounts.events import ACCOUNTS_IN, TO_COORDINATORS, TO_CREDITORS, Envelope
from swpt_accounts.storage.outbox.peers import MOST_TOGETHER, Peer, Silence, leftovers, peer_of


def envelope(exchange=TO_CREDITORS, key="00.00.01.02", coordinator_type=None) -> Envelope:
    """An event on its way."""
    return Envelope(
        exchange=exchange,
        routing_key=key,
        type="AccountUpdate",
        debtor_id=1,
        creditor_id=1,
        coordinator_type=coordinator_type,
        coordinator_id=None,
        mandatory=True,
        body=b"{}",
    )


ONE, SAME, OTHER = envelope(), envelope(key="00.00.01.ff"), envelope(key="00.00.02.02")
PUT_BACK = envelope(ACCOUNTS_IN)


@pytest.mark.parametrize(
    ("envelopes", "unsettled", "expected"),
    [
        ([ONE, SAME], [(0, "returned"), (1, "returned")], [("returned", [0, 1])]),
        ([ONE, OTHER], [(0, "returned"), (1, "returned")], [("returned", [0]), ("returned", [1])]),
        ([ONE, SAME], [(0, "nacked"), (1, "nacked")], [("nacked", [0]), ("nacked", [1])]),
        ([ONE, SAME], [(0, "returned"), (1, "unanswered")], [("returned", [0]), ("unanswered", [1])]),
        ([PUT_BACK, PUT_BACK], [(0, "returned"), (1, "returned")], [("returned", [0]), ("returned", [1])]),
        ([ONE, OTHER, SAME], [(2, "returned")], [("returned", [2])]),
    ],
)
def test_what_goes_on_together(envelopes, unsettled, expected):
    """Events for one peer, which no queue wanted: nothing else is a sign that they share a fate."""
    assert [tuple(one) for one in leftovers(envelopes, unsettled)] == expected


def test_a_row_has_a_measure():
    """More events than fit into a row go on in several."""
    number = 2 * MOST_TOGETHER + 1
    found = leftovers([ONE] * number, [(index, "returned") for index in range(number)])
    assert [len(one.indexes) for one in found] == [MOST_TOGETHER, MOST_TOGETHER, 1]
    assert [index for one in found for index in one.indexes] == list(range(number))


@pytest.mark.parametrize(
    ("coordinator_type", "subnet"), [("direct", "00.00.01"), ("issuing", "00.00.01"), ("nobody", "")]
)
def test_a_way_is_what_one_binding_opens(coordinator_type, subnet):
    """Coordinators of our own types are found by their ids, all others by the type."""
    peer = peer_of(envelope(TO_COORDINATORS, coordinator_type=coordinator_type))
    assert peer == Peer(TO_COORDINATORS, coordinator_type, "00.00.01")
    assert peer.way == Peer(TO_COORDINATORS, coordinator_type, subnet)


def test_silence_ends_by_time_or_by_a_queue():
    """A way is not tried before its moment; when a queue is there, at once."""
    silence, way = Silence(), Peer(TO_CREDITORS, "", "00.00.01")
    assert silence.until(way, 5) is None
    silence.begin(way, 5, 10)
    assert silence.until(way, 9) == 10
    assert silence.until(way, 10) is None
    silence.begin(way, 11, 20)
    silence.end(way)
    assert silence.until(way, 11) is None


def test_a_silence_from_ahead_of_the_clock_is_none():
    """It would last until the clock comes there."""
    silence, way = Silence(), Peer(TO_CREDITORS, "", "00.00.01")
    silence.begin(way, 1000, 1010)
    assert silence.until(way, 1001) == 1010
    assert silence.until(way, 10) is None
    silence.begin(way, 10, 20)
    assert silence.until(way, 11) == 20
