"""docs/rules.md, read: its tables, its anchors, and the rules with the functions that obey them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.backstage.builders import DAY, SECOND, YEAR

TOP: Final = Path(__file__).parents[2]
PACKAGE: Final = TOP / "swpt_accounts"
TEXT: Final = (TOP / "docs" / "rules.md").read_text(encoding="utf-8")

_TITLE: Final = re.compile(r"^(#+) (.+)$", re.M)
_ANCHOR: Final = re.compile(r'<a id="([a-z0-9-]+)"></a>')
_RULE: Final = re.compile(r'^\| <a id="[a-z0-9]+"></a>(?P<id>[A-Z]\d+) \|(?P<cells>.*)\|$', re.M)
_FUNCTION: Final = re.compile(r"`(?P<file>[\w/]+\.py)` `(?P<name>[A-Za-z_][\w.]*)`")
_UNITS: Final = {"s": SECOND, "d": DAY, "y": YEAR}


class Function(NamedTuple):
    """A function, method or class, by its file below the package and its name in it."""

    file: str
    name: str


class Rule(NamedTuple):
    """A rule, and what its column "where" names."""

    id: str
    functions: list[Function]
    is_there: bool


def functions_in(text: str) -> list[Function]:
    """The functions that a text names, as a file and a name behind it."""
    return [Function(*match.groups()) for match in _FUNCTION.finditer(text)]


def rules() -> list[Rule]:
    """All rules in their order."""
    found = []
    for match in _RULE.finditer(TEXT):
        where = match["cells"].split("|")[-1]
        found.append(Rule(match["id"], functions_in(where), not where.strip().startswith("not yet")))
    return found


def slug(title: str) -> str:
    """The anchor of a title, as code forges make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def anchors() -> list[str]:
    """All anchors of the document: those of its titles, and those of rules, behaviours and choices."""
    return [slug(title) for _, title in _TITLE.findall(TEXT)] + _ANCHOR.findall(TEXT)


def section(title: str) -> str:
    """The text under a title, up to the next title of any rank."""
    titles = list(_TITLE.finditer(TEXT))
    [at] = [at for at, match in enumerate(titles) if match[2] == title]
    end = titles[at + 1].start() if at + 1 < len(titles) else len(TEXT)
    return TEXT[titles[at].end() : end]


def table(title: str, first_column: str) -> list[dict[str, str]]:
    """The rows of the table under a title whose first column is called so; cells without anchors."""
    [rows] = [rows for rows in _tables(section(title)) if rows[0][0] == first_column]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def _tables(text: str) -> Iterator[list[list[str]]]:
    for block in re.findall(r"^\|.*\|(?:\n\|.*\|)*", _ANCHOR.sub("", text), re.M):
        yield [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]


def microseconds(text: str) -> int:
    """A duration such as `365 d`, `1 y` or `-5 s`."""
    number, unit = text.split()
    return round(float(number) * _UNITS[unit])
