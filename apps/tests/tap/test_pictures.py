"""Makes the pictures of tap: halves that meet, on a screen and on a phone."""

import json
from pathlib import Path

import pytest

from tests.backstage.running import Program
from tests.backstage.windows import DESKTOP, PHONE, chromium, opener

from .people import Holder, create, new_tap, operator
from .test_browser import KEY

pytestmark = [pytest.mark.pictures, pytest.mark.timeout(600)]


def test_pictures_of_tap(tap: Program, tap_folder: Path) -> None:
    """Each fits into a document, and the browser complains about none."""
    keys = json.loads((tap_folder / "sample-keys.json").read_text())
    ada, blaise = (Holder(tap, name, keys[name]) for name in ("ada", "blaise"))
    emmy = create(tap, operator(tap, tap_folder), "emmy", "20.00")
    for payer, payee, amount, expected in (
        (ada, blaise, "12.50", "12.50"),
        (emmy, ada, "150.00", "150.00"),
        (blaise, emmy, "3.20", "3.25"),
        (blaise, ada, "4.80", "4.80"),
        (ada, emmy, "7.00", "7.00"),
    ):
        key = new_tap()
        payer.send(key, amount, os_sender="Android 16")
        payee.receive(key, payer.user_id, expected, os_receiver="Counter")
    with chromium() as running, opener(running, tap.address) as window:
        screen = window(viewport=DESKTOP)
        phone = window(viewport=PHONE, color_scheme="dark")
        for one, key in ((screen, keys["operator"]), (phone, ada.key)):
            one.go("/login")
            one.fill(KEY, key)
            one.press("Log in", "Two phones touch each other")
        blaise.receive(new_tap(), "ada", "2.40", os_receiver="Counter")
        ada.send(new_tap(), "1.10", os_sender="Android 16")
        for one, name in ((screen, "tap"), (phone, "tap-phone")):
            one.page.get_by_text("1.10").first.wait_for()
            one.take(name)
