"""What the README says of the size of each application is what it is."""

import re

from house.__main__ import APPS, count_lines, list_all, names

_TOLERANCE = 0.1
_ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.M)


def test_the_readme_tells_how_much_code_each_took() -> None:
    """Within a tenth; `python -m house lines` makes the table anew."""
    told = {row[0]: [int(one) for one in row[1:]] for row in _ROW.findall((APPS / "README.md").read_text())}
    assert set(told) == {*names(), "house"}
    for package, figures in told.items():
        found = list(count_lines(package).values())
        for one, other in zip(figures, found, strict=True):
            assert abs(one - other) <= max(5, _TOLERANCE * other), (package, figures, found)


def test_all_applications_are_listed() -> None:
    """By the command that starts each, with a sentence; the README has the same ones."""
    table = re.findall(r"^\| `make (\w+)` \|", (APPS / "README.md").read_text(), re.M)
    assert sorted(table) == names()
    assert [line.split()[:2] for line in list_all().splitlines()] == [["make", name] for name in names()]
