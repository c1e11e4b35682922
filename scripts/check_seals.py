"""Checks seals of a journal, without the server and far from its database; needs Python alone.

    swpt-accounts seals export > seals.jsonl
    python3 check_seals.py seals.jsonl kept.txt

Computes every seal anew, sees that each follows from the one before, and holds them against the seals that
were kept: lines of `kept.txt` with the number and the SHA-256 of a seal, as `swpt-accounts seals newest`
shows it.  Adds the newest seal to the file, so that the next check goes on from it.

    swpt-accounts seals rows 17 > rows.txt
    python3 check_seals.py seals.jsonl kept.txt 17=rows.txt

also holds rows against their seal.  Exit code 0: all is as it was.  1: it is not.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

FIRST = "0" * 64


def text_of(seal: dict[str, Any]) -> str:
    """What a seal is the SHA-256 of."""
    begins, ends = (f"{place[0]} {place[1]}" for place in (seal["begins"], seal["ends"]))
    lines = ["swpt_accounts seal 1", seal["seal_id"], begins, ends, seal["rows"], seal["rows_sha256"]]
    return "\n".join(map(str, [*lines, seal["sealed_at"], seal["previous"], ""]))


def check(seals: list[dict[str, Any]], kept: dict[int, str], rows: dict[int, bytes]) -> list[str]:
    """All that is wrong, a line each."""
    wrong: list[str] = []
    previous, ends = FIRST, [0, -(2**63)]
    for number, seal in enumerate(seals, 1):
        named = f"seal {seal['seal_id']}"
        if seal["seal_id"] != number:
            return [*wrong, f"the seal {number} is missing"]
        if seal["previous"] != previous or seal["begins"] != ends:
            wrong.append(f"{named} does not follow from the one before")
        if hashlib.sha256(text_of(seal).encode()).hexdigest() != seal["sha256"]:
            wrong.append(f"{named} is not the SHA-256 of what it says")
        if kept.get(number, seal["sha256"]) != seal["sha256"]:
            wrong.append(f"{named} is not the one that was kept: {kept[number]}")
        if number in rows and hashlib.sha256(rows[number]).hexdigest() != seal["rows_sha256"]:
            wrong.append(f"the rows of {named} are not those that were sealed")
        previous, ends = seal["sha256"], seal["ends"]
    lost = [number for number in kept if number > len(seals)]
    return wrong + [f"seal {number} was kept, and is not there any more" for number in lost]


def main(arguments: list[str]) -> int:
    """Check, say what is wrong, and keep the newest seal if nothing is."""
    if len(arguments) < 2:
        print(__doc__)
        return 2
    seals = [json.loads(line) for line in Path(arguments[0]).read_text().splitlines()]
    notebook = Path(arguments[1])
    lines = notebook.read_text().splitlines() if notebook.exists() else []
    kept = {int(number): digest for number, digest, *_ in map(str.split, lines)}
    rows = {int(name): Path(path).read_bytes() for name, _, path in (a.partition("=") for a in arguments[2:])}
    wrong = check(seals, kept, rows)
    for line in wrong:
        print(line)
    if wrong:
        return 1
    print(f"{len(seals)} seals, {sum(seal['rows'] for seal in seals)} rows, {len(kept)} seals were kept")
    if seals and seals[-1]["seal_id"] not in kept:
        with notebook.open("a") as file:
            print(seals[-1]["seal_id"], seals[-1]["sha256"], file=file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
