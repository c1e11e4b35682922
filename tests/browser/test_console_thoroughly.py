"""The long story of the console in a browser: every width, very many rows, and the demonstration."""

import os
import re

import pytest

from tests.backstage.commands import SERVER, running
from tests.services.ports import free_port

from .pictures import PICTURED_DEBTOR, BusyHours
from .scenery import set_scene
from .visitor import Visitor

pytestmark = pytest.mark.web

WIDTHS = (320, 390, 600, 899, 900, 1280, 1920)


@pytest.mark.parametrize("width", [320, 390, 899, 900, 1280])
def test_a_long_note_is_read_without_moving_sideways(desk, visit, width):
    """However wide the amounts make its table: in both ledgers, and on the page of its transfer."""
    BusyHours(desk).tell()
    note = "for apples and pears, " * 15 + "wide" * 40
    desk.stand.execute(
        "UPDATE journal SET transfer_note = %s, amount = %s, sender_principal = %s, recipient_principal = %s",
        *(note, 2**63 - 2, -(2**63) + 1, 2**63 - 1),
    )
    query = "SELECT sender_creditor_id, transfer_id FROM journal WHERE sender_creditor_id <> 0 LIMIT 1"
    [(sender, transfer_id)] = desk.stand.rows(query)
    account = f"debtors/{PICTURED_DEBTOR}/accounts/{sender}"
    window = visit(viewport={"width": width, "height": 900})
    window.log_in(desk.tokens["viewer"])
    for path in (account, f"{account}/transfers/{transfer_id}"):
        window.go(path)
        shown = window.page.get_by_text(note).all()
        assert shown, path
        for one in shown:
            place = one.bounding_box()
            assert place is not None
            assert 0 <= place["x"] <= place["x"] + place["width"] <= width, (path, place)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_every_page_fits_every_window(desk, visit, role, scheme):
    """No page is wider than the window, and every text can be read, also with very many rows."""
    scene = set_scene(desk)
    desk.stand.execute(
        "INSERT INTO dead_letter (received_at, reason, detail, queue, exchange, routing_key, properties,"
        " body_size, body_sha256) SELECT 0, 'bad_field', repeat('wide', 60), repeat('q', 200), 'accounts_in',"
        " repeat('0.1.', 60), '', 70000, '' FROM generate_series(1, 300)"
    )
    desk.stand.execute(
        "INSERT INTO refusal (refused_at, kind, code, debtor_id, creditor_id, config_ts, config_seqnum,"
        " config_flags, negligible_amount, config_data)"
        " SELECT %s, 'configuration', 'INVALID_CONFIGURATION', 7, 1001, 0, 1, 0, 0, repeat('wide', 400)"
        " FROM generate_series(1, 300)",
        desk.now,
    )
    desk.stand.execute("UPDATE account SET principal = 9223372036854775807 WHERE creditor_id = 1002")
    for width in WIDTHS:
        window = visit(viewport={"width": width, "height": 900}, color_scheme=scheme)
        window.log_in(desk.tokens[role])
        for path in scene.pages():
            window.go(path)
            assert window.overflow() <= 0, (path, width)
            assert window.faint_texts() == [], (path, width)


def test_the_demonstration_can_be_looked_into(browser):
    """What it prints is enough to log in, and to follow a transfer into both ledgers in four clicks."""
    ports = {"WEBSERVER_PORT": str(free_port()), "ADMIN_PORT": str(free_port())}
    environ = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **ports}
    # What is shown to people goes where the lines of logs are expected.
    redirected = ("sh", "-c", 'exec "$@" >&2', "sh")
    with running((*redirected, *SERVER, "demo", "--keep", "--transfers", "50"), environ) as demo:
        demo.wait_for("Its database:")
        shown = "\n".join(demo.lines)
        [address] = re.findall(r"http://\S+/admin/", shown)
        [token] = re.findall(r"(?<!\S)swpt_\S{43}(?!\S)", shown)
        visitor = Visitor(browser.new_context(), address)
        visitor.log_in(token)
        visitor.page.locator("td[data-label=Transfer] a").first.click()
        visitor.click("Ledger of the sender")
        assert re.search("−[0-9]", visitor.text)
        visitor.page.go_back()
        visitor.click("Ledger of the recipient")
        assert re.search(r"\+[0-9]", visitor.text)
        visitor.leave()
