"""Errors: problem documents for programs, pages for people, stack traces for nobody."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.broker.state import BrokerState
from swpt_accounts.operators.admin.app import MAX_BODY_BYTES
from swpt_accounts.operators.admin.watches import BrokerWatch, DatabaseWatch
from tests.backstage.front_desk import API, front_desk, log_in
from tests.backstage.server import locking

ONE = "/debtors/1/accounts/2"
PAST = "since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z"
RETURN = "/dead-letters/return"
JSON = {"content_type": "application/json"}

BAD_REQUESTS: list[tuple[str, str, dict[str, Any], int, str]] = [
    # method, path, options, status, a part of the sentence
    ("GET", "/nothing", {}, 404, ""),
    ("GET", "/debtors/", {}, 404, ""),
    ("GET", "/debtors/x", {}, 422, "must be an id"),
    ("GET", "/debtors/99999999999999999999", {}, 422, "must be an id"),
    ("GET", "/debtors/-9223372036854775809", {}, 422, "must be an id"),
    ("GET", "/debtors/1%0A", {}, 422, "must be an id"),
    ("GET", "/debtors/%D9%A1", {}, 422, "must be an id"),
    ("GET", "/debtors/1/accounts/1e3", {}, 422, "must be an id"),
    ("GET", "/dead-letters/0", {}, 422, "whole number from 1"),
    ("GET", "/dead-letters/9223372036854775808", {}, 422, "whole number from 1"),
    ("GET", "/debtors?limit=0", {}, 422, "from 1 to 500"),
    ("GET", "/debtors?limit=501", {}, 422, "from 1 to 500"),
    ("GET", "/debtors?limit=1.0", {}, 422, "from 1 to 500"),
    ("GET", "/debtors?limit=1%0A", {}, 422, "from 1 to 500"),
    ("GET", "/debtors?limit=" + "9" * 400, {}, 422, "from 1 to 500"),
    ("GET", "/debtors?limit=", {}, 422, "from 1 to 500"),
    ("GET", "/debtors?limit=1&limit=1", {}, 422, "only once"),
    ("GET", "/debtors?what=1", {}, 422, "Unknown field"),
    ("GET", "/debtors/1/accounts?state=rich", {}, 422, "must be one of any, open"),
    ("GET", "/debtors/1/accounts?first=x", {}, 422, "must be an id"),
    ("GET", f"{ONE}/principal", {}, 422, "at: Missing data"),
    ("GET", f"{ONE}/principal?at=yesterday", {}, 422, "like 2026-11-21T10:00:00Z"),
    ("GET", f"{ONE}/principal?at=2026-02-30T10:00:00Z", {}, 422, "like 2026"),
    (
        "GET",
        f"{ONE}/ledger?since=2026-11-22T00:00:00Z&until=2026-11-21T00:00:00Z",
        {},
        422,
        "after",
    ),
    (
        "GET",
        f"{ONE}/principals?{PAST}&points=1000",
        {},
        422,
        "to 400",
    ),
    (
        "GET",
        "/transfers?debtor_id=1&coordinator_type=%00",
        {},
        422,
        "U+0000",
    ),
    ("PUT", "/debtors", {}, 405, ""),
    ("POST", "/debtors", {"json": {}}, 405, ""),
    ("GET", "/dead-letters/return", {}, 422, ""),
    ("POST", RETURN, {"data": "{", **JSON}, 400, ""),
    ("POST", RETURN, {"data": b"\xff", **JSON}, 400, ""),
    ("POST", RETURN, {"data": "[" * 9000, **JSON}, 400, ""),
    (
        "POST",
        "/dead-letters/return",
        {"data": "ids=1", "content_type": "text/plain"},
        415,
        "application/json",
    ),
    ("POST", RETURN, {"data": {"ids": "1"}}, 415, "application/json"),
    (
        "POST",
        "/dead-letters/return",
        {"data": " " * (MAX_BODY_BYTES + 1), **JSON},
        413,
        "",
    ),
    ("POST", RETURN, {}, 422, "Missing data"),
]


@pytest.fixture
def desk(stand):
    """A front desk that answers even our own faults."""
    with front_desk(stand) as desk:
        desk.app.config["PROPAGATE_EXCEPTIONS"] = False
        yield desk


def check_problem(answer, status):
    """The document that every error is; its sentence."""
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "application/problem+json"
    document = json.loads(answer.text)
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert "Traceback" not in answer.text
    assert len(document["detail"]) > 5
    return document["detail"]


def test_every_bad_request_is_explained_in_a_sentence(desk):
    """404, 405, 413, 415 and 422, each as a problem document that says what is expected."""
    for method, path, options, status, detail in BAD_REQUESTS:
        answer = desk.ask(API + path, "operator", method, **options)
        assert detail in check_problem(answer, status), (method, path)


def test_the_refusal_of_a_method_says_what_is_allowed(desk):
    """405 comes with the header Allow."""
    assert desk.ask(API + "/debtors", "operator", "PUT").headers["Allow"] == "GET, HEAD, OPTIONS"


def test_people_get_pages(desk):
    """A browser that looks at the console gets its errors as pages, with everything escaped."""
    browser = log_in(desk, "viewer")
    answer = browser.get("/admin/<b>nothing", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "<b>" not in answer.text


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hush@127.0.0.1:1/d", "postgresql://u:hush@127.0.0.1:5432/no_such_database_at_all"],
)
def test_a_missing_database_is_said_soon(desk, caplog, url):
    """503 and no page that hangs, for API and pages alike, without passwords and stack traces."""
    with front_desk(desk.stand) as away:
        away._settings = type(away._settings)(postgres_url=url)
        app = away.another_app()
        client = app.test_client()
        bearer = {"Authorization": f"Bearer {away.tokens['viewer']}"}
        assert "database" in check_problem(client.get(API + "/debtors", headers=bearer), 503)
        assert client.get("/admin/login", headers={"Accept": "text/html"}).status_code == 503
        assert client.get("/livez").status_code == 200
    assert "hush" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_database_that_hangs_is_not_waited_for(desk):
    """A question that takes too long becomes a 503 with the advice to ask for less."""
    with desk.stand.connection, desk.stand.connection.cursor() as cursor:
        cursor.execute("LOCK TABLE account IN ACCESS EXCLUSIVE MODE")
        answers = []
        ask = threading.Thread(target=lambda: answers.append(desk.ask(API + "/debtors")))
        ask.start()
        ask.join(10)
    assert "did not answer within 5 seconds" in check_problem(answers[0], 503)


def test_a_missing_broker_is_said(desk):
    """503 for the depths of the queues."""

    def count(queue):
        raise BrokerProblem("no answer from amqp://guest:hush@nowhere")

    app = desk.another_app(count_messages=count)
    bearer = {"Authorization": f"Bearer {desk.tokens['viewer']}"}
    answer = app.test_client().get(API + "/queues", headers=bearer)
    check_problem(answer, 503)
    assert "hush" not in answer.text
    app.extensions["swpt_accounts admin context"].close()


def test_our_own_fault_shows_no_stack(desk, monkeypatch, caplog):
    """500 as a problem document; the trace is in the log only."""
    monkeypatch.setattr("swpt_accounts.operators.admin.api.outbox.outbox_state", lambda connection: 1 / 0)
    with caplog.at_level(logging.ERROR):
        answer = desk.ask(API + "/outbox")
    assert "ZeroDivision" not in check_problem(answer, 500)
    assert caplog.records[-1].exc_info


# -- probes ------------------------------------------------------------------------------------


def test_a_server_that_can_work_is_ready(desk):
    """200, with a line for each check."""
    answer = desk.client().get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "ready")
    assert {name: check["status"] for name, check in answer.json["checks"].items()} == {
        "database": "ok",
        "broker": "ok",
        "outbox": "ok",
    }


@pytest.mark.parametrize(
    ("statement", "failing"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "database"),
        (
            """
            INSERT INTO outbox (created_at, publisher_key, type_counts, accounts, payload)
            VALUES (0, 1, '{}', '', '')
            """,
            "outbox",
        ),
    ],
)
def test_a_server_that_cannot_work_is_not_ready(desk, statement, failing):
    """503 if the tables are of another version, or if nobody publishes; the check that fails is named."""
    versions = desk.stand.rows("SELECT version_num FROM alembic_version")
    desk.stand.execute(statement)
    answer = desk.client().get("/readyz")
    desk.stand.execute("UPDATE alembic_version SET version_num = %s", versions[0][0])
    assert answer.status_code == 503
    assert [name for name, check in answer.json["checks"].items() if check["status"] != "ok"] == [failing]


def test_events_that_wait_for_their_agent_do_not_make_a_server_unready(desk):
    """A row that was tried long ago waits for somebody else."""
    desk.stand.execute(
        "INSERT INTO outbox (created_at, type_counts, accounts, payload, attempts)"
        " VALUES (0, '{}', '', '', 9)"
    )
    assert desk.client().get("/readyz").status_code == 200


def test_a_row_that_was_set_aside_does_not_make_a_server_unready(desk):
    """It waits for an operator; what nobody has tried behind it still counts."""
    insert = (
        "INSERT INTO outbox (created_at, type_counts, accounts, payload, last_failure)"
        " VALUES (%s, '{}', '', '', %s)"
    )
    desk.stand.execute(insert, 0, "unreadable")
    assert desk.client().get("/readyz").status_code == 200
    desk.stand.execute(insert, 0, None)
    assert desk.client().get("/readyz").status_code == 503


def test_a_server_that_can_answer_nothing_is_not_ready(desk):
    """Everybody can connect and ask, and no batch gets through: 503 with the reason, and a number."""
    with locking(desk.stand.postgres_url, "LOCK TABLE account IN SHARE MODE"):
        answer = desk.client().get("/readyz")
        assert (answer.status_code, answer.json["checks"]["database"]["status"]) == (503, "failing")
        assert "lock timeout" in answer.json["checks"]["database"]["detail"]
        assert "database_up 0.0" in desk.ask("/metrics").text


def test_a_broker_that_takes_nothing_is_not_ready(desk):
    """It has our queues, and says why it takes no messages."""
    state = BrokerState(3, 0, "it takes no messages: low on memory")
    context = desk.app.extensions["swpt_accounts admin context"]
    context.broker = BrokerWatch(lambda: state)
    answer = desk.client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["checks"]["broker"] == {"status": "failing", "detail": state.refusal}
    assert "broker_up 0.0" in desk.ask("/metrics").text


def test_a_process_that_stands_still_is_shown(stand, tmp_path):
    """A worker that waits for a row knows more than any trial, as long as it lives."""
    with front_desk(stand, METRICS_FOLDER=str(tmp_path)) as desk:
        with running_process(tmp_path, "STANDSTILL.labels('batch').set(45)"):
            answer = desk.client().get("/readyz")
            assert "a process has not got on for 45 s: see its log" in answer.text
            assert answer.status_code == 503
            assert 'standstill_seconds{work="batch"} 45.0' in desk.ask("/metrics").text
        desk.app.extensions["swpt_accounts admin context"].database = DatabaseWatch(
            stand.postgres_url, str(tmp_path)
        )
        assert desk.client().get("/readyz").status_code == 200


@contextmanager
def running_process(folder, statement) -> Iterator[None]:
    """A process of the server that has written a number, and lives."""
    program = (
        "from swpt_accounts.runtime import metering\n"
        f"metering.begin({str(folder)!r}, 'worker')\n"
        "from swpt_accounts.runtime.metrics import *\n"
        f"{statement}\n"
        "print('written', flush=True)\n"
        "input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        yield
        process.communicate("\n")


def test_the_broker_is_not_asked_too_often(desk):
    """However many machines ask, the broker hears of it once in some seconds."""
    asked = []

    def count(queue):
        asked.append(queue)
        return 0

    app = desk.another_app(count_messages=count)
    for _ in range(5):
        assert app.test_client().get("/readyz").status_code == 200
    assert asked == ["swpt_accounts", "swpt_accounts.XQ"]
    app.extensions["swpt_accounts admin context"].close()
