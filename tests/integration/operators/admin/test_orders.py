"""The few orders of operators: done, refused in a sentence, and written into the audit."""

from threading import Event

import pika.spec
import pytest

from swpt_accounts.storage.outbox.rows import unpack
from tests.backstage.builders import ALICE, BOB, DEBTOR, NOW, SECOND, configure, text
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stories import put_aside, wait_for_agent
from tests.backstage.wire import body_of

PROPERTIES = b"".join(
    pika.spec.BasicProperties(content_type="application/json", type="ConfigureAccount").encode()
)
AGENT = "/outbox/agents/to_creditors/00.00.00"


# -- dead letters ------------------------------------------------------------------------------


def test_a_dead_letter_is_shown_raw_and_decoded(desk):
    """The body as text and byte for byte, and the message if it is one."""
    body = body_of(configure(ALICE))
    good = put_aside(desk.stand, body=body, properties=PROPERTIES)
    bad = put_aside(desk.stand, "bad_json", b"\xff<script>")
    shown = desk.get(f"/dead-letters/{good}")
    assert shown["body_text"] == body.decode()
    assert shown["message_type"] == "ConfigureAccount"
    assert shown["message"]["creditor_id"] == str(ALICE)
    assert shown["message"]["ts"] == text(NOW)
    assert shown["letter"]["reason"] == "wrong_shard"
    shown = desk.get(f"/dead-letters/{bad}")
    assert (shown["body_text"], shown["message"], shown["body_base64"]) == (None, None, "/zxzY3JpcHQ+")
    listed = desk.get("/dead-letters", limit=1)
    assert [one["dead_letter_id"] for one in listed["items"]] == [str(good)]
    listed = desk.get("/dead-letters", limit=1, page=listed["next"])
    assert [one["dead_letter_id"] for one in listed["items"]] == [str(bad)]
    assert listed["next"] is None
    assert desk.get("/dead-letters", reason="bad_json")["items"][0]["dead_letter_id"] == str(bad)
    assert desk.get("/dead-letters", state="returned")["items"] == []


def test_dead_letters_are_returned_and_discarded(desk):
    """A returned one is in the outbox, byte for byte; the audit names the token and the address."""
    body = body_of(configure(ALICE))
    first, second = put_aside(desk.stand, body=body), put_aside(desk.stand)
    assert desk.post("/dead-letters/return", {"ids": [first], "note": "mended"}) == {"ids": [str(first)]}
    assert desk.post("/dead-letters/discard", {"ids": [second], "note": "junk"}) == {"ids": [str(second)]}
    assert [envelope.body for envelope in desk.stand.envelopes()] == [body]
    assert desk.audit() == [
        ("the operator", "127.0.0.1", "dead-letters return", f"dead letter {first}", "wrong_shard: mended"),
        ("the operator", "127.0.0.1", "dead-letters discard", f"dead letter {second}", "wrong_shard: junk"),
    ]
    shown = desk.get("/audit")["items"]
    assert [one["action"] for one in shown[:2]] == ["dead-letters discard", "dead-letters return"]


@pytest.mark.parametrize(
    ("order", "body", "status"),
    [
        ("return", {"ids": [999]}, 409),
        ("return", {"ids": []}, 422),
        ("return", {"ids": [0]}, 422),
        ("return", {"ids": ["999"]}, 409),
        ("return", {"ids": ["01"]}, 422),
        ("return", {"ids": ["-1"]}, 422),
        ("return", {"ids": [1.0]}, 422),
        ("return", {"ids": [True]}, 422),
        ("return", {"ids": [2**63]}, 422),
        ("return", {"ids": list(range(1, 102))}, 422),
        ("return", {}, 422),
        ("return", [], 422),
        ("return", {"ids": [1], "note": "\x00"}, 422),
        ("return", {"ids": [1], "note": "\ud800"}, 422),
        ("return", {"ids": [1], "note": "x" * 501}, 422),
        ("return", {"ids": [1], "more": 1}, 422),
        ("discard", {"ids": [1]}, 422),
        ("discard", {"ids": [1], "note": "  "}, 422),
    ],
)
def test_an_order_that_cannot_be_done_changes_nothing(desk, order, body, status):
    """What is wrong is said in a problem document, and there is no row in the audit."""
    put_aside(desk.stand)
    shown = desk.post(f"/dead-letters/{order}", body, status=status)
    assert shown["status"] == status
    assert len(shown["detail"]) > 10
    assert desk.audit() == []


# -- agents ------------------------------------------------------------------------------------


def waiting(stand):
    """The accounts whose events are in the outbox, and whether they are parked."""
    rows = stand.rows("SELECT payload, next_attempt_at IS NULL FROM outbox ORDER BY outbox_id")
    return [(unpack(bytes(payload))[0].creditor_id, is_parked) for payload, is_parked in rows]


def test_what_no_queue_wants_is_shown_by_agent(desk):
    """Rows and agents are listed; what failed for another reason names no agent."""
    other = 0x0000010000000005
    wait_for_agent(desk.stand, ALICE, BOB, other)
    state = desk.get("/outbox")
    assert (state["rows"], state["failed_rows"], state["parked_rows"]) == (3, 3, 0)
    agents = desk.get("/outbox/agents")
    assert agents["is_complete"]
    assert [(one["agent"]["exchange"], one["agent"]["subnet"], one["rows"]) for one in agents["agents"]] == [
        ("to_creditors", "00.00.00", 2),
        ("to_creditors", "00.00.01", 1),
    ]
    rows = desk.get("/outbox/rows", limit=2)
    assert [one["last_failure"] for one in rows["items"]] == ["returned"] * 2
    assert rows["items"][0]["accounts"] == [{"debtor_id": str(DEBTOR), "creditor_id": str(ALICE)}]
    assert len(desk.get("/outbox/rows", limit=2, page=rows["next"])["items"]) == 1


def test_parked_events_wait_until_they_are_released(desk):
    """They are not tried again, by any relay, until somebody releases them; none is given up (rule O7)."""
    wait_for_agent(desk.stand, ALICE, BOB, 0x0000010000000005)
    done = desk.post(AGENT + "/park", {"note": "moving"})
    assert done == {"rows": 2, "types": {"AccountUpdate": 2}, "is_complete": True, "next_after": None}
    assert [is_parked for _, is_parked in waiting(desk.stand)] == [True, True, False]
    assert [one["parked"] for one in desk.get("/outbox/agents")["agents"]] == [2, 0]
    assert "nothing to park" in desk.post(AGENT + "/park", status=409)["detail"]
    desk.post(AGENT + "/release")
    assert [is_parked for _, is_parked in waiting(desk.stand)] == [False] * 3
    assert [row[2] for row in desk.audit()] == ["outbox park", "outbox release"]
    assert desk.audit()[0][3] == "agent 00.00.00 at to_creditors"


def test_events_of_an_agent_that_is_gone_are_discarded(desk):
    """Only theirs, with a note, and the audit says what they were; accounts are as before."""
    wait_for_agent(desk.stand, ALICE, BOB, 0x0000010000000005)
    before = desk.stand.account(ALICE)
    desk.post(AGENT + "/discard", {"note": " "}, status=422)
    desk.post(AGENT + "/discard", {"note": "bankrupt"})
    assert [creditor_id for creditor_id, _ in waiting(desk.stand)] == [0x0000010000000005]
    assert desk.stand.account(ALICE) == before
    [row] = desk.audit()
    assert row[4].startswith("2 AccountUpdate; rows ")
    assert row[4].endswith(": bankrupt")


@pytest.mark.parametrize(("failure", "key"), [("nacked", None), ("unanswered", None), ("returned", 5)])
def test_what_may_still_arrive_is_not_touched(desk, failure, key):
    """Events that the broker refused in an outage, or that a process has in hand, cannot be discarded."""
    wait_for_agent(desk.stand, ALICE, failure=failure, key=key)
    desk.post(AGENT + "/discard", {"note": "x"}, status=409)
    assert desk.stand.count("outbox") == 1
    assert desk.audit() == []


def few_rows_at_once(monkeypatch, *, rows=2, seconds=-1.0):
    """Let lists and orders read so few rows at once, and stop after one step unless they have time."""
    monkeypatch.setattr("swpt_accounts.operators.inspection.agents._STEP", rows)
    monkeypatch.setattr("swpt_accounts.operators.inspection.agents._LIST_SECONDS", seconds)
    monkeypatch.setattr("swpt_accounts.operators.operations.agents._ORDER_SECONDS", seconds)


OTHER = 0x0000010000000005
OTHER_AGENT = "/outbox/agents/to_creditors/00.00.01"


def test_an_agent_behind_many_rows_of_another_is_found(desk, monkeypatch):
    """However many rows one agent has, the list and the orders come to the next one, step by step."""
    wait_for_agent(desk.stand, *range(2001, 2006), OTHER)
    few_rows_at_once(monkeypatch, seconds=60.0)
    listed = desk.get("/outbox/agents")
    assert [(one["agent"]["subnet"], one["rows"]) for one in listed["agents"]] == [
        ("00.00.00", 5),
        ("00.00.01", 1),
    ]
    assert (listed["is_complete"], listed["next_after"]) == (True, None)
    assert desk.post(OTHER_AGENT + "/park")["rows"] == 1


def test_a_list_that_takes_too_long_says_where_to_go_on(desk, monkeypatch):
    """So does an order, also if it has found nothing so far."""
    wait_for_agent(desk.stand, *range(2001, 2006), OTHER)
    few_rows_at_once(monkeypatch)
    after, seen = "0", []
    while after is not None:
        listed = desk.get("/outbox/agents", after=after)
        assert listed["is_complete"] is (listed["next_after"] is None)
        seen.append([(one["agent"]["subnet"], one["rows"]) for one in listed["agents"]])
        after = listed["next_after"]
    assert seen == [[("00.00.00", 2)], [("00.00.00", 2)], [("00.00.00", 1), ("00.00.01", 1)], []]
    shown = desk.post(OTHER_AGENT + "/park", status=409)["detail"]
    after = int(shown.rpartition("=")[2])
    assert shown.endswith(f"up to row {after} of the outbox: go on behind it, with after={after}")
    after = desk.post(AGENT + "/park", {"after": after})["next_after"]
    assert desk.post(OTHER_AGENT + "/park", {"after": after})["rows"] == 1
    assert [is_parked for _, is_parked in waiting(desk.stand)] == [False, False, True, True, False, True]


def test_an_order_ends_when_it_has_enough(desk, monkeypatch):
    """It says that there may be more, and the next one goes on from there, or from the beginning."""
    wait_for_agent(desk.stand, *range(2001, 2006))
    few_rows_at_once(monkeypatch, seconds=60.0)
    monkeypatch.setattr("swpt_accounts.operators.operations.agents.ENOUGH_EVENTS", 3)
    done = desk.post(AGENT + "/park")
    assert (done["rows"], done["is_complete"]) == (4, False)
    done = desk.post(AGENT + "/park")
    assert (done["rows"], done["is_complete"], done["next_after"]) == (1, True, None)


def test_a_returned_row_that_cannot_be_read_hides_nothing(desk):
    """It belongs to no agent, and the others are shown."""
    wait_for_agent(desk.stand, ALICE, OTHER)
    desk.stand.execute(
        "UPDATE outbox SET payload = 'rubbish' WHERE outbox_id = (SELECT min(outbox_id) FROM outbox)"
    )
    assert [one["agent"]["subnet"] for one in desk.get("/outbox/agents")["agents"]] == ["00.00.01"]


def test_unreadable_rows_are_shown_and_settled(desk):
    """They stand in the list with the reason, can be tried again, or discarded with a note."""
    wait_for_agent(desk.stand, ALICE, BOB, failure="unreadable")
    desk.stand.execute("UPDATE outbox SET attempts = 0, next_attempt_at = NULL, payload = 'rubbish'")
    listed = desk.get("/outbox/rows")["items"]
    assert [(one["last_failure"], one["is_parked"]) for one in listed] == [("unreadable", True)] * 2
    first, second = (one["outbox_id"] for one in listed)
    assert desk.get("/outbox")["failed_rows"] == 2
    assert desk.post("/outbox/rows/release", {"ids": [first]}) == {"ids": [first]}
    desk.post("/outbox/rows/discard", {"ids": [second]}, status=422)
    assert desk.post("/outbox/rows/discard", {"ids": [int(second)], "note": "lost"}) == {"ids": [second]}
    assert "set aside as unreadable" in desk.post("/outbox/rows/release", {"ids": [1]}, status=409)["detail"]
    assert [row["outbox_id"] for row in desk.get("/outbox/rows")["items"]] == [first]
    assert [row[2:4] for row in desk.audit()] == [
        ("outbox release", f"row {first}"),
        ("outbox discard", f"row {second}"),
    ]


def test_odd_agents_are_refused(desk):
    """The exchange is one of ours, the subnet three bytes."""
    assert "three bytes" in desk.post("/outbox/agents/to_creditors/00/park", status=422)["detail"]
    assert "one of" in desk.post("/outbox/agents/accounts_in/00.00.00/park", status=422)["detail"]


# -- chores ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tend accounts", "remove dead letters"])
def test_a_chore_is_done_on_request(desk, name):
    """The wish is kept in the database until a process of the chores fulfils it, and then forgotten."""

    def chore():
        return {one["name"]: one for one in desk.get("/chores")["chores"]}[name]

    with housekeeping(desk.stand.postgres_url) as keeper:
        keeper.do()
        before = chore()["last_started_at"]
        keeper.now = desk.now = desk.now + SECOND
        assert desk.post(f"/chores/{name}/run", status=202)["name"] == name
        assert chore()["requested_at"] is not None
        keeper.chores.turn(Event())
        assert chore()["requested_at"] is None
        assert chore()["last_started_at"] > before
    assert [row[2:4] for row in desk.audit()] == [("chores run", f"chore {name}")]


def test_an_unknown_chore_is_not_run(desk):
    """404, and nothing in the audit."""
    assert "no chore" in desk.post("/chores/paint the house/run", status=404)["detail"]
    assert desk.audit() == []


def test_late_chores_are_shown(desk):
    """A chore that should have been done again long ago has a lag."""
    with housekeeping(desk.stand.postgres_url) as keeper:
        keeper.do("tend accounts")
    [chore] = [one for one in desk.get("/chores")["chores"] if one["name"] == "tend accounts"]
    assert chore["lag_seconds"] == 0.0
    desk.now = NOW + int((chore["period_seconds"] + 60) * 1_000_000)
    chores = {one["name"]: one for one in desk.get("/chores")["chores"]}
    assert chores["tend accounts"]["lag_seconds"] == pytest.approx(60.0)


def test_queues_are_shown_with_their_depths(desk):
    """A missing queue has no depth."""
    assert desk.get("/queues")["queues"] == [
        {"queue": "swpt_accounts", "messages": 3},
        {"queue": "swpt_accounts.XQ", "messages": None},
    ]
