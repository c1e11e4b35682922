"""One shard of several in the API and the console: its part, and requests that wait for others."""

import pytest

from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.routing import binary_key
from tests.backstage.builders import ALICE, BOB, DEBTOR, HOUR, NOW, SECOND
from tests.backstage.front_desk import front_desk, log_in

SHARD = {
    "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "0.#",
    "INTERNAL_USER": "guest",
    "FETCH_API_URL": "http://127.0.0.1:1",
}
WAIT = """
INSERT INTO waiting_request (debtor_id, creditor_id, coordinator_type, coordinator_id, coordinator_request_id,
    recipient_creditor_id, min_locked_amount, max_locked_amount, final_interest_rate_ts, max_commit_delay, ts,
    waiting_since, attempts, next_attempt_at)
VALUES (%s, %s, %s, 5, %s, %s, 0, 0, 0, 0, 0, %s, 3, %s)
"""


@pytest.fixture
def shard_desk(stand):
    """The admin listener of one shard of two."""
    stand.execute("UPDATE shard_record SET realm = '0.#', realm_since = %s", NOW - HOUR)
    with front_desk(stand, **SHARD) as desk:
        yield desk


def wait(stand, number, kind="direct", since=NOW - HOUR):
    """A request from ALICE to BOB that waits for another shard."""
    stand.execute(WAIT, DEBTOR, ALICE, kind, number, BOB, since, NOW + SECOND)


def test_a_shard_says_which_part_it_is(shard_desk, desk):
    """Who asks a program of a node knows whose answers these are."""
    assert shard_desk.get("/shard") == {
        "realm": "0.#",
        "realm_since": render_timestamp(NOW - HOUR),
        "is_only_shard": False,
        "deletes_foreign_records": False,
    }
    assert desk.get("/shard")["is_only_shard"] is True
    assert "accounts 0.#" in log_in(shard_desk, "viewer").get("/admin/").text


def test_what_waits_for_another_shard_is_shown(shard_desk, stand):
    """The oldest first, with the key of the recipient, which says whose shard does not answer."""
    wait(stand, 1, since=NOW - 60 * SECOND)
    wait(stand, 2)
    [first, second] = shard_desk.get("/waiting-requests")["items"]
    assert (first["coordinator_request_id"], second["coordinator_request_id"]) == ("2", "1")
    assert (first["waiting_seconds"], first["attempts"]) == (3600.0, 3)
    assert binary_key(DEBTOR, BOB).startswith(first["recipient_key"])
    assert shard_desk.get("/waiting-requests", debtor_id=DEBTOR + 1)["items"] == []
    browser = log_in(shard_desk, "viewer")
    assert first["recipient_key"] in browser.get("/admin/waiting-requests").text
    overview = browser.get("/admin/").text
    assert "2 requests wait for the answer of another shard, the oldest for 1 h" in overview
    assert '<span class="badge" title="now">2</span>' in overview


def test_pages_of_waiting_requests_hold_each_once(shard_desk, stand):
    """Also of those that began to wait together and differ in the type of their coordinator only."""
    for number in range(3):
        for kind in ("direct", "agent", "issuing"):
            wait(stand, number, kind)
    seen, page = [], None
    while True:
        query = {"limit": 2} if page is None else {"limit": 2, "page": page}
        answer = shard_desk.get("/waiting-requests", **query)
        seen += [(one["coordinator_type"], one["coordinator_request_id"]) for one in answer["items"]]
        if (page := answer["next"]) is None:
            break
    assert len(seen) == len(set(seen)) == 9


def test_the_only_shard_does_not_offer_the_page(desk):
    """Nothing can wait there; the page says so to who knows its address."""
    assert "waiting-requests" not in log_in(desk, "viewer").get("/admin/").text
