"""Pages: who may see a trade, and what is said of each leg."""

import re
from html import unescape

import pytest
import requests

from exchange.telling import tell
from tests.backstage.running import Program
from tests.backstage.traders import Trader

from .conftest import NewTrader


def visit(program: Program, trader: Trader) -> requests.Session:
    """Somebody with a browser, who is logged in."""
    browser = requests.Session()
    browser.headers["Accept"] = "text/html"
    form = browser.get(f"{program.address}/", timeout=60)
    assert form.url.endswith("/login?next=/")
    found = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert found is not None
    fields = {"key": trader.key, "csrf_token": unescape(found.group(1)), "next": "/"}
    seen = browser.post(form.url, data=fields, headers={"Referer": form.url}, timeout=60)
    assert (seen.status_code, "<h1>Trades</h1>" in seen.text) == (200, True), seen.text
    return browser


def test_the_page_of_a_trade_tells_what_each_leg_did(
    exchange: Program, bank: Trader, new_trader: NewTrader
) -> None:
    """Of one that came to nothing as well; others do not see it, the operator does."""
    rich, poor, other = new_trader(OAK="2.00"), new_trader(), new_trader()
    stands = rich.made("OAK", "2.00", "ASH", "1")
    trade = poor.trade(poor.made("ASH", "2.00", "OAK", "1"))
    assert trade["status"] == "failed"
    address = f"{exchange.address}/trades/{trade['id']}"
    for who in (rich, bank):
        page = visit(exchange, who).get(address, timeout=60)
        assert page.status_code == 200
        assert "There was not enough money on the account. Nothing of it has moved." in page.text
        assert "let go" in page.text
    hidden = visit(exchange, other).get(address, timeout=60)
    assert (hidden.status_code, trade["id"][:8] in hidden.text) == (404, False)
    # Whoever sees that the trade came to nothing can have it all back.
    assert rich.cancel(stands).json()["status"] == "cancelled"


def test_the_book_and_the_verification(exchange: Program, bank: Trader, new_trader: NewTrader) -> None:
    """All see the book, and only the operator who offers and what differs."""
    one = new_trader()
    offer_id = one.made("YEW", "1.00", "ASH", "0.000001")
    of_operator, of_trader = visit(exchange, bank), visit(exchange, new_trader())
    assert one.trader_id in of_operator.get(f"{exchange.address}/book", timeout=60).text
    book = of_trader.get(f"{exchange.address}/book", timeout=60).text
    assert ("0.000001" in book, one.trader_id in book) == (True, False)
    assert "nothing differs" in of_operator.get(f"{exchange.address}/verify", timeout=60).text
    assert of_trader.get(f"{exchange.address}/verify", timeout=60).status_code == 403
    assert one.cancel(offer_id).json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("kind", "bundle", "state", "outcome", "failure", "is_paid", "is_paid_back", "word"),
    [
        ("direct", "preparing", "initiated", "", "", False, False, "asked"),
        ("direct", "preparing", "prepared", "", "", False, False, "locked"),
        ("direct", "committing", "settled", "", "", False, False, "decided"),
        ("direct", "done", "finished", "OK", "", True, False, "paid"),
        ("in", "done", "finished", "OK", "", True, False, "in escrow"),
        ("out", "done", "finished", "OK", "", True, False, "paid out"),
        ("back", "done", "finished", "OK", "", True, False, "given back"),
        ("in", "reversed", "finished", "OK", "", True, True, "paid back"),
        ("direct", "repairing", "finished", "TIMEOUT", "TIMEOUT", False, False, "tried again"),
        ("direct", "dismissed", "cancelled", "CANCELLED", "", False, False, "let go"),
        ("direct", "dismissed", "finished", "DISMISSED", "", False, False, "let go"),
        ("direct", "failed", "finished", "NEW_CODE", "NEW_CODE", False, False, "failed"),
    ],
)
def test_what_is_said_of_a_leg(
    kind: str,
    bundle: str,
    state: str,
    outcome: str,
    failure: str,
    is_paid: bool,
    is_paid_back: bool,
    word: str,
) -> None:
    """One word for each state that a leg can be in."""
    told = tell(
        kind=kind,
        bundle=bundle,
        state=state,
        outcome=outcome,
        failure=failure,
        is_paid=is_paid,
        is_paid_back=is_paid_back,
    )
    assert told.word == word
    assert told.sentence
