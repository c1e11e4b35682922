"""The table of what breaks in docs/reliability.md: it has all scenarios, and shows what went wrong."""

from collections import Counter

import pytest

from tests.backstage.commands import TOP
from tests.chaos.table import document
from tests.chaos.table.playing import Played
from tests.chaos.table.scenarios import SCENARIOS, named

DOCUMENT = TOP / "docs" / "reliability.md"
FIRST = SCENARIOS[0]


def rows_of(text):
    """The lines of the table in a document."""
    return text.split(document.BEGIN)[1].split(document.END)[0].splitlines()


def test_every_scenario_is_in_the_table():
    """Who adds one plays all of them, by `make chaos-table`."""
    rows = [row.split(" | ")[:2] for row in rows_of(DOCUMENT.read_text()) if row.startswith("| ")]
    assert rows[1:] == [[f"| {one.name}", one.done] for one in SCENARIOS]
    assert len(SCENARIOS) >= 16


def test_scenarios_are_found_by_words_of_their_names():
    """No word means all; names are different."""
    assert named([]) == list(SCENARIOS)
    assert {one.name for one in named(["killed"])} >= {"worker killed", "broker killed"}
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize(
    ("played", "cell"),
    [
        (Played(scenario=FIRST, outcomes=Counter(OK=2)), "right"),
        (Played(scenario=FIRST, outcomes=Counter(OK=2), wrong=["a | b"]), "**wrong**: a ¦ b"),
        (Played(scenario=FIRST, missing="no rights"), "not played: no rights"),
    ],
)
def test_the_last_cell_says_how_it_has_ended(played, cell):
    """Whatever was wrong stands in the table, and is not counted as right."""
    assert document.row(played).endswith(f"| {cell} |")
    right = int(not played.wrong and not played.missing)
    assert f"\n{right} of 1 scenarios" in document.table([played], 1.0)


def test_a_new_table_takes_the_place_of_the_old_one(tmp_path):
    """All that stands around it stays as it is."""
    file = tmp_path / "document.md"
    file.write_text(f"before\n{document.BEGIN}\nold\n{document.END}\nafter\n")
    document.write(file, "new")
    assert file.read_text() == f"before\n{document.BEGIN}\nnew\n{document.END}\nafter\n"
