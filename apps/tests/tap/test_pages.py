"""Pages: who sees which taps, and how a visit ends."""

from collections.abc import Callable
from typing import TypeAlias

from tests.backstage.running import Program
from tests.backstage.visitors import Visitor

from .people import Holder, new_tap

NewHolder: TypeAlias = Callable[..., Holder]


def test_each_sees_the_own_taps_and_the_operator_all(
    tap: Program, bank: Holder, new_holder: NewHolder
) -> None:
    """With the halves as they came, of a lone one as well; what a phone calls itself is text, never HTML."""
    payer, payee, other = new_holder(), new_holder(), new_holder()
    key = new_tap()
    assert payer.send(key, "7.77", os_sender="<b>phone</b>").status_code == 202
    for holder, is_seen in ((payer, True), (other, False), (bank, True)):
        visitor = Visitor(tap).log_in("/login", key=holder.key)
        page = visitor.get("/live").text
        assert (f"{key[:6]}…" in page, key in page) == (is_seen, False)
        if is_seen:
            assert "has not come" in page
            assert ("&lt;b&gt;phone" in page, "<b>phone" in page) == (True, False)
        assert ("<dt>Balance</dt>" in page) == (holder is not bank)
    payee.receive(key, payer.user_id, "7.78")
    assert "The phones name different amounts." in Visitor(tap).log_in("/login", key=payee.key).get("/").text


def test_the_verification_is_for_the_operator(tap: Program, bank: Holder, new_holder: NewHolder) -> None:
    """On a page as well; others are told so, and nobody at all is led to the login page."""
    assert "Verification <span" in Visitor(tap).log_in("/login", key=bank.key).get("/verify").text
    assert Visitor(tap).log_in("/login", key=new_holder().key).get("/verify").status_code == 403
    assert Visitor(tap).get("/verify").url.endswith("/login?next=/verify")
    wrong = Visitor(tap).post("/login", key="nobody.knows")
    assert (wrong.status_code, "nobody&#39;s key" in wrong.text) == (401, True)


def test_a_visit_ends_with_its_key(tap: Program, new_holder: NewHolder) -> None:
    """Whoever has found a lost phone is out of the pages, too, as soon as it has a new key."""
    one = new_holder()
    visitor = Visitor(tap).log_in("/login", key=one.key)
    assert one.post(f"/accounts/{one.user_id}/key/").status_code == 201
    assert visitor.get("/").url.endswith("/login?next=/")
