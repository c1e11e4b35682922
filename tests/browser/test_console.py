"""The short story of the console in a browser: an operator's minute, a viewer's limits, readability."""

from collections import Counter

import pytest

from tests.backstage.builders import ALICE, BOB, DEBTOR

from .scenery import NOTE, set_scene

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def scene(desk):
    """Something to look at."""
    return set_scene(desk)


def test_an_operator_follows_a_transfer_into_both_ledgers(desk, scene, visit):
    """From the overview: transfer, ledger of the sender, back to the transfer, ledger of the recipient."""
    operator = visit()
    operator.log_in(desk.tokens["operator"])
    assert operator.heading == "Overview"
    operator.click(str(scene.transfer_id))
    assert operator.heading == f"Transfer {scene.transfer_id}"
    assert NOTE in operator.text
    operator.click("Ledger of the sender")
    assert operator.heading == f"Account {ALICE}"
    assert "−300" in operator.text
    operator.click(str(scene.transfer_id))
    operator.click("Ledger of the recipient")
    assert operator.heading == f"Account {BOB}"
    assert "+300" in operator.text
    # The plots and all else is made on the server: nothing is asked from elsewhere.
    assert operator.page.locator("svg.line path.steps").count() == 1


def test_an_account_is_found_and_its_ledger_read(desk, scene, visit):
    """The search takes an id, the filter a range, and a number can be copied."""
    viewer = visit(permissions=["clipboard-read", "clipboard-write"])
    # A slow machine may look at the button after the second for which it says that it has copied.
    viewer.page.add_init_script("window.setTimeout = () => 0")
    viewer.log_in(desk.tokens["viewer"])
    viewer.page.get_by_role("searchbox").fill(f"{DEBTOR}/{ALICE}")
    viewer.page.keyboard.press("Enter")
    viewer.page.wait_for_url(f"**/debtors/{DEBTOR}/accounts/{ALICE}")
    viewer.page.get_by_label("To (UTC)").fill("2001-01-01T00:00:00")
    viewer.click("Show", "button")
    viewer.page.get_by_text("Nothing was applied to this account in this time.").wait_for()
    viewer.click("Reset")
    viewer.page.get_by_text(NOTE).wait_for()
    viewer.page.locator("dd .amount").first.hover()
    viewer.page.locator("dd .amount .copy").first.click()
    viewer.page.get_by_role("button", name="Copied").wait_for(state="attached")
    assert viewer.page.evaluate("navigator.clipboard.readText()") == "1234267"


def test_an_operator_returns_a_dead_letter(desk, scene, visit):
    """The message goes back into the queue, with a note that the audit keeps."""
    operator = visit()
    operator.log_in(desk.tokens["operator"])
    operator.click("Dead letters")
    operator.click(str(scene.returnable))
    operator.page.get_by_label("Note").fill("mended")
    operator.click("Return to the queue", "button")
    operator.page.get_by_role("status").wait_for()
    assert f"Returned to the queue: dead letter {scene.returnable}." in operator.text
    operator.click("Audit")
    assert "wrong_shard: mended" in operator.text
    assert desk.audit()[-1][0] == "the operator"


def test_enter_in_a_note_gives_no_order(desk, scene, visit):
    """Whoever ends a note by Enter has not chosen yet what to do with the letter."""
    operator = visit()
    operator.log_in(desk.tokens["operator"])
    for path in ("dead-letters", f"dead-letters/{scene.returnable}"):
        operator.go(path)
        operator.page.get_by_label("Note").fill("a thought")
        operator.page.get_by_label("Note").press("Enter")
        assert operator.page.url.endswith(path)
    operator.click("Discard", "button")
    operator.page.get_by_role("status").wait_for()
    assert [row[2:4] for row in desk.audit()] == [("dead-letters discard", f"dead letter {scene.returnable}")]


def test_without_the_role_there_are_no_buttons_and_no_way_around(desk, scene, visit):
    """A viewer sees no forms, and a form that is made up is refused with a page that says why."""
    viewer = visit()
    viewer.log_in(desk.tokens["viewer"])
    viewer.go(f"dead-letters/{scene.returnable}")
    assert viewer.page.get_by_role("button", name="Return").count() == 0
    viewer.page.evaluate(
        """() => {
          const form = document.querySelector(".who form");
          form.action = "/admin/dead-letters/return";
          form.insertAdjacentHTML("beforeend", "<input name='ids' value='1'>");
          form.submit();
        }"""
    )
    viewer.page.get_by_role("heading", name="Forbidden").wait_for()
    assert "yours has the role viewer" in viewer.text
    # The browser itself speaks of the status, which is wanted here.
    assert all("403" in complaint for complaint in viewer.complaints)
    viewer.complaints.clear()
    viewer.click("Log out", "button")
    viewer.page.wait_for_url("**/admin/login")
    viewer.go()
    assert "/admin/login" in viewer.page.url


def test_every_page_fits_a_phone_and_can_be_read(desk, scene, visit):
    """No page is wider than 390 pixels, and every text has the contrast of WCAG AA, light and dark."""
    phone = visit(viewport=PHONE)
    phone.log_in(desk.tokens["operator"])
    for path in (*scene.pages(), "login"):
        phone.go(path)
        assert phone.overflow() <= 0, path
        for scheme in ("light", "dark"):
            phone.page.emulate_media(color_scheme=scheme)
            assert phone.faint_texts() == [], (path, scheme)


def test_the_keyboard_skips_to_the_content(desk, scene, visit):
    """The first stop leads past the navigation, and every stop can be seen."""
    visitor = visit()
    visitor.log_in(desk.tokens["viewer"])
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#content:focus").wait_for()
    visitor.page.keyboard.press("Tab")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert visitor.page.evaluate(outline) == "solid"


def test_numbers_in_a_table_are_copied_by_keyboard(desk, scene, visit):
    """The buttons of a table are one stop, which can be seen; the arrow keys go along rows and columns."""
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    visitor.page.add_init_script("window.setTimeout = () => 0")
    visitor.log_in(desk.tokens["viewer"])
    visitor.go(f"debtors/{DEBTOR}/accounts/{ALICE}")
    table = visitor.page.locator("table.rows").first
    buttons = table.locator(".copy")
    assert buttons.count() > 4
    assert table.locator(".copy:not([tabindex='-1'])").count() == 1
    buttons.first.focus()
    assert buttons.first.evaluate("button => button.matches(':focus-visible')")

    def pressed(key):
        visitor.page.keyboard.press(key)
        assert table.locator(".copy:not([tabindex='-1'])").count() == 1
        where = "b => [b.closest('tr').rowIndex, b.closest('td').dataset.label]"
        return visitor.page.evaluate(f"({where})(document.activeElement)")

    assert pressed("ArrowRight") == [1, "Principal after"]
    # Below the first entry stands its note.
    assert pressed("ArrowDown") == [3, "Principal after"]
    assert pressed("ArrowLeft") == [3, "Amount"]
    assert pressed("ArrowUp") == [1, "Amount"]
    assert pressed("ArrowUp") == [1, "Amount"]
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("button", name="Copied").wait_for(state="attached")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == "-300"


def test_a_table_stays_a_table_on_a_phone(desk, scene, visit):
    """For those who hear the page: rows and cells, although each row looks like a card of its own."""
    phone = visit(viewport=PHONE)
    phone.log_in(desk.tokens["viewer"])
    phone.go(f"debtors/{DEBTOR}/accounts/{ALICE}")
    shown = phone.page.context.new_cdp_session(phone.page).send("Accessibility.getFullAXTree")
    roles = Counter(node["role"]["value"] for node in shown["nodes"] if not node["ignored"])
    assert roles["table"] >= 1
    assert roles["row"] >= 3
    assert roles["columnheader"] >= 7
    assert roles["cell"] >= 14
    assert phone.page.locator("td:not([role=cell]), tr:not([role=row])").count() == 0


def test_a_faint_text_would_be_noticed(visit):
    """The check of contrasts finds a text of 4.4, and is content with one of 4.6."""
    visitor = visit()
    visitor.go("login")
    for grey, is_faint in (("#777777", True), ("#757575", False)):
        visitor.page.set_content(f"<p>seen <span>{grey}</span></p>")
        visitor.page.evaluate(f"document.querySelector('span').style.color = '{grey}'")
        assert bool(visitor.faint_texts()) is is_faint
