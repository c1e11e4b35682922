"""Rows of yesterday and of tomorrow are read: processes of two versions share a store during an upgrade."""

import json
from pathlib import Path
from typing import Any

import pytest

from swpt_client.store import packing

ROWS: dict[str, Any] = json.loads((Path(__file__).parent / "rows_of_1_0.json").read_text())
"""As version 1.0 has written them; nobody changes this file."""
READERS = {
    "Account": packing.read_account,
    "Bundle": packing.read_bundle,
    "Entry": packing.read_entry,
    "Silent": packing.read_news,
    "StoredTransfer": packing.read_stored,
    "Transfer": packing.read_transfer,
}


def says(row: Any, known: Any) -> bool:
    """Whether a row says all that an older one has said."""
    if isinstance(known, dict):
        return all(name in row and says(row[name], value) for name, value in known.items())
    if isinstance(known, list):
        return len(row) == len(known) and all(map(says, row, known))
    return bool(row == known)


@pytest.mark.parametrize("kind", READERS)
def test_a_row_of_version_1_0_is_read_as_it_was_meant(kind):
    """All that it says comes back; what was not known then has its default."""
    record = READERS[kind](json.dumps(ROWS[kind]).encode())
    assert type(record).__name__ == kind
    assert says(json.loads(packing.to_text(record)), ROWS[kind])


@pytest.mark.parametrize("kind", READERS)
def test_a_row_of_a_later_version_is_read(kind):
    """What is not known yet is left alone."""
    row = json.dumps(ROWS[kind]).encode()
    later = json.dumps({**ROWS[kind], "of_tomorrow": {"a": [1]}}).encode()
    assert READERS[kind](later) == READERS[kind](row)
