"""Rows of yesterday and of tomorrow are read: processes of two versions share a store during an upgrade."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from swpt_client import records
from swpt_client.store import packing

ROWS: dict[str, Any] = json.loads((Path(__file__).parent / "rows_of_1_0.json").read_text())
"""As version 1.0 has written them; nobody changes this file."""
DEFAULTS: dict[str, Any] = json.loads((Path(__file__).parent / "defaults_of_1_0.json").read_text())
"""What a field of a record is if a row does not say it; nobody changes these."""
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
    assert says(json.loads(packing.to_full_text(record)), ROWS[kind])


@pytest.mark.parametrize("kind", READERS)
def test_a_row_of_today_says_the_same_without_what_has_its_default(kind):
    """Nothing is lost by what is left out."""
    record = READERS[kind](json.dumps(ROWS[kind]).encode())
    row = packing.to_text(record)
    assert READERS[kind](row.encode()) == record
    assert len(row) <= len(packing.to_full_text(record))


def test_a_default_never_changes():
    """Version 1.0 reads what is left out today as it has always read it, and so does every later version."""
    for kind, defaults in DEFAULTS.items():
        fields = {field.name: field.default for field in msgspec.structs.fields(getattr(records, kind))}
        for name, default in defaults.items():
            found = json.loads(packing.to_full_text(fields[name]))
            assert found == default, f"{kind}.{name}"


@pytest.mark.parametrize("kind", READERS)
def test_a_row_of_a_later_version_is_read(kind):
    """What is not known yet is left alone."""
    row = json.dumps(ROWS[kind]).encode()
    later = json.dumps({**ROWS[kind], "of_tomorrow": {"a": [1]}}).encode()
    assert READERS[kind](later) == READERS[kind](row)
