"""Makes the pictures of the exchange: the trades, and one of them leg by leg."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backstage.running import Program, embedded
from tests.backstage.traders import Trader, admit, operator
from tests.backstage.waiting import wait_until
from tests.backstage.windows import DESKTOP, PHONE, chromium, opener

from .test_browser import log_in

pytestmark = [pytest.mark.pictures, pytest.mark.timeout(600)]


@pytest.fixture
def trading(folder: Path) -> Iterator[tuple[Program, Trader]]:
    """The program as people run it, and the operator."""
    with embedded("exchange", folder) as program:
        wait_until((folder / "sample-keys.json").exists, "sample traders")
        yield program, operator(program, folder)


def test_pictures_of_the_exchange(trading: tuple[Program, Trader]) -> None:
    """Each fits into a document, and the browser complains about none."""
    exchange, bank = trading
    dora = admit(exchange, bank, named="dora", YEW="90.00")
    poor = admit(exchange, bank, named="emmy")
    assert poor.trade(poor.made("YEW", "20.00", "OAK", "0.8"))["status"] == "failed"
    for amount, mode in (("12.50", "direct"), ("30.00", "escrow")):
        made = dora.made("YEW", amount, "OAK", "0.8", mode=mode)
        trade = dora.trade(made)
        assert trade["status"] == "done"
        dora.becomes(made, "filled")
    with chromium() as running, opener(running, exchange.address) as window:
        screen = window(viewport=DESKTOP)
        log_in(screen, bank)
        screen.take("exchange")
        screen.go(f"/trades/{trade['id']}")
        screen.take("exchange-trade")
        phone = window(viewport=PHONE, color_scheme="dark")
        log_in(phone, dora)
        phone.go("/book")
        phone.take("exchange-phone")
