"""Lists as CSV: whole, in pages nobody sees, and broken off at any time."""

import csv
import io

import pytest

from swpt_accounts.operators.admin.console import exports
from swpt_accounts.operators.inspection.accounts import STATES
from tests.backstage.builders import ALICE, BOB, DEBTOR, NOW, configure, request
from tests.backstage.stories import issue, seed

HTML = {"Accept": "text/html"}
LEDGER = f"/admin/debtors/{DEBTOR}/accounts/{ALICE}/ledger.csv"
ALL = ("refusals.csv", "prepared-transfers.csv", f"debtors/{DEBTOR}/accounts.csv")


def rows(desk, path):
    """An export, read back."""
    answer = desk.ask(path)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


@pytest.fixture
def small_pages(monkeypatch):
    """Three rows at a time."""
    monkeypatch.setattr(exports, "EXPORT_ITEMS", 3)


def test_an_export_has_all_rows_of_the_list(desk, small_pages):
    """Page by page to the end, with the filters of the page it stands on."""
    seed(desk.stand)
    desk.stand.apply(*(configure(100 + number) for number in range(8)))
    desk.stand.apply(*(request(recipient="no one", coordinator_request_id=number) for number in range(10)))
    found = rows(desk, "/admin/refusals.csv")
    assert sorted(int(row["coordinator_request_id"]) for row in found) == list(range(10))
    assert rows(desk, "/admin/refusals.csv?coordinator_request_id=7")[0]["explanation"] == (
        "The recipient was 'no one'."
    )
    assert rows(desk, "/admin/refusals.csv?kind=commit") == []
    accounts = rows(desk, f"/admin/debtors/{DEBTOR}/accounts.csv")
    assert [int(row["creditor_id"]) for row in accounts] == [0, *range(100, 108), ALICE, BOB]
    assert rows(desk, f"/admin/debtors/{DEBTOR}/accounts.csv?state=deleted") == []
    assert {row["action"] for row in rows(desk, "/admin/audit.csv")} == {"tokens create"}
    [entry] = rows(desk, LEDGER)
    assert (entry["acquired_amount"], entry["debtor_id"]) == ("1000", str(DEBTOR))


@pytest.mark.parametrize("path", [f"/admin/{name}" for name in ALL] + [LEDGER])
def test_an_export_of_nothing_has_a_header(desk, path):
    """Also one of a debtor that is not there."""
    answer = desk.ask(path)
    assert answer.status_code == 200
    assert answer.text.count("\r\n") == 1


def test_exports_leave_room_for_pages(desk, small_pages):
    """Half of the threads make exports; who comes then is told to wait, and one that was left gives way."""
    desk.stand.apply(*issue(ALICE, 100), configure(BOB))
    desk.stand.apply(*(request(recipient="no one", coordinator_request_id=number) for number in range(10)))
    bearer = {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    running = [desk.client().get("/admin/refusals.csv", headers=bearer, buffered=False) for _ in range(2)]
    refused = desk.ask("/admin/refusals.csv", headers=HTML)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
    assert "Other exports are running" in refused.text
    assert desk.ask("/admin/refusals", headers=HTML).status_code == 200
    # Somebody breaks off, without having read it.
    running[0].close()
    assert len(rows(desk, "/admin/refusals.csv")) == 10
    running[1].close()


@pytest.mark.parametrize(
    "path, told",
    [
        ("/admin/refusals.csv?kind=x", "kind: must be one of"),
        ("/admin/refusals.csv?creditor_id=1", "debtor_id: must be given with creditor_id"),
        (f"{LEDGER}?since=x", "since: must be a moment in UTC, like"),
        (f"{LEDGER}?since=2026-11-22&until=2026-11-21", "since: must not be after until"),
        (f"/admin/debtors/{DEBTOR}/accounts.csv?state=x", f"state: must be one of {', '.join(STATES)}"),
        ("/admin/audit.csv?x=1", "x: Unknown field"),
        ("/admin/?span=year", "span: must be one of hour, day, week"),
        ("/admin/?refresh=1", "refresh: must be 10 or 60 seconds"),
    ],
)
def test_what_is_expected_is_said(desk, path, told):
    """Before anything is exported."""
    answer = desk.ask(path)
    assert answer.status_code == 422
    assert told in answer.text


def test_a_moment_is_typed_as_utc(desk):
    """With a space or a T, with seconds or without, a day alone; whatever the browser's language is."""
    seed(desk.stand)
    desk.stand.apply(request())
    assert NOW
    for text in ("2020-01-01", "2020-01-01 10:00", "2020-01-01T10:00:30", "2020-01-01 10:00:30.123456"):
        assert len(rows(desk, f"{LEDGER}?since={text}")) == 1
        assert rows(desk, f"{LEDGER}?until={text}") == []
        page = desk.ask(f"/admin/debtors/{DEBTOR}/accounts/{ALICE}?since={text}", headers=HTML).text
        assert f'value="{text.replace("T", " ") if len(text) > 10 else text + " 00:00"}"' in page


def test_a_page_reloads_itself_only_if_somebody_wants_it(desk):
    """The switch stands at the foot, with the version and the place of this server."""
    page = desk.ask("/admin/", headers=HTML).text
    assert 'http-equiv="refresh"' not in page
    assert "refresh=10" in page
    assert "accounts #" in page
    assert '<meta http-equiv="refresh" content="60">' in desk.ask("/admin/?refresh=60", headers=HTML).text
