"""What goes to a real server or database is relative to now: a test with a fixed date ends one day."""

import re
from pathlib import Path

TOP = Path(__file__).parents[3]
FOLDERS = ("integration", "scenarios", "chaos", "browser", "web", "backstage", "services")
# Years around 1970 are those of T0, "never".
DATE = re.compile(r"\b20\d\d-[01]\d-[0-3]\d|\bdate(?:time)?\(\s*20\d\d")

# Files with dates that are the same whatever the day is, and why.
TIMELESS = {
    "backstage/message_bodies.py": "bodies that are only decoded",
    "browser/test_console.py": "the end of a range, before everything",
    "integration/broker/test_publishing.py": "values that only travel",
    "integration/commands/test_commands.py": "the example in the complaint about a wrong moment",
    "integration/commands/test_questions.py": "moments that are wrong, or have nothing",
    "integration/operators/admin/test_access.py": "a moment at which nothing was refused",
    "integration/operators/admin/test_console_pages.py": "ranges that are refused, or hold nothing",
    "integration/operators/admin/test_exports.py": "ranges that are refused, or lie before everything",
    "integration/operators/admin/test_problems.py": "ranges that are refused, or hold nothing",
    "integration/operators/admin/test_refusals.py": "moments that are wrong, or have nothing",
    "scenarios/test_configuring.py": "a configuration from the far future",
    "scenarios/test_poison.py": "moments whose form is refused",
    "scenarios/test_preparing.py": "bounds in the far future",
}


def with_dates() -> dict[str, list[str]]:
    """The dates that stand in the tests with servers, by file."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((TOP / "tests" / folder).rglob("*.py")):
            if dates := DATE.findall(path.read_text()):
                found[str(path.relative_to(TOP / "tests"))] = dates
    return found


def test_no_fixed_date_goes_to_a_server():
    """Who writes one says why it is good for ever, or takes `NOW`, `TODAY` or the clock instead."""
    found = with_dates()
    assert found.keys() <= TIMELESS.keys(), "these tests carry a date: take builders.NOW instead"
    assert found.keys() == TIMELESS.keys(), "these reasons are not needed any more"


def test_far_ones_are_far():
    """What is called the far future lies decades ahead."""
    for name in ("scenarios/test_configuring.py", "scenarios/test_preparing.py"):
        assert all(date[:4] >= "2090" for date in with_dates()[name])
