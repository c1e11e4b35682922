"""`python -m scripts.schemas` writes the documents; with `--check` it says whether they are right."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from .asyncapi import document
from .messages import from_the_server, root_config_data, to_the_server

TOP: Final = Path(__file__).parents[2]
FOLDER: Final = TOP / "docs" / "messages"
EXAMPLES: Final = TOP / "tests" / "backstage" / "wire_examples.txt"
PROTOCOL_VERSION: Final = "2.1.0"


def documents() -> dict[str, str]:
    """The text of each file, by its name."""
    messages = {**to_the_server(), **from_the_server()}
    files: dict[str, Any] = {f"{name}.json": schema for name, schema in messages.items()}
    files["RootConfigData.json"] = root_config_data()
    files["asyncapi.json"] = document(PROTOCOL_VERSION, messages, _examples())
    return {name: json.dumps(one, ensure_ascii=False, indent=2) + "\n" for name, one in files.items()}


def _examples() -> dict[str, dict[str, Any]]:
    """The first example of each message in the examples of the wire."""
    found: dict[str, dict[str, Any]] = {}
    for line in EXAMPLES.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            body = json.loads(line)
            found.setdefault(body["type"], body)
    return found


def main(arguments: list[str]) -> int:
    """0 if the files are right, now or already; 1 if they were not."""
    wanted = documents()
    if arguments == ["--check"]:
        wrong = [name for name, text in wanted.items() if _read(name) != text]
        sys.stderr.writelines(f"docs/messages/{name} is not up to date: make schemas\n" for name in wrong)
        return 1 if wrong else 0
    if arguments:
        sys.stderr.write("usage: python -m scripts.schemas [--check]\n")
        return 2
    FOLDER.mkdir(exist_ok=True)
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"docs/messages: {len(wanted)} files\n")
    return 0


def _read(name: str) -> str:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
