"""The mutation score of each pure room of the client, after `make mutants`.

Reads what mutmut has left in client/mutants.  A mutant that runs into its time limit counts as killed, as
mutmut itself counts it; one that no test touches lives.
"""

import json
from collections import Counter
from pathlib import Path

from mutmut.stats import status_by_exit_code

FOLDER = Path("client/mutants/swpt_client")
KILLED = ("killed", "timeout")


def counts_of(path: Path) -> Counter[str]:
    """How many mutants of a module are in each state."""
    return Counter(
        status_by_exit_code[code] for code in json.loads(path.read_text())["exit_code_by_key"].values()
    )


def line(name: str, counts: Counter[str]) -> str:
    """One row of the table; what was not tried yet has no score."""
    tried = counts.total() - counts["not checked"]
    killed = sum(counts[state] for state in KILLED)
    score = f"{100 * killed / tried:.1f} %" if tried else "-"
    return f"{name:20}{counts.total():8}{tried:8}{killed:8}{tried - killed:8}{score:>9}"


def main() -> None:
    """Print the table."""
    rooms = {
        str(path.relative_to(FOLDER)).removesuffix(".py.meta"): counts_of(path)
        for path in sorted(FOLDER.rglob("*.meta"))
    }
    rooms = {name: counts for name, counts in rooms.items() if counts}
    print(f"{'room':20}{'mutants':>8}{'tried':>8}{'killed':>8}{'live':>8}{'score':>9}")
    for name, counts in rooms.items():
        print(line(name, counts))
    print(line("all", sum(rooms.values(), Counter())))


if __name__ == "__main__":
    main()
