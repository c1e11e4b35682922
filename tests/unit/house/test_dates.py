"""What goes to a real server or database is relative to now: a test with a fixed date ends one day."""

import re
from pathlib import Path

TOP = Path(__file__).parents[3]
FOLDERS = (
    *(f"tests/{one}" for one in ("integration", "scenarios", "chaos", "browser", "web", "simulation")),
    *("tests/backstage", "tests/services", "client/tests", "apps/tests"),
)
# Years around 1970 are those of T0, "never".
DATE = re.compile(r"\b20\d\d-[01]\d-[0-3]\d|\bdate(?:time)?\(\s*20\d\d")

# Files with dates that are the same whatever the day is, and why.
TIMELESS = {
    "tests/backstage/message_bodies.py": "bodies that are only decoded",
    "tests/backstage/odd_bodies.py": "bodies that are only decoded",
    "tests/browser/test_console.py": "the end of a range, before everything",
    "tests/integration/broker/test_publishing.py": "values that only travel",
    "tests/integration/commands/test_commands.py": "the example in the complaint about a wrong moment",
    "tests/integration/commands/test_questions.py": "moments that are wrong, or have nothing",
    "tests/integration/operators/admin/test_access.py": "a moment at which nothing was refused",
    "tests/integration/operators/admin/test_console_pages.py": "ranges that are refused, or hold nothing",
    "tests/integration/operators/admin/test_exports.py": "ranges that are refused, or lie before everything",
    "tests/integration/operators/admin/test_problems.py": "ranges that are refused, or hold nothing",
    "tests/integration/operators/admin/test_refusals.py": "moments that are wrong, or have nothing",
    "apps/tests/shop/test_pages.py": "a day before every other one, in a log that is never sent",
    "apps/tests/till/test_rules.py": "pure rules, which are given their moment",
    "client/tests/test_messages.py": "moments whose form is refused",
    "client/tests/test_moments.py": "moments that are only read, or refused",
    "tests/scenarios/test_configuring.py": "a configuration from the far future",
    "tests/scenarios/test_poison.py": "moments whose form is refused",
    "tests/scenarios/test_preparing.py": "bounds in the far future",
}


def with_dates() -> dict[str, list[str]]:
    """The dates that stand in the tests with servers, by file."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((TOP / folder).rglob("*.py")):
            if dates := DATE.findall(path.read_text()):
                found[str(path.relative_to(TOP))] = dates
    return found


def test_no_fixed_date_goes_to_a_server():
    """Who writes one says why it is good for ever, or takes `NOW`, `TODAY` or the clock instead."""
    found = with_dates()
    assert found.keys() <= TIMELESS.keys(), "these tests carry a date: take builders.NOW instead"
    assert found.keys() == TIMELESS.keys(), "these reasons are not needed any more"


def test_far_ones_are_far():
    """What is called the far future lies decades ahead."""
    for name in ("tests/scenarios/test_configuring.py", "tests/scenarios/test_preparing.py"):
        assert all(date[:4] >= "2090" for date in with_dates()[name])
