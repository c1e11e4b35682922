"""What operators do in the console, who may not, and texts from outside that must stay texts."""

import re
from html.parser import HTMLParser

import msgspec
import pytest

from swpt_accounts.wire.numbers import u64
from tests.backstage.builders import (
    ALICE,
    BOB,
    DEBTOR,
    FIRST_TRANSFER_ID,
    ROOT,
    configure,
    finalize,
    prepared,
    request,
)
from tests.backstage.front_desk import form_token, log_in
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stories import issue, put_aside, wait_for_agent
from tests.backstage.wire import body_of

HTML = {"Accept": "text/html"}
NASTY = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
ORDERS = {
    "/admin/dead-letters/return": {"ids": "1"},
    "/admin/dead-letters/discard": {"ids": "1", "note": "junk"},
    "/admin/chores/tend accounts/run": {},
    "/admin/outbox/agents/to_creditors/00.00.00/park": {},
    "/admin/outbox/rows/discard": {"ids": "1", "note": "junk"},
}


def send(browser, path, form, status=303):
    """Send a form with the mark that the pages give; where it leads, or what it says."""
    mark = form_token(browser.get("/admin/audit", headers=HTML).text)
    answer = browser.post(path, data={"csrf_token": mark} | form, headers=HTML)
    assert answer.status_code == status, answer.text
    if status != 303:
        return answer.text
    return browser.get(answer.headers["Location"], headers=HTML).text


def test_a_dead_letter_is_returned_from_its_page(desk):
    """The message is in the outbox, the page says so, and the audit names the token."""
    browser = log_in(desk, "operator")
    body = body_of(configure(ALICE))
    letter = put_aside(desk.stand, body=body)
    page = browser.get(f"/admin/dead-letters/{letter}").text
    assert f'name="ids" value="{letter}"' in page
    shown = send(browser, "/admin/dead-letters/return", {"ids": str(letter), "note": "mended"})
    assert f"Returned to the queue: dead letter {letter}." in shown
    assert [envelope.body for envelope in desk.stand.envelopes()] == [body]
    [row] = desk.audit()
    assert row[:3] == ("the operator", "127.0.0.1", "dead-letters return")
    assert "wrong_shard: mended" in browser.get("/admin/audit").text
    # A note of what was done is shown once.
    assert "Returned to the queue" not in browser.get("/admin/dead-letters").text


def test_many_dead_letters_are_discarded_at_once(desk):
    """Those that were chosen in the list, with one note."""
    browser = log_in(desk, "operator")
    letters = [put_aside(desk.stand) for _ in range(3)]
    shown = send(browser, "/admin/dead-letters/discard", {"ids": letters[:2], "note": "junk"})
    assert "Discarded: 2 dead letters." in shown
    assert desk.stand.rows("SELECT state FROM dead_letter ORDER BY 1") == [
        ("discarded",),
        ("discarded",),
        ("open",),
    ]
    page = browser.get(f"/admin/dead-letters/{letters[0]}").text
    assert "junk" in page
    assert "Settle it" not in page


@pytest.mark.parametrize(
    ("path", "form", "status", "shown"),
    [
        ("discard", {"ids": "LETTER"}, 422, "note: Missing data"),
        ("discard", {"ids": "LETTER", "note": " "}, 422, "text of 1 to 500"),
        ("return", {}, 422, "choose one dead letter or more"),
        ("return", {"ids": "x"}, 422, "must be a whole number"),
        ("return", {"ids": "99999"}, 409, "there is no dead letter 99999"),
    ],
)
def test_an_order_that_cannot_be_done_is_explained(desk, path, form, status, shown):
    """A page says what is missing, and nothing is changed."""
    letter = put_aside(desk.stand)
    form = {name: str(letter) if value == "LETTER" else value for name, value in form.items()}
    page = send(log_in(desk, "operator"), f"/admin/dead-letters/{path}", form, status)
    assert shown in page
    assert desk.audit() == []


def test_credits_in_transit_have_no_buttons(desk):
    """Money in transit is settled by its own commands only, and the page names them."""
    letter = put_aside(desk.stand, "credit_conflict")
    browser = log_in(desk, "operator")
    page = browser.get(f"/admin/dead-letters/{letter}").text
    assert "money in transit" in page
    assert "formaction" not in page
    page = send(browser, "/admin/dead-letters/discard", {"ids": str(letter), "note": "x"}, 409)
    assert "credits apply" in page


def test_a_chore_is_wished_for(desk):
    """The wish is in the list, and in the audit."""
    with housekeeping(desk.stand.postgres_url) as keeper:
        keeper.do("tend accounts")
    shown = send(log_in(desk, "operator"), "/admin/chores/tend accounts/run", {})
    assert "“tend accounts” will be done" in shown
    assert "wished for" in shown
    assert [row[2] for row in desk.audit()] == ["chores run"]
    send(log_in(desk, "operator"), "/admin/chores/paint the house/run", {}, 404)


def test_events_of_an_agent_are_parked_and_discarded(desk):
    """The buttons stand beside the agent; what cannot be taken back needs a note."""
    wait_for_agent(desk.stand, ALICE, BOB, 0x0000010000000005)
    browser = log_in(desk, "operator")
    [agent, _] = re.findall(r'formaction="([^"]+)/park"', browser.get("/admin/outbox").text)
    assert agent.endswith("/to_creditors/00.00.00")
    assert "Parked: 2 events for 00.00.00 at to_creditors." in send(browser, agent + "/park", {})
    assert "say in a note why" in send(browser, agent + "/discard", {"note": ""}, 409)
    assert "Discarded: 2 events" in send(browser, agent + "/discard", {"note": "bankrupt"})
    assert [row[2] for row in desk.audit()] == ["outbox park", "outbox discard"]


def test_agents_are_looked_for_further_on(desk, monkeypatch):
    """A page that could not look at all rows says so, and leads on; its orders begin where it begins."""
    wait_for_agent(desk.stand, ALICE, BOB, 0x0000010000000005)
    for name, value in {
        "inspection.agents._STEP": 2,
        "inspection.agents._LIST_SECONDS": -1.0,
        "operations.agents._ORDER_SECONDS": -1.0,
    }.items():
        monkeypatch.setattr(f"swpt_accounts.operators.{name}", value)
    browser = log_in(desk, "operator")
    page = browser.get("/admin/outbox").text
    assert "00.00.01" not in page
    [further] = re.findall(r'<a href="([^"]+)">Look at newer rows</a>', page)
    page = browser.get(further).text
    assert "to the newest were looked at" in " ".join(page.split())
    [agent] = re.findall(r'formaction="([^"]+)/park"', page)
    [after] = re.findall(r'name="after" value="([^"]+)"', page)
    assert further.endswith(f"after={after}")
    assert "Parked: 1 event for 00.00.01" in send(browser, agent + "/park", {"after": after})
    shown = send(browser, "/admin/outbox/agents/to_creditors/00.00.00/park", {})
    assert "Parked: 2 events for 00.00.00 at to_creditors. There may be more of them: look again." in shown


def test_unreadable_rows_have_buttons_of_their_own(desk):
    """Other rows have none; what cannot be taken back needs a note."""
    wait_for_agent(desk.stand, ALICE, BOB, 1003)
    [first, second, third] = [one for (one,) in desk.stand.rows("SELECT outbox_id FROM outbox ORDER BY 1")]
    desk.stand.execute(
        "UPDATE outbox SET last_failure = 'unreadable', next_attempt_at = NULL WHERE outbox_id <> %s", third
    )
    assert "formaction" not in log_in(desk, "viewer").get("/admin/outbox").text
    browser = log_in(desk, "operator")
    page = browser.get("/admin/outbox").text
    assert "Some rows cannot be read" in page
    assert re.findall(r'aria-label="Discard row (\d+)"', page) == [str(first), str(second)]
    assert f"Will be tried again: row {first}." in send(
        browser, "/admin/outbox/rows/release", {"ids": str(first)}
    )
    rows = {"ids": [str(first), str(second)]}
    assert "say in a note why" in send(browser, "/admin/outbox/rows/discard", rows | {"note": ""}, 409)
    assert "Discarded: 2 rows." in send(browser, "/admin/outbox/rows/discard", rows | {"note": "lost"})
    assert "Some rows cannot be read" not in browser.get("/admin/outbox").text
    assert "one of release, discard" in send(browser, "/admin/outbox/rows/park", rows, 422)


class Forms(HTMLParser):
    """The forms of a page that change something: with a text field, and which button is the first."""

    def __init__(self, page):
        super().__init__()
        self.texts = set()
        self.first = {}
        self._open = None
        self.feed(page)

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        if tag == "form":
            self._open = attributes.get("id", self.getpos()) if attributes.get("method") == "post" else None
        owner = attributes.get("form", self._open)
        if owner is None:
            return
        if tag == "button":
            self.first.setdefault(owner, attributes)
        if tag == "input" and attributes.get("type", "text") in ("text", "checkbox"):
            self.texts.add(owner)

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None


def test_enter_in_a_note_gives_no_order(desk):
    """Enter presses the first button of a form: where somebody types or chooses, that one does nothing."""
    wait_for_agent(desk.stand, ALICE, BOB)
    desk.stand.execute(
        "UPDATE outbox SET last_failure = 'unreadable' WHERE outbox_id = (SELECT min(outbox_id) FROM outbox)"
    )
    letter = put_aside(desk.stand)
    browser = log_in(desk, "operator")
    found = 0
    for path in ("outbox", "dead-letters", f"dead-letters/{letter}", "chores", "audit", ""):
        forms = Forms(browser.get(f"/admin/{path}").text)
        for owner in forms.texts:
            assert "disabled" in forms.first[owner], (path, owner)
            found += 1
    assert found == 4


def test_odd_orders_about_agents_are_explained(desk):
    """422 for an action or a subnet that does not exist."""
    browser = log_in(desk, "operator")
    agents = "/admin/outbox/agents"
    assert "one of park" in send(browser, f"{agents}/to_creditors/00.00.00/burn", {}, 422)
    assert "three bytes" in send(browser, f"{agents}/to_creditors/00/park", {}, 422)
    assert "one of to_creditors" in send(browser, f"{agents}/to_nobody/00.00.00/park", {}, 422)
    assert desk.audit() == []


def test_a_viewer_is_refused(desk):
    """403 as a page for every order, whatever the form says, and nothing is changed."""
    put_aside(desk.stand)
    browser = log_in(desk, "viewer")
    for path, form in ORDERS.items():
        page = send(browser, path, form, 403)
        assert "yours has the role viewer" in page
    assert desk.audit() == []
    assert desk.stand.value("SELECT state FROM dead_letter") == "open"


def test_a_forged_form_is_refused(desk):
    """Without the mark of the page an order of a session is a 400, and nothing is changed."""
    put_aside(desk.stand)
    browser = log_in(desk, "operator")
    for path, form in ORDERS.items():
        for mark in ({}, {"csrf_token": "guess"}):
            assert browser.post(path, data=form | mark, headers=HTML).status_code == 400
    assert desk.audit() == []


def test_texts_from_outside_stay_texts(desk):
    """Notes, configurations, dead letters and searches full of HTML are shown, and obeyed nowhere."""
    stand = desk.stand
    stand.apply(*issue(ALICE, 1000), configure(BOB))
    stand.apply(
        request(max_locked_amount=30),
        configure(ALICE, config_data=NASTY, seqnum=9),
    )
    [(transfer_id,)] = stand.rows("SELECT transfer_id FROM prepared_transfer")
    waiting = prepared(transfer_id=transfer_id, locked_amount=30)
    stand.apply(finalize(waiting, 30, transfer_note=NASTY[:500], transfer_note_format=""))
    stand.execute("UPDATE journal SET coordinator_type = %s WHERE transfer_note <> ''", NASTY[:30])
    letter = put_aside(stand, "bad_json", detail=NASTY, body=msgspec.json.encode({NASTY: NASTY}))
    browser = log_in(desk, "operator")
    send(browser, "/admin/dead-letters/discard", {"ids": str(letter), "note": NASTY})
    debtor = f"/admin/debtors/{DEBTOR}"
    pages = {
        f"{debtor}/accounts/{ALICE}": True,
        f"{debtor}/accounts/{BOB}": True,
        f"{debtor}/accounts/{u64(ROOT)}": False,
        f"{debtor}/accounts/{ALICE}/transfers/{transfer_id}": True,
        f"{debtor}/accounts/{ROOT}/transfers/{FIRST_TRANSFER_ID}": False,
        debtor: False,
        "/admin/": False,
        "/admin/refusals": True,
        "/admin/dead-letters?state=all": True,
        f"/admin/dead-letters/{letter}": True,
        "/admin/audit": True,
    }
    for path, is_there in pages.items():
        page = browser.get(path, headers=HTML)
        assert page.status_code == 200, path
        check_harmless(page.text, is_there=is_there)
    for path in ("/admin/search", "/admin/login"):
        check_harmless(browser.get(path, query_string={"q": NASTY, "next": NASTY}, headers=HTML).text)


def check_harmless(page, *, is_there=False):
    """No text has become an element; the text itself is there if it must be."""
    assert "<script>" not in page
    assert "<img src=x" not in page
    if is_there:
        assert "&lt;script&gt;" in page
