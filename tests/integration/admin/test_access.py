"""Who may enter: tokens, sessions, roles, and what happens to everybody else."""

import hashlib
import logging
import re

import pytest
from flask.testing import FlaskClient

from swpt_accounts.admin.throttle import FAILURES_PER_MINUTE
from swpt_accounts.operations.orders import Order
from swpt_accounts.operations.tokens import list_tokens, revoke_token
from swpt_accounts.settings import load
from tests.backstage.front_desk import API, FrontDesk, form_token, front_desk, log_in
from tests.builders import DAY, NOW, SECOND

OPEN = {"/livez", "/readyz", "/admin/login", "/admin/logout", "/admin/static/<path:filename>"}
SAMPLES = {
    "debtor_id": "7",
    "creditor_id": "1001",
    "dead_letter_id": "1",
    "exchange": "to_creditors",
    "subnet": "00.00.00",
    "transfer_id": "1",
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


def cookie_of(browser: FlaskClient) -> str:
    """The cookie of a session."""
    cookie = browser.get_cookie("swpt_session")
    assert cookie is not None
    return cookie.value


def revoke(desk: FrontDesk, name: str) -> None:
    """Revoke the token of this name."""
    [token] = [one for one in list_tokens(desk.stand.connection) if one.name == name]
    order = Order("a test", "the tests", lambda: desk.now)
    revoke_token(desk.stand.connection, token.api_token_id, order=order)


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
    for rule, method, path in routes(desk):
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
    revoke(desk, "the operator")
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


# -- sessions ----------------------------------------------------------------------------------


def test_a_login_is_a_strict_cookie(desk):
    """The session is signed, out of reach of scripts and of other sites, and holds no token."""
    browser = log_in(desk, "viewer")
    page = browser.get("/admin/login").text
    answer = browser.post(
        "/admin/login", data={"token": desk.tokens["viewer"], "csrf_token": form_token(page)}
    )
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert desk.tokens["viewer"] not in cookie
    assert browser.get(API + "/debtors").status_code == 200


def test_a_wrong_token_does_not_log_in(desk):
    """The form comes again, with a sentence, and there is no session."""
    browser = desk.client()
    mark = form_token(browser.get("/admin/login").text)
    answer = browser.post("/admin/login", data={"token": "<b>wrong", "csrf_token": mark})
    assert answer.status_code == 401
    assert "not valid" in answer.text
    assert "<b>wrong" not in answer.text
    assert browser.get(API + "/debtors").status_code == 401


@pytest.mark.parametrize("seconds_later", [(1799, 200), (1801, 401)])
def test_an_idle_session_ends(desk, seconds_later):
    """After ADMIN_SESSION_IDLE without a request the session is over."""
    browser = log_in(desk, "viewer")
    desk.now += seconds_later[0] * SECOND
    assert browser.get(API + "/debtors").status_code == seconds_later[1]


def test_a_used_session_goes_on_but_not_for_ever(desk):
    """Requests keep a session alive until ADMIN_SESSION_LENGTH is over."""
    browser = log_in(desk, "viewer")
    statuses = []
    for _ in range(25):
        desk.now += 1790 * SECOND
        statuses.append(browser.get(API + "/debtors").status_code)
    assert statuses == [200] * 24 + [401]


def test_a_revoked_token_ends_its_sessions(desk):
    """The session dies with the token, at once."""
    browser = log_in(desk, "operator")
    assert browser.get(API + "/debtors").status_code == 200
    revoke(desk, "the operator")
    assert browser.get(API + "/debtors").status_code == 401
    assert browser.get("/admin/api-docs").status_code == 303


def test_after_a_logout_a_copy_of_the_cookie_is_worthless(desk):
    """Logging out ends the session itself, not only the memory of the browser."""
    browser = log_in(desk, "viewer")
    cookie = cookie_of(browser)
    mark = form_token(browser.get("/admin/login").text)
    assert browser.post("/admin/logout", data={"csrf_token": mark}).status_code == 303
    thief = desk.client()
    thief.set_cookie("swpt_session", cookie)
    assert thief.get(API + "/debtors").status_code == 401


def test_a_changed_cookie_is_no_session(desk):
    """What was not signed by us is ignored."""
    browser = log_in(desk, "viewer")
    value = cookie_of(browser)
    browser.set_cookie("swpt_session", value[:-3] + ("abc" if not value.endswith("abc") else "xyz"))
    assert browser.get(API + "/debtors").status_code == 401


def test_orders_of_a_browser_need_the_mark(desk):
    """A POST with a session but without the mark against forgery is refused; with it, it is done."""
    browser = log_in(desk, "operator")
    path = API + "/dead-letters/discard"
    refused = browser.post(path, json={"ids": [1], "note": "x"})
    assert (refused.status_code, refused.mimetype) == (400, "application/problem+json")
    mark = form_token(browser.get("/admin/login").text)
    done = browser.post(path, json={"ids": [1], "note": "x"}, headers={"X-CSRFToken": mark})
    assert done.status_code == 409
    assert log_in(desk, "viewer").post(path, json={}, headers={"X-CSRFToken": mark}).status_code == 403


def test_a_forged_login_is_refused(desk):
    """Another site cannot log a browser in under a name of its choice, or out."""
    browser = desk.client()
    assert browser.post("/admin/login", data={"token": desk.tokens["viewer"]}).status_code == 400
    assert log_in(desk, "viewer").post("/admin/logout").status_code == 400


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/admin/api-docs", "/admin/api-docs"),
        ("/admin/accounts?x=1&y=2", "/admin/accounts?x=1&y=2"),
        ("", "/admin/"),
        ("https://evil.example/admin/", "/admin/"),
        ("//evil.example/admin/", "/admin/"),
        ("/admin/..//evil.example", "/admin/"),
        ("/admin/\\evil.example", "/admin/"),
        ("/admin/\r\nSet-Cookie: a=b", "/admin/"),
        ("/accounts/healthz", "/admin/"),
        ("/admin/logout", "/admin/"),
        ("javascript:alert(1)", "/admin/"),
    ],
)
def test_a_login_leads_to_our_pages_only(desk, wanted, location):
    """The address after the login is one of ours, whatever the link said."""
    browser = desk.client()
    mark = form_token(browser.get("/admin/login").text)
    form = {"token": desk.tokens["viewer"], "csrf_token": mark, "next": wanted}
    assert browser.post("/admin/login", data=form).headers["Location"] == location


def test_processes_agree_on_sessions(desk):
    """A session that one process has begun is known to another one, also after a restart."""
    browser = log_in(desk, "viewer")
    another = desk.another_app()
    second = another.test_client()
    second.set_cookie("swpt_session", cookie_of(browser))
    assert second.get(API + "/debtors").status_code == 200
    assert desk.stand.count("admin_key") == 1
    another.extensions["swpt_accounts desk"].close()


def test_a_secret_key_may_be_set(stand):
    """With ADMIN_SECRET_KEY nothing secret is kept in the database."""
    with front_desk(stand, ADMIN_SECRET_KEY="k" * 32) as desk:
        assert log_in(desk, "viewer").get(API + "/debtors").status_code == 200
    assert stand.count("admin_key") == 0
    settings = load({"POSTGRES_URL": stand.postgres_url, "ADMIN_SECRET_KEY": "k" * 32})
    assert "kkkk" not in repr(settings)


def test_behind_https_everything_is_secure(stand):
    """With ADMIN_HTTPS cookies are Secure and bound to the host, and browsers keep to HTTPS."""
    with front_desk(stand, ADMIN_HTTPS="yes") as desk:
        answer = desk.client().get("/admin/login", base_url="https://console.example")
    assert answer.headers["Set-Cookie"].startswith("__Host-swpt_session=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(
        answer.headers["Set-Cookie"].split("; ")
    )
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


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
