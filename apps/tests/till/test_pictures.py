"""Makes the pictures of the till: a terminal and a phone."""

import pytest

from tests.backstage.running import Program
from tests.backstage.windows import PHONE, SCREEN, chromium, opener

from .people import PASSWORD, Administration
from .test_browser import do, make_terminal

pytestmark = [pytest.mark.pictures, pytest.mark.timeout(600)]


def test_pictures_of_the_till(till: Program, office: Administration) -> None:
    """Each fits into a document, and the browser complains about none."""
    with chromium() as running, opener(running, till.address) as window:
        one = window(viewport=SCREEN)
        make_terminal(one)
        one.take("till-names")
        one.page.get_by_role("button", name="Ada").click()
        do(one, "Coffee", "enjoy it")
        do(one, "Banana", "enjoy it")
        one.take("till-shop")
        phone = window(viewport=PHONE, color_scheme="dark")
        phone.go("/enter")
        phone.fill("Name", "Emmy")
        phone.fill("Password", PASSWORD)
        phone.press("Log in", "Hot drinks")
        do(phone, "Nuts", "enjoy it")
        phone.take("till-phone")
