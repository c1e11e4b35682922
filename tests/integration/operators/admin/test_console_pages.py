"""The pages of the console: for whom, in which states, and how they refuse."""

import re

import pytest

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64
from tests.backstage.builders import ALICE, BOB, DEBTOR, FIRST_TRANSFER_ID, ROOT, SECOND, configure, request
from tests.backstage.front_desk import log_in
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stories import issue, put_aside, seed
from tests.backstage.wire import body_of

HTML = {"Accept": "text/html"}
ACCOUNT = f"/admin/debtors/{DEBTOR}/accounts/{ALICE}"
LISTS = {
    "/admin/": "Overview",
    "/admin/debtors": "There are no accounts",
    "/admin/prepared-transfers": "No transfer waits",
    "/admin/prepared-transfers?overdue=yes": "No deadline has been missed",
    "/admin/waiting-requests": "No request waits for another shard",
    "/admin/refusals": "Nothing was refused",
    "/admin/dead-letters": "There are no open dead letters",
    "/admin/outbox": "every event found a queue",
    "/admin/chores": "No process has ever taken up the chores",
    "/admin/audit": "tokens create",
    "/admin/search": "What can be searched",
}


def read(browser, path, status=200):
    """The text of a page as a browser gets it."""
    answer = browser.get(path, headers=HTML)
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "text/html"
    assert "Traceback" not in answer.text
    return answer.text


@pytest.fixture
def viewer(desk):
    """A browser of a viewer."""
    return log_in(desk, "viewer")


@pytest.fixture
def operator(desk):
    """A browser of an operator."""
    return log_in(desk, "operator")


# -- all pages ---------------------------------------------------------------------------------


def test_every_page_shows_that_it_is_empty(viewer):
    """On a new server each page says so in a sentence, instead of showing nothing."""
    for path, sentence in LISTS.items():
        assert sentence in read(viewer, path), path


def test_every_page_is_a_whole_document(desk, operator):
    """Each has a title, one heading of the first rank, landmarks, and labels for all fields."""
    seed(desk.stand)
    desk.stand.apply(request())
    put_aside(desk.stand)
    one = [f"/admin/debtors/{DEBTOR}", ACCOUNT, f"{ACCOUNT}/prepared-transfers", "/admin/dead-letters/1"]
    one[-1] = f"/admin/dead-letters/{desk.stand.value('SELECT max(dead_letter_id) FROM dead_letter')}"
    for path in (*LISTS, *one):
        page = read(operator, path)
        assert len(re.findall(r"<h1", page)) == 1, path
        assert page.count("<main") == page.count("</main>") == page.count("<header") == 1, path
        assert "<html lang=" in page
        assert re.search(r"<title>[^<]+ · swpt_accounts</title>", page), path
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), (path, ids)
        for field in re.findall(r"<(?:input|select)[^>]*>", page):
            if 'type="hidden"' not in field and "aria-label" not in field:
                name = re.search(r' id="([^"]+)"', field)
                assert name is not None, field
                assert f'for="{name[1]}"' in page, field
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", page), path


def test_strangers_are_led_to_the_login_and_back(desk):
    """A page asks for a token, and then shows what was wanted."""
    browser = desk.client()
    answer = browser.get(ACCOUNT + "?order=oldest")
    assert answer.status_code == 303
    page = read(browser, answer.headers["Location"])
    assert "order=oldest" in page
    assert "Sections" not in page


def test_a_viewer_sees_no_forms_of_operators(desk, viewer, operator):
    """What a viewer could not send is not there; logging out is."""
    letter = put_aside(desk.stand)
    with housekeeping(desk.stand.postgres_url) as keeper:
        keeper.do("tend accounts")
    for path in ("/admin/dead-letters", f"/admin/dead-letters/{letter}", "/admin/chores"):
        forms = re.findall(r'<form method="post"', read(viewer, path))
        assert len(forms) == 1, path
        assert len(re.findall(r'<form method="post"', read(operator, path))) > 1, path


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("debtors/x", 422, "must be an id: a whole number"),
        ("debtors/8", 404, "no account of debtor 8"),
        (f"debtors/{DEBTOR}/accounts/99999999999999999999", 422, "must be an id"),
        (f"debtors/{DEBTOR}/accounts/5", 404, f"There is no account {DEBTOR}/5"),
        (f"debtors/{DEBTOR}/accounts/{ALICE}/transfers/1", 404, "There is no transfer 1"),
        (f"debtors/{DEBTOR}/accounts/{ALICE}?since=yesterday", 422, "like 2026-11-21 10:00"),
        (f"debtors/{DEBTOR}/accounts/{ALICE}?order=big", 422, "must be one of newest, oldest"),
        (f"debtors/{DEBTOR}/accounts/{ALICE}?page=x", 422, "page: must be"),
        (f"debtors/{DEBTOR}/accounts/{ALICE}?since=2026-11-22&until=2026-11-21", 422, "must not be after"),
        (f"debtors/{DEBTOR}?first=5&last=4", 422, "must not be greater"),
        (f"debtors/{DEBTOR}?limit=501", 422, "from 1 to 500"),
        ("dead-letters/0", 422, "whole number from 1"),
        ("dead-letters/99", 404, "no dead letter 99"),
        ("refusals?creditor_id=1", 422, "must be given with creditor_id"),
        ("search?q=many", 422, "must be an id"),
        ("search?q=1/2/3/4", 422, "debtor/sender/transfer, and no more"),
        ("nothing", 404, "There is nothing at this address"),
    ],
)
def test_a_wrong_address_is_explained(desk, viewer, path, status, shown):
    """404 or 422 as a page with a sentence that says what is expected, and the way on."""
    desk.stand.apply(configure(ALICE))
    page = read(viewer, f"/admin/{path}", status)
    assert shown in page.replace("&#39;", "'")
    assert "To the overview" in page


def test_empty_fields_of_a_form_ask_nothing(desk, viewer):
    """A browser sends the fields that nobody has filled as well."""
    desk.stand.apply(configure(ALICE))
    read(viewer, f"/admin/debtors/{DEBTOR}?state=any&first=&last=")
    read(viewer, ACCOUNT + "?since=&until=2026-11-21T10:00&order=newest")
    read(viewer, "/admin/refusals?debtor_id=&creditor_id=&since=&until=")
    read(viewer, "/admin/dead-letters?state=open&reason=")


def test_a_missing_database_is_a_page_too(desk, caplog):
    """503 with a sentence, whoever asks for whichever page."""
    desk._settings = type(desk._settings)(
        postgres_url="postgresql://u:hush@127.0.0.1:1/d", admin_secret_key="x" * 32
    )
    app = desk.another_app()
    bearer = HTML | {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    for path in ("/admin/", ACCOUNT, "/admin/search?q=1"):
        answer = app.test_client().get(path, headers=bearer)
        assert (answer.status_code, answer.mimetype) == (503, "text/html"), answer.text
        assert "The database cannot be asked" in answer.text
    assert "hush" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_missing_broker_leaves_the_pages_readable(desk):
    """Overview and outbox say that the broker is away, and show the rest."""

    def count(queue):
        raise BrokerProblem("no answer from amqp://guest:hush@nowhere")

    app = desk.another_app(count_messages=count)
    bearer = HTML | {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    for path in ("/admin/", "/admin/outbox"):
        answer = app.test_client().get(path, headers=bearer)
        assert answer.status_code == 200
        assert "no answer from" in answer.text
        assert "hush" not in answer.text
    app.extensions["swpt_accounts admin context"].close()


# -- what they show ----------------------------------------------------------------------------


def test_nothing_needs_attention_on_a_sound_server(desk):
    """With all checks well the overview says so, and judges the money."""
    seed(desk.stand)
    # The database has a clock of its own, with which that of the host is compared.
    desk.now = desk.stand.machine_moment()
    browser = log_in(desk, "viewer")
    with housekeeping(desk.stand.postgres_url) as keeper:
        keeper.now = desk.now
        keeper.do("summarize debtors")
    page = read(browser, "/admin/")
    assert "Nothing: all checks are well" in page
    assert "adds up to 0" in page


def test_the_overview_shows_what_needs_attention(desk):
    """Dead letters, overdue transfers, late chores, and money that does not add up, each with a link."""
    seed(desk.stand)
    desk.stand.apply(request(max_commit_delay=1))
    put_aside(desk.stand)
    with housekeeping(desk.stand.postgres_url) as keeper:
        keeper.do("tend accounts", "summarize debtors")
    desk.stand.execute("UPDATE debtor_summary SET principals = 5")
    desk.now += 30 * 86400 * SECOND
    page = read(log_in(desk, "viewer"), "/admin/")
    assert "1 debtor does not add up to 0." in page
    assert "1 dead letter is open." in page
    assert '<a href="/admin/prepared-transfers?overdue=yes">' in page
    assert "The chore “tend accounts” is late by" in page
    assert "does not add up</span>" in page
    assert page.index("does not add up to 0.") < page.index("1 dead letter")


def test_what_the_broker_has_given_up_needs_attention(desk):
    """Messages in the queue `.XQ` were answered by nobody: the overview says so, and /metrics counts them."""
    desk.app.extensions["swpt_accounts admin context"].close()
    desk.app = desk.another_app(count_messages=lambda queue: 2 if queue.endswith(".XQ") else 0)
    assert "2 messages were given up by the broker" in read(log_in(desk, "viewer"), "/admin/")
    assert "messages_given_up 2.0" in desk.ask("/metrics").text


def test_rates_are_those_of_the_journal(desk, viewer):
    """Each minute of the last hour has a bar with its number; older minutes have none."""
    desk.stand.apply(*issue(ALICE, 100))
    desk.stand.apply(configure(BOB), request(min_locked_amount=10**9, max_locked_amount=10**9))
    page = read(viewer, "/admin/")
    assert page.count("<rect") == 2
    assert "10:00 · 1 transfers" in page
    assert "10:00 · 1 refusals" in page
    desk.now += 3600 * SECOND
    assert "<rect" not in read(log_in(desk, "viewer"), "/admin/")


def test_very_many_of_a_minute_are_estimated(desk, viewer, monkeypatch):
    """Only the first rows of a minute are counted; the page says that its number is an estimate."""
    from swpt_accounts.operators.inspection import activity

    monkeypatch.setattr(activity, "MOST_COUNTED", 10)
    monkeypatch.setattr(activity, "_REFUSALS", activity._REFUSALS.replace("LIMIT 1000", "LIMIT 10"))
    start = desk.now - 600 * SECOND
    desk.stand.execute(
        "INSERT INTO refusal (refused_at, kind, code, debtor_id, creditor_id)"
        " SELECT %s + number * 1000000, 'transfer', 'TIMEOUT', 7, 1 FROM generate_series(1, 50) AS number",
        start,
    )
    assert "about 60 refusals" in read(viewer, "/admin/")


def test_a_transfer_is_followed_from_the_overview_to_both_ledgers(desk, viewer):
    """Overview, transfer, the ledger of the sender, back, the ledger of the recipient: four clicks."""
    desk.stand.apply(*issue(ALICE, 1000), configure(BOB))
    path = f"/admin/debtors/{DEBTOR}/accounts/{ROOT}/transfers/{FIRST_TRANSFER_ID}"
    assert f'href="{path}"' in read(viewer, "/admin/")
    page = read(viewer, path)
    ledgers = re.findall(r'href="([^"]+#ledger)"', page)
    assert len(ledgers) == 2
    for ledger, amount in zip(ledgers, ("−1,000", "+1,000"), strict=True):
        shown = read(viewer, ledger.removesuffix("#ledger").replace("&amp;", "&"))
        assert amount in shown
        assert f'href="{path}"' in shown


def test_an_account_is_shown_whole(desk, viewer):
    """Every field of the account is on its page, with balance, plot, locks and refusals."""
    stand = desk.stand
    seed(stand)
    stand.apply(request(max_locked_amount=50), request(coordinator_request_id=9, min_locked_amount=10**9))
    desk.now += SECOND
    page = read(viewer, ACCOUNT)
    account = stand.account(ALICE)
    for name in account.__struct_fields__:
        if name not in ("debtor_id", "creditor_id"):
            assert f"<code>{name}</code>" in page, name
    assert 'data-copy="950"' in page
    assert '<path class="steps" d="M' in page
    assert "INSUFFICIENT_AVAILABLE_AMOUNT" in page
    assert page.count('data-label="Locked"') == 1


def test_an_account_that_is_gone_keeps_its_ledger(desk, viewer):
    """The journal knows it still; the page says that the account does not exist."""
    desk.stand.apply(*issue(ALICE, 1000))
    desk.stand.execute("DELETE FROM account WHERE creditor_id = %s", ALICE)
    page = read(viewer, ACCOUNT)
    assert "There is no such account now" in page
    assert "+1,000" in page


def test_ids_are_shown_signed_and_unsigned(desk, viewer):
    """Either form leads to the same page, which has both."""
    desk.stand.apply(configure(MIN_INT64, debtor_id=-1))
    page = read(viewer, f"/admin/debtors/{2**64 - 1}/accounts/{2**63}")
    assert page == read(viewer, f"/admin/debtors/-1/accounts/{MIN_INT64}")
    for number in (-1, 2**64 - 1, MIN_INT64, 2**63):
        assert f'data-copy="{number}"' in page


def test_a_long_ledger_is_read_in_both_directions(desk, viewer):
    """Pages follow one another to the end, and lead back to the first."""
    desk.stand.apply(configure(ROOT, negligible_amount=1e30))
    for number in range(1, 8):
        desk.stand.apply(*issue(ALICE, number, serial=number))
    seen, path = [], ACCOUNT + "?limit=3&order=oldest"
    pages = []
    while True:
        page = read(viewer, path)
        pages.append(page)
        seen += re.findall(
            r'<td data-label="Amount" class="n">\s*<span class="amount" data-copy="(\d+)"', page
        )
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        path = following[1].replace("&amp;", "&")
    assert seen == [str(number) for number in range(1, 8)]
    assert len(pages) == 3
    back = re.search(r'rel="prev" href="([^"]+)"', pages[-1])
    assert back is not None
    assert 'data-copy="4"' in read(viewer, back[1].replace("&amp;", "&"))


def test_very_many_accounts_come_in_pages(desk, viewer):
    """A debtor with more accounts than a page shows has a next page, which knows the filter."""
    desk.stand.apply(*(configure(number, config_flags=1) for number in range(1, 121)))
    path = f"/admin/debtors/{DEBTOR}?state=scheduled_for_deletion"
    page = read(viewer, path)
    assert page.count('data-label="Creditor"') == 50
    following = re.search(r'rel="next" href="([^"]+)"', page)
    assert following is not None
    assert "state=scheduled_for_deletion" in following[1]
    assert read(viewer, following[1].replace("&amp;", "&")).count('data-label="Creditor"') == 50


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        (f"{DEBTOR}", f"/admin/debtors/{DEBTOR}"),
        (f" {ALICE} ", ACCOUNT),
        (f"{DEBTOR}/{ALICE}", ACCOUNT),
        (f"{DEBTOR}, {BOB}", f"/admin/debtors/{DEBTOR}/accounts/{BOB}"),
        (str(2**64 - 3), f"/admin/debtors/{DEBTOR}/accounts/-3"),
        (f"{FIRST_TRANSFER_ID}", f"/admin/debtors/{DEBTOR}/accounts/{ROOT}/transfers/{FIRST_TRANSFER_ID}"),
        (f"{DEBTOR} {ROOT} 5", f"/admin/debtors/{DEBTOR}/accounts/{ROOT}/transfers/5"),
    ],
)
def test_the_search_goes_where_the_only_find_is(desk, viewer, asked, target):
    """Ids of debtors, creditors and transfers, in either form."""
    desk.stand.apply(*issue(ALICE, 1000), configure(BOB), configure(-3))
    answer = viewer.get("/admin/search", query_string={"q": asked})
    assert (answer.status_code, answer.headers["Location"]) == (303, target)


def test_the_search_shows_what_it_found(desk, viewer):
    """Several finds are listed, and none is said."""
    desk.stand.apply(configure(8, debtor_id=8), configure(8, debtor_id=9))
    page = read(viewer, "/admin/search?q=8")
    assert page.count('data-label="What"') == 3
    assert "Nothing was found for 77." in read(viewer, "/admin/search?q=77")
    assert f"{MAX_INT64}" in read(viewer, f"/admin/search?q={MAX_INT64}")


@pytest.mark.parametrize(
    "body",
    [
        '{"note":"a\u202e\x9bb\u2028"}'.encode(),
        b'{"note":"a\\u202e\\u001b\\u2028"}',
        b'{"note":"a\\ud800"}',
        "no JSON \u202e\x1b[2J".encode(),
    ],
)
def test_what_others_have_written_is_shown_and_not_obeyed(desk, viewer, body):
    """Neither a terminal nor a browser gets a character that turns lines, also not in lists of properties."""
    letter = put_aside(desk.stand, body=body, routing_key="0.\u202e", body_size=len(body))
    pages = {
        f"/admin/dead-letters/{letter}": 200,
        "/admin/dead-letters": 200,
        "/admin/search?q=%E2%80%AE1": 422,
    }
    for path, status in pages.items():
        page = read(viewer, path, status)
        assert page.replace("\n", "").replace("\t", "").isprintable(), ascii(page)
    assert "0.\\u202e" in read(viewer, f"/admin/dead-letters/{letter}")


def test_a_dead_letter_is_shown_decoded_or_raw(desk, viewer):
    """A message that can be read is shown field by field; bytes that are no text are shown in base64."""
    letter = put_aside(desk.stand, body=body_of(configure(ALICE)))
    page = read(viewer, f"/admin/dead-letters/{letter}")
    assert "It cannot be decoded" in page or "ConfigureAccount" in page
    assert "&#34;creditor_id&#34;: 1001" in page
    letter = put_aside(desk.stand, "bad_json", body=b"\xff<script>")
    page = read(viewer, f"/admin/dead-letters/{letter}")
    assert "/zxzY3JpcHQ+" in page
    assert "The body is not JSON." in page


def test_an_account_says_up_to_when_its_ledger_is_archived(desk, viewer):
    """As soon as a month is closed, and not before."""
    seed(desk.stand)
    assert "Archived until" not in read(viewer, ACCOUNT)
    desk.stand.execute(
        "INSERT INTO closed_month VALUES (0, %s, 'journal_archived', 1, 1, '', 0, NULL)", SECOND
    )
    assert "Archived until" in read(viewer, ACCOUNT)
