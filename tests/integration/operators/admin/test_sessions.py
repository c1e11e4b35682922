"""Sessions of the console: a login, what keeps it alive, how it ends, and who may send forms with it."""

import pytest
from flask.testing import FlaskClient

from swpt_accounts.operators.admin.throttle import FAILURES_PER_MINUTE
from swpt_accounts.runtime.settings import load
from tests.backstage.builders import DAY, SECOND
from tests.backstage.front_desk import API, form_token, front_desk, log_in


def cookie_of(browser: FlaskClient) -> str:
    """The cookie of a session."""
    cookie = browser.get_cookie("swpt_session")
    assert cookie is not None
    return cookie.value


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


@pytest.mark.parametrize(
    ("asked_at", "seen_at", "environ", "hint"),
    [
        pytest.param(
            "https://admin.example/",
            "https://admin.example:8443/admin/login?next=%2Fsecret",
            {"ADMIN_HTTPS": "yes"},
            "Your browser is at https://admin.example:8443, and this server takes itself to be at"
            " https://admin.example/: let the proxy pass on the host with its port, as nginx does with"
            " `proxy_set_header Host $http_host;`.",
            id="another port",
        ),
        pytest.param(
            "https://admin.example/",
            None,
            {"ADMIN_HTTPS": "yes"},
            "Let the browser send it",
            id="no referrer",
        ),
        pytest.param(
            "http://admin.example/",
            "http://admin.example/admin/login",
            {"ADMIN_HTTPS": "yes"},
            "ADMIN_HTTPS is set, and this request did not come by HTTPS",
            id="no HTTPS",
        ),
    ],
)
def test_a_login_behind_a_proxy_that_hides_something_is_explained(
    stand, caplog, asked_at, seen_at, environ, hint
):
    """The page says what to set, and the log has a line like of every refusal, without the way to a page."""
    with front_desk(stand, **environ) as desk:
        browser = desk.client()
        mark = form_token(browser.get("/admin/login", base_url=asked_at).text)
        form = {"token": desk.tokens["viewer"], "csrf_token": mark}
        headers = {"Accept": "text/html"} | ({"Referer": seen_at} if seen_at else {})
        if asked_at.startswith("http:"):
            browser = desk.client()  # browsers keep a Secure cookie to themselves
        answer = browser.post("/admin/login", base_url=asked_at, data=form, headers=headers)
        assert answer.status_code == 400
        assert hint in answer.text
        [line] = [line for line in caplog.messages if "refused POST /admin/login" in line]
        assert line.startswith("A form from 127.0.0.1 may come from another site")
        assert f"It is for {asked_at}" in line
        assert "secret" not in line + answer.text
        assert desk.tokens["viewer"] not in line
        # With the host that the browser sees everything works.
        if environ and seen_at and seen_at.startswith("https"):
            there = "https://admin.example:8443/"
            form["csrf_token"] = form_token(browser.get("/admin/login", base_url=there).text)
            answer = browser.post("/admin/login", base_url=there, data=form, headers=headers)
            assert answer.status_code == 303


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
    desk.revoke("the operator")
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


# -- sessions that are over -------------------------------------------------------------------


def end_by_time(desk):
    desk.now += 1801 * SECOND


def end_by_length(desk):
    desk.stand.execute("UPDATE admin_session SET created_at = created_at - %s", DAY)


def end_with_token(desk):
    desk.revoke("the viewer")


def end_with_expired_token(desk):
    desk.stand.execute("UPDATE api_token SET expires_at = %s", desk.now)


def end_by_clock(desk):
    # Begun while the clock stood ahead, it would last until then.
    desk.stand.execute("UPDATE admin_session SET created_at = created_at + %s", 100 * DAY)


def end_by_clock_while_idle(desk):
    desk.stand.execute("UPDATE admin_session SET seen_at = seen_at + %s", 100 * DAY)


def end_by_forgetting(desk):
    desk.stand.execute("DELETE FROM admin_session")


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (end_by_time, "The session of 'the viewer' from 127.0.0.1 is over (idle for too long)"),
        (end_by_length, "The session of 'the viewer' from 127.0.0.1 is over (it was long enough)"),
        (end_by_clock, "The session of 'the viewer' from 127.0.0.1 is over (it was long enough)"),
        (end_by_clock_while_idle, "The session of 'the viewer' from 127.0.0.1 is over (idle for too long)"),
        (end_with_expired_token, "The session of 'the viewer' from 127.0.0.1 is over (its token is expired)"),
        (end_with_token, "The session of somebody from 127.0.0.1 is over (logged out, revoked or forgotten)"),
        (
            end_by_forgetting,
            "The session of somebody from 127.0.0.1 is over (logged out, revoked or forgotten)",
        ),
    ],
)
def test_a_session_that_is_over_is_logged(desk, caplog, end, why):
    """Once: the browser forgets it then.  The log says whose it was and why it ended, and no secret."""
    browser = log_in(desk, "viewer")
    cookie = cookie_of(browser)
    end(desk)
    assert browser.get("/admin/debtors").status_code == 303
    assert f"{why}: refused GET /admin/debtors." in caplog.text
    assert cookie not in caplog.text
    caplog.clear()
    assert browser.get("/admin/debtors").status_code == 303
    assert "refused" not in caplog.text


def test_a_session_that_is_over_is_slowed_down(desk):
    """All requests with one count once a minute; with many different ones an address has to wait."""
    cookies = [cookie_of(log_in(desk, "viewer")) for _ in range(FAILURES_PER_MINUTE + 1)]
    desk.now += 1801 * SECOND

    def ask(cookie):
        browser = desk.client()
        browser.set_cookie("swpt_session", cookie)
        return browser.get(API + "/debtors").status_code

    assert {ask(cookies[0]) for _ in range(3 * FAILURES_PER_MINUTE)} == {401}
    desk.tokens["viewer"] = desk.make_token("viewer", "another")
    assert desk.ask(API + "/debtors").status_code == 200
    assert {ask(cookie) for cookie in cookies[1:-1]} == {401}
    assert ask(cookies[-1]) == 429
    assert desk.ask(API + "/debtors").status_code == 429


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
    another.extensions["swpt_accounts admin context"].close()


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
