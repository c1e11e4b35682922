"""Who may enter: tokens, roles, and what happens to everybody else (sessions: `test_sessions`)."""

import hashlib
import logging
import re

import pytest

from swpt_accounts.operators.admin.throttle import FAILURES_PER_MINUTE
from tests.backstage.builders import DAY, NOW
from tests.backstage.front_desk import API, FrontDesk, log_in

OPEN = {"/livez", "/readyz", "/admin/login", "/admin/logout", "/admin/static/<path:filename>"}
SAMPLES = {
    "debtor_id": "7",
    "creditor_id": "1001",
    "dead_letter_id": "1",
    "exchange": "to_creditors",
    "subnet": "00.00.00",
    "transfer_id": "1",
    "refused_at": "2026-11-21T10:00:00Z",
    "refusal_id": "1",
    "action": "park",
    "name": "tend accounts",
    "filename": "api-docs.js",
}
UNKNOWN = "swpt_" + "x" * 43


def routes(desk: FrontDesk):
    """Every rule of the application with each of its methods, and an address that it matches."""
    for rule in desk.app.url_map.iter_rules():
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: SAMPLES.get(found[1], "<"), rule.rule)
        assert "<" not in path, f"{rule.rule} needs a sample"
        for method in sorted(rule.methods or ()):
            yield rule.rule, method, path


def test_nobody_enters_without_a_token(desk):
    """Every route but the open ones refuses a stranger: pages lead to the login, the rest is a 401."""
    for rule, method, path in routes(desk):
        answer = desk.ask(path, None, method)
        if rule in OPEN:
            assert answer.status_code in (200, 400), (method, path)
        elif answer.status_code == 303:
            assert method in ("GET", "HEAD", "OPTIONS")
            assert answer.headers["Location"].startswith("/admin/login?next=/admin/")
        else:
            assert (answer.status_code, answer.mimetype) == (401, "application/problem+json"), (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_viewer_only_reads(desk):
    """Every route answers the questions of a viewer, and refuses the orders of one."""
    for number, (rule, method, path) in enumerate(routes(desk)):
        if method == "POST":  # Whoever tries too many orders has to wait.
            desk.tokens["viewer"] = desk.make_token("viewer", f"viewer {number}")
        status = desk.ask(path, "viewer", method, json={} if method == "POST" else None).status_code
        if rule in OPEN:
            continue
        if method == "POST":
            assert status == 403, (method, path)
        else:
            assert status not in (401, 403, 500), (method, path)


def test_an_operator_may_do_everything(desk):
    """No route refuses an operator for the role."""
    for rule, method, path in routes(desk):
        status = desk.ask(path, "operator", method, json={} if method == "POST" else None).status_code
        assert status not in (401, 403, 500) or rule in OPEN, (method, path)


def test_what_does_not_exist_is_hidden_from_strangers(desk):
    """A stranger does not learn which addresses and methods there are."""
    assert desk.ask("/nothing", None).status_code == 401
    assert desk.ask(API + "/debtors", None, "DELETE").status_code == 401
    assert desk.ask("/nothing").status_code == 404
    assert desk.ask(API + "/debtors", "operator", "DELETE").status_code == 405


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        f"Bearer {UNKNOWN}",
        "Bearer swpt_ж",
        "Bearer " + "a" * 5000,
        "Bearer swpt_" + "x" * 42 + "\\",
    ],
)
def test_a_wrong_token_is_refused(desk, authorization):
    """401 for anything that is no valid token."""
    answer = desk.client().get(API + "/debtors", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json["detail"]


def test_a_token_ends_by_time_and_by_order(desk):
    """An expired or revoked token is worth nothing, at once."""
    desk.tokens["viewer"] = desk.make_token("viewer", "short", expires_days=1)
    desk.now = NOW + DAY - 1
    assert desk.ask(API + "/debtors").status_code == 200
    desk.now = NOW + DAY
    assert desk.ask(API + "/debtors").status_code == 401
    desk.revoke("the operator")
    assert desk.ask(API + "/debtors", "operator").status_code == 401


def test_the_database_does_not_know_the_tokens(desk):
    """Only a digest is stored, and how the token begins."""
    token = desk.tokens["viewer"]
    rows = desk.stand.rows("SELECT prefix, token_sha256 FROM api_token WHERE role = 'viewer'")
    [(prefix, digest)] = rows
    assert token.startswith(prefix)
    assert len(prefix) < 15
    assert bytes(digest) == hashlib.sha256(token.encode()).digest()
    assert token[15:] not in str(desk.stand.rows("SELECT api_token::text, audit::text FROM api_token, audit"))


# -- guessing ----------------------------------------------------------------------------------


def test_guessing_is_slowed_down(desk, caplog):
    """After some wrong tokens from one address even a right one has to wait, and nothing secret is logged."""
    for number in range(FAILURES_PER_MINUTE):
        wrong = UNKNOWN[:-2] + f"{number:02}"
        assert desk.client().get("/x", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
    answer = desk.ask(API + "/debtors")
    assert (answer.status_code, answer.json["status"]) == (429, 429)
    assert int(answer.headers["Retry-After"]) > 0
    other = desk.client().get(
        API + "/debtors",
        headers={"Authorization": f"Bearer {desk.tokens['viewer']}"},
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    )
    assert other.status_code == 200
    assert "127.0.0.1" in caplog.text
    assert UNKNOWN[5:-2] not in caplog.text
    assert desk.tokens["viewer"][5:] not in caplog.text


def test_a_forgotten_program_locks_nobody_out(desk):
    """The same wrong token, however often, does not count as guessing."""
    for _ in range(3 * FAILURES_PER_MINUTE):
        desk.client().get(API + "/debtors", headers={"Authorization": f"Bearer {UNKNOWN}"})
    assert desk.ask(API + "/debtors").status_code == 200


def test_a_session_outlives_the_guessing_of_others(desk):
    """Who is logged in is not disturbed when somebody at the same address guesses."""
    browser = log_in(desk, "viewer")
    for number in range(FAILURES_PER_MINUTE + 1):
        desk.client().get("/x", headers={"Authorization": f"Bearer {number}"})
    assert browser.get(API + "/debtors").status_code == 200


@pytest.mark.parametrize(
    ("authorization", "line"),
    [
        (None, "A request from 127.0.0.1 has no token: refused GET /admin/api/v1/debtors"),
        ("Basic aHVzaDpodXNo", "What 127.0.0.1 sends is no bearer token: refused GET /admin/api/v1/debtors"),
        (f"Bearer {UNKNOWN}", "A token from 127.0.0.1 is not valid: refused GET /admin/api/v1/debtors"),
    ],
)
def test_who_does_not_say_who_it_is_is_logged(desk, caplog, authorization, line):
    """No token, no bearer token and no valid token each have their line, which holds no secret."""
    headers = {} if authorization is None else {"Authorization": authorization}
    assert desk.client().get(API + "/debtors", headers=headers).status_code == 401
    assert line in caplog.text
    assert authorization is None or authorization.split()[1] not in caplog.text


def test_other_schemes_are_slowed_down_like_wrong_tokens(desk):
    """Different passwords within a minute are a guess, whatever they are for."""
    for number in range(FAILURES_PER_MINUTE):
        wrong = {"Authorization": f"Basic {number}"}
        assert desk.client().get(API + "/debtors", headers=wrong).status_code == 401
    assert desk.client().get(API + "/debtors", headers={"Authorization": "Basic x"}).status_code == 429
    assert desk.ask(API + "/debtors").status_code == 429


def test_who_only_forgets_the_token_locks_nobody_out(desk, caplog):
    """First visits of browsers are no failures at all, and programs without a token do not count."""
    for _ in range(3 * FAILURES_PER_MINUTE):
        assert desk.client().get("/admin/").status_code == 303
    assert "refused" not in caplog.text
    for _ in range(3 * FAILURES_PER_MINUTE):
        assert desk.ask(API + "/debtors", None).status_code == 401
    assert desk.ask(API + "/debtors").status_code == 200


# -- all answers -------------------------------------------------------------------------------


def test_every_answer_has_the_headers(desk):
    """Pages, documents, files and errors alike tell browsers to be careful."""
    for path in ("/livez", "/admin/login", "/nothing", API + "/debtors", "/admin/static/api-docs.js"):
        headers = desk.ask(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "Strict-Transport-Security" not in headers
        if "static" not in path:
            assert headers["Cache-Control"] == "no-store"


def test_refusals_are_logged(desk, caplog):
    """The log says who was refused what, so that an operator sees it."""
    with caplog.at_level(logging.WARNING):
        desk.ask(API + "/dead-letters/discard", "viewer", "POST", json={})
    assert (
        "'the viewer' from 127.0.0.1 is no operator: refused POST /admin/api/v1/dead-letters/discard"
        in caplog.text
    )
