"""Checks seals of a journal, without the server and far from its database; needs Python alone.

    swpt-accounts seals export > seals.jsonl
    python3 check_seals.py seals.jsonl kept.txt

Computes every seal anew, sees that each follows from the one before, and holds them against the seals that
were kept: lines of `kept.txt` with the number and the SHA-256 of a seal, as `swpt-accounts seals newest`
shows it.  Adds the newest seal to the file, so that the next check goes on from it.

    swpt-accounts seals rows 17 > rows.txt
    python3 check_seals.py seals.jsonl kept.txt 17=rows.txt

also holds rows against their seal, and

    python3 check_seals.py seals.jsonl kept.txt archive=2026-01.txt archive=2026-02.txt

the rows of closed months: each segment that is whole in the archives has to be what was sealed.  Others, of
which a part is in a month that is not among them, are told.  Exit code 0: all is as it was.  1: it is not.
"""

import hashlib
import heapq
import json
import sys
from collections.abc import Iterator
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


def place_of(line: bytes) -> list[int]:
    """Where a row stands: who has written it, when it was applied, and its number."""
    return [int(part) for part in line.split(b"\t", 3)[:3]]


def check_archives(seals: list[dict[str, Any]], archives: list[Path]) -> Iterator[tuple[bool, str]]:
    """What is to be said of the rows of archives, and whether it is wrong."""
    files = [path.open("rb") for path in archives]
    rows = heapq.merge(*files, key=place_of)
    row = next(rows, None)
    for seal in seals:
        count, digest = 0, hashlib.sha256()
        while row is not None and place_of(row)[:2] < seal["ends"]:
            count += 1
            digest.update(row)
            row = next(rows, None)
        named = f"of seal {seal['seal_id']}"
        if count == seal["rows"] and count and digest.hexdigest() != seal["rows_sha256"]:
            yield True, f"the archived rows {named} are not those that were sealed"
        elif count > seal["rows"]:
            yield (
                True,
                f"the archived rows {named} are not those that were sealed: {count}, not {seal['rows']}",
            )
        elif 0 < count < seal["rows"]:
            yield False, f"{count} rows {named} are in the archives, which has {seal['rows']}"
    if row is not None:
        yield True, "the archives have rows, which are not those of any seal"
    for file in files:
        file.close()


def main(arguments: list[str]) -> int:
    """Check, say what is wrong, and keep the newest seal if nothing is."""
    if len(arguments) < 2:
        print(__doc__)
        return 2
    seals = [json.loads(line) for line in Path(arguments[0]).read_text().splitlines()]
    notebook = Path(arguments[1])
    lines = notebook.read_text().splitlines() if notebook.exists() else []
    kept = {int(number): digest for number, digest, *_ in map(str.split, lines)}
    named = [(name, Path(path)) for name, _, path in (a.partition("=") for a in arguments[2:])]
    rows = {int(name): path.read_bytes() for name, path in named if name != "archive"}
    wrong = check(seals, kept, rows)
    for is_wrong, line in check_archives(seals, [path for name, path in named if name == "archive"]):
        if is_wrong:
            wrong.append(line)
        else:
            print(line)
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
