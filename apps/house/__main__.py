"""`python -m house`: the applications that stand beside the house."""

from pathlib import Path


def _lines() -> list[str]:
    """One for each application: how it is started, and the first line of what it says of itself."""
    found = []
    for package in sorted(Path(__file__).parents[1].glob("*/program.py")):
        name = package.parent.name
        if name != "house":
            first = (package.parent / "__init__.py").read_text().splitlines()[0]
            found.append(f"make {name:10} {first.strip(chr(34))}")
    return found


print("\n".join(_lines()))  # noqa: T201
