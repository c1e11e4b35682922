"""Pages for staff, and the page that everybody sees first."""

import re
from html import unescape

import requests

from tests.backstage.running import Program
from wallets.program import SAMPLE_PASSWORD


def _form_mark(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None, page
    return unescape(found.group(1))


def test_the_first_page_is_swagger_with_files_of_our_own(wallets: Program) -> None:
    """It loads nothing from elsewhere, and names the document of the API."""
    page = requests.get(wallets.address + "/", timeout=60)
    assert page.status_code == 200
    for name in re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text):
        assert requests.get(wallets.address + name, timeout=60).status_code == 200, name
    assert "http" not in page.text


def test_staff_sees_the_verification_after_a_login(wallets: Program) -> None:
    """Nobody else does; a form without its mark is refused; who logs out is out."""
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    first = browser.get(wallets.address + "/staff/verify", timeout=60)
    assert first.url.endswith("/staff/login?next=/staff/verify")
    form = {"name": "staff@example.com", "password": SAMPLE_PASSWORD}
    refused = browser.post(first.url, data=form, timeout=60)
    assert refused.status_code == 400
    assert "<h1>" in refused.text
    form["csrf_token"] = _form_mark(first.text)
    seen = browser.post(first.url, data=form, headers={"Referer": first.url}, timeout=60)
    assert (seen.status_code, seen.url) == (200, wallets.address + "/staff/verify")
    assert "default-src 'self'" in seen.headers["Content-Security-Policy"]
    assert (seen.headers["X-Frame-Options"], seen.headers["Cache-Control"]) == ("DENY", "no-store")
    assert "nothing differs" in seen.text
    cookie = next(one for one in browser.cookies)
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Strict"
    mark = {"csrf_token": _form_mark(browser.get(wallets.address + "/staff/login", timeout=60).text)}
    browser.post(wallets.address + "/staff/logout", data=mark, timeout=60)
    assert "/staff/login" in browser.get(wallets.address + "/staff/verify", timeout=60).url


def test_who_is_no_staff_does_not_get_in(wallets: Program) -> None:
    """A right password of somebody else is as good as a wrong one."""
    browser = requests.Session()
    where = wallets.address + "/staff/login"
    mark = _form_mark(browser.get(where, timeout=60).text)
    form = {"name": "ada@example.com", "password": SAMPLE_PASSWORD, "csrf_token": mark}
    answer = browser.post(where, data=form, timeout=60)
    assert answer.status_code == 401
    assert "unknown, or the password is wrong" in answer.text
