"""Makes the pictures of the shop's administration."""

from pathlib import Path

import pytest

from tests.backstage.running import embedded
from tests.backstage.waiting import wait_until
from tests.backstage.windows import DESKTOP, PHONE, chromium, opener

from .people import register, the_admin
from .test_browser import log_in

pytestmark = [pytest.mark.pictures, pytest.mark.timeout(600)]

# Ids as they are: 19 digits.
_SUBNET = str(0x5A31_0700_0000_0000 >> 40 << 40)


def test_pictures_of_the_shop(folder: Path) -> None:
    """Each fits into a document, and the browser complains about none."""
    with (
        embedded("shop", folder, APP_SUBNET=_SUBNET) as shop,
        chromium() as running,
        opener(running, shop.address) as window,
    ):
        admin = the_admin(shop)
        carl, dora = register(shop, "carl"), register(shop, "dora")
        for seller, amount, decision in (
            (carl, "80.00", "approve"),
            (dora, "9000.00", "reject"),
            (dora, "120.00", "approve"),
            (carl, "60.00", ""),
            (dora, "250.00", ""),
        ):
            number = seller.ask(amount).json()["id"]
            if decision:
                admin.decide(number, decision)
        wait_until(lambda: (carl.balance, dora.balance) == ("80.00", "120.00"), "the credit")
        for number, amount in (("+15550142", "15.00"), ("+15550177", "5.00"), ("+15550142", "20.00")):
            carl.charge(amount, number)
        wait_until(lambda: carl.balance == "40.00", "the sales")
        screen = window(viewport=DESKTOP)
        log_in(screen)
        screen.take("shop")
        phone = window(viewport=PHONE, color_scheme="dark")
        log_in(phone)
        phone.go("/administration/sellers/carl")
        phone.take("shop-phone")
