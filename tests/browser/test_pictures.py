"""Makes the pictures of docs/console.md."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from swpt_accounts.runtime import clock
from swpt_accounts.wire.moments import render_timestamp

from .pictures import PICTURED_DEBTOR, BusyHours

pytestmark = [pytest.mark.pictures, pytest.mark.timeout(300)]

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
MOST_BYTES = 150_000

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


class Picture(NamedTuple):
    """A page, and how it is looked at."""

    name: str
    path: str
    scheme: str = "light"
    viewport: dict[str, int] = DESKTOP


def test_pictures_of_the_main_pages(desk, visit):
    """Each fits into a document, and the browser complains about none."""
    BusyHours(desk).tell()
    locked = desk.stand.rows("SELECT creditor_id FROM prepared_transfer ORDER BY 1")[0][0]
    account = f"debtors/{PICTURED_DEBTOR}/accounts/{locked}"
    query = "SELECT sender_creditor_id, transfer_id FROM journal WHERE transfer_note <> '' ORDER BY 1 LIMIT 1"
    [(sender, transfer_id)] = desk.stand.rows(query)
    query = "SELECT refused_at, refusal_id FROM refusal WHERE kind = 'transfer' ORDER BY refused_at LIMIT 1"
    [(refused_at, refusal_id)] = desk.stand.rows(query)
    pictures = [
        Picture("overview-light", ""),
        Picture("overview-dark", "", "dark"),
        Picture("account", account),
        Picture("transfer", f"debtors/{PICTURED_DEBTOR}/accounts/{sender}/transfers/{transfer_id}"),
        Picture("refusal", f"refusals/{render_timestamp(refused_at).replace('+00:00', 'Z')}/{refusal_id}"),
        Picture("dead-letters", "dead-letters"),
        Picture("account-phone", account, viewport=PHONE),
    ]
    FOLDER.mkdir(exist_ok=True)
    for picture in pictures:
        take(desk, visit, picture)
        assert file_of(picture).stat().st_size < MOST_BYTES


def take(desk: Any, visit: Any, picture: Picture) -> None:
    """Take one, as somebody who has just come."""
    window = visit(viewport=picture.viewport, color_scheme=picture.scheme)
    window.log_in(desk.tokens["operator"])
    # The page compares this clock with that of the database.
    desk.now = clock.utcnow()
    window.go(picture.path)
    window.page.screenshot(path=file_of(picture))


def file_of(picture: Picture) -> Path:
    """Where the picture is kept."""
    return FOLDER / f"{picture.name}.png"
