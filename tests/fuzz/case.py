"""The corpus: inputs in words that a person can read, with the answer that each must get.

A case is a block of lines: `# title`, `# found: where`, `field = value` for each field of the input, and
`-> answer`.  A value is written as in Python, with `+` and `*` for what is long.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

FOLDER: Final = Path(__file__).parent / "corpus"

_REPEATED: Final = re.compile(r"(?s)(.{1,40}?)\1{11,}")


class Case(NamedTuple):
    """An input of a door, and the answer that it must get."""

    title: str
    found: str
    fields: Mapping[str, Any]
    answer: str

    def __str__(self) -> str:
        lines = [f"{name} = {written(value)}" for name, value in self.fields.items()]
        return "\n".join([f"# {self.title}", f"# found: {self.found}", *lines, f"-> {self.answer}"])


def corpus_of(door: str) -> list[Case]:
    """All cases of a door."""
    return list(cases_in((FOLDER / f"{door}.txt").read_text(encoding="utf-8")))


def keep(door: str, case: Case) -> None:
    """Add a case to the corpus of a door."""
    with (FOLDER / f"{door}.txt").open("a", encoding="utf-8") as file:
        file.write(f"\n{case}\n")


def written(value: Any) -> str:
    """A value as a case shows it; what is repeated many times is multiplied."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(written, value))}]"
    if not isinstance(value, str | bytes):
        return repr(value)
    text = value if isinstance(value, str) else value.decode("latin-1")
    parts = []
    at = 0
    for run in _REPEATED.finditer(text):
        parts += [ascii_of(value, at, run.start())] * (run.start() > at)
        size = len(run[1])
        parts.append(f"{ascii_of(value, run.start(), run.start() + size)} * {len(run[0]) // size}")
        at = run.end()
    parts += [ascii_of(value, at, len(value))] * (at < len(value) or not parts)
    return " + ".join(parts)


def ascii_of(value: str | bytes, start: int, end: int) -> str:
    """A part of a text in ASCII."""
    return ascii(value[start:end])


def cases_in(text: str) -> Iterator[Case]:
    """The cases of a text, in their order."""
    for block in filter(None, text.strip().split("\n\n")):
        title, found, *fields, answer = block.splitlines()
        pairs = (line.split(" = ", maxsplit=1) for line in fields)
        yield Case(
            title.removeprefix("# "),
            found.removeprefix("# found: "),
            {name: _value(ast.parse(shown, mode="eval").body) for name, shown in pairs},
            answer.removeprefix("-> "),
        )


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.List):
        return [_value(one) for one in node.elts]
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left), _value(node.right)
        return left + right if isinstance(node.op, ast.Add) else left * right
    return ast.literal_eval(node)
