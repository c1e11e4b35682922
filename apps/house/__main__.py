"""`python -m house`: the applications that stand beside the house; with `lines`, how much code each took."""

import sys
from pathlib import Path

APPS = Path(__file__).parents[1]
_KINDS = {".py": "Python", ".html": "templates", ".css": "styles", ".js": "scripts"}


def names() -> list[str]:
    """All applications, in the order of their names."""
    return sorted(one.parent.name for one in APPS.glob("*/program.py") if one.parent.name != "house")


def list_all() -> str:
    """How each is started, and the first line of what it says of itself."""
    found = []
    for name in names():
        first = (APPS / name / "__init__.py").read_text().splitlines()[0]
        found.append(f"make {name:10} {first.strip(chr(34))}")
    return "\n".join(found)


def count_lines(package: str) -> dict[str, int]:
    """How many lines a package has, of each kind of file, without empty ones."""
    counts = dict.fromkeys(_KINDS.values(), 0)
    for path in (APPS / package).rglob("*"):
        if path.suffix in _KINDS:
            counts[_KINDS[path.suffix]] += sum(bool(line.strip()) for line in path.read_text().splitlines())
    return counts


def show_lines() -> str:
    """A table in Markdown."""
    kinds = list(_KINDS.values())
    rows = [f"| lines of | {' | '.join(kinds)} |", "|---|" + "---|" * len(kinds)]
    for package in (*names(), "house"):
        counts = count_lines(package)
        rows.append(f"| `{package}` | {' | '.join(str(counts[kind]) for kind in kinds)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(show_lines() if sys.argv[1:] == ["lines"] else list_all())  # noqa: T201
