"""From the id that a coordinator gave its request to the reason, and to what was missing."""

import pytest

from swpt_accounts.operators.inspection import keyset, refusals
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import ALICE, BOB, DEBTOR, HOUR, NOW, configure, request
from tests.backstage.stories import issue, seed

REQUEST = 6917529027641081857
MUCH = MAX_INT64
HTML = {"Accept": "text/html"}


def refuse(stand, number=REQUEST, **fields):
    """Alice has 100, and is asked for more."""
    stand.apply(*issue(ALICE, 100))
    stand.apply(configure(BOB))
    stand.apply(
        request(min_locked_amount=MUCH, max_locked_amount=MUCH, coordinator_request_id=number, **fields)
    )


def page(desk, path, status=200):
    """A page of the console, as a viewer sees it."""
    answer = desk.ask("/admin" + path, headers=HTML)
    assert answer.status_code == status, answer.text
    return answer.text


def test_a_request_id_alone_leads_to_what_was_missing(desk):
    """The search box goes to the page of the refusal, which says by how much, and from whom to whom."""
    refuse(desk.stand)
    [told] = desk.get("/refusals", coordinator_request_id=REQUEST)["items"]
    answer = desk.ask(f"/admin/search?q={REQUEST}", headers=HTML)
    at = told["refused_at"].replace("+00:00", "Z")
    assert (answer.status_code, answer.location) == (303, f"/admin/refusals/{at}/{told['refusal_id']}")
    shown = page(desk, answer.location.removeprefix("/admin"))
    assert told["missing_amount"] == str(MUCH - 100)
    assert f"{MUCH - 100:,} were missing" in shown
    assert told["explanation"] in shown
    for number in (DEBTOR, ALICE, BOB, REQUEST, f"{MUCH:,}"):
        assert f">{number}<" in shown


def test_a_request_id_finds_what_was_prepared_and_committed_too(desk):
    """A coordinator may use an id again: everything is shown, each with its page."""
    seed(desk.stand)
    refuse(desk.stand, 77)
    desk.stand.apply(request(coordinator_request_id=77))
    found = page(desk, "/search?q=77")
    assert ">Transfer</a>" in found
    assert ">Refused transfer</a>" in found
    assert "INSUFFICIENT_AVAILABLE_AMOUNT" in found


def test_refusals_are_filtered(desk):
    """By debtor, account, kind, code, coordinator, request and moment, and by all of them together."""
    refuse(desk.stand)
    desk.stand.replace(clock=lambda: NOW + HOUR)
    desk.stand.apply(
        request(coordinator_type="agent", coordinator_id=5, coordinator_request_id=8, recipient="999"),
        configure(BOB, config_data="unknown", seqnum=9),
    )

    def codes(**query):
        return [one["code"] for one in desk.get("/refusals", **query)["items"]]

    unreachable, invalid = "RECIPIENT_IS_UNREACHABLE", "INVALID_CONFIGURATION"
    assert codes(kind="transfer") == [unreachable, "INSUFFICIENT_AVAILABLE_AMOUNT"]
    assert codes(kind="configuration") == codes(code=invalid) == [invalid]
    assert codes(coordinator_type="agent") == codes(coordinator_id=5) == [unreachable]
    assert codes(coordinator_request_id=8, debtor_id=DEBTOR, creditor_id=ALICE) == [unreachable]
    assert codes(coordinator_request_id=8, kind="commit") == []
    everything = {"debtor_id": DEBTOR, "creditor_id": ALICE, "kind": "transfer", "code": unreachable}
    everything |= {"coordinator_type": "agent", "coordinator_id": 5, "coordinator_request_id": 8}
    assert codes(**everything, since=render_timestamp(NOW).replace("+00:00", "Z")) == [unreachable]
    assert codes(coordinator_request_id=8, until=render_timestamp(NOW).replace("+00:00", "Z")) == []
    assert "None" not in page(desk, f"/refusals?code={unreachable}&coordinator_request_id=8")


def test_what_no_index_knows_is_looked_for_in_windows(desk, monkeypatch):
    """A page may be empty before the end; the list goes on, forward and back."""
    narrow = refusals._LIST_WITHIN.replace(str(keyset.WINDOW_ROWS), "3").replace(
        str(keyset.WINDOW_ROWS - 1), "2"
    )
    monkeypatch.setattr(refusals, "_LIST_WITHIN", narrow)
    refuse(desk.stand)
    for number in range(7):
        desk.stand.replace(clock=lambda number=number: NOW + 1 + number)
        desk.stand.apply(request(recipient="999", coordinator_request_id=number))
    first = desk.get("/refusals", code="INSUFFICIENT_AVAILABLE_AMOUNT")
    assert first["items"] == []
    second = desk.get("/refusals", code="INSUFFICIENT_AVAILABLE_AMOUNT", page=first["next"])
    assert second["items"] == []
    third = desk.get("/refusals", code="INSUFFICIENT_AVAILABLE_AMOUNT", page=second["next"])
    assert [one["coordinator_request_id"] for one in third["items"]] == [str(REQUEST)]
    assert third["next"] is None


def test_a_row_of_the_version_before_is_shown_without_numbers(desk):
    """It says that none were kept, and shows the rest."""
    desk.stand.execute(
        "INSERT INTO refusal (refused_at, kind, code, debtor_id, creditor_id, coordinator_type,"
        " coordinator_id, coordinator_request_id, total_locked_amount)"
        " VALUES (%s, 'transfer', 'INSUFFICIENT_AVAILABLE_AMOUNT', 7, 1001, 'direct', 1001, 3, 0)",
        NOW,
    )
    [told] = desk.get("/refusals")["items"]
    assert (told["missing_amount"], told["explanation"], told["recipient"]) == (None, "", None)
    at = told["refused_at"].replace("+00:00", "Z")
    assert "No numbers were kept" in page(desk, f"/refusals/{at}/{told['refusal_id']}")


@pytest.mark.parametrize(
    "path, status, told",
    [
        ("/refusals?kind=x", 422, "kind: must be one of transfer, commit, configuration"),
        ("/refusals?code=x", 422, "code: must be one of SENDER_IS_UNREACHABLE"),
        ("/refusals?coordinator_request_id=x", 422, "must be an id"),
        ("/refusals?coordinator_type=" + "x" * 31, 422, "must be a text of 1 to 30 characters"),
        ("/refusals/yesterday/1", 422, "must be a moment, like 2026-11-21T10:00:00Z"),
        ("/refusals/2026-11-21T10:00:00Z/x", 422, "must be a whole number from 1"),
        ("/refusals/2026-11-21T10:00:00Z/1", 404, "There is no refusal 1 of 2026-11-21T10:00:00+00:00"),
    ],
)
def test_what_is_expected_is_said(desk, path, status, told):
    """By the API and on a page alike."""
    answer = desk.ask("/admin/api/v1" + path)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert told in answer.json["detail"]
    assert told in page(desk, path, status).replace("&#39;", "'")
