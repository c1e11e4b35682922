"""The manual for operators as pages: the documents of this version, where people need them."""

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Final

NAMES: Final = {
    "runbooks": "running/runbooks.md",
    "backup": "running/backup.md",
    "upgrades": "upgrades.md",
    "capacity": "running/capacity.md",
    "availability": "running/availability.md",
    "hardening": "running/hardening.md",
    "commands": "operators.md",
    "console": "console.md",
    "broker-users": "broker-users.md",
}
"""The documents, by the names of their pages."""

_PAGES: Final = {PurePosixPath(path).name: name for name, path in NAMES.items()}


def manual_folder() -> Path:
    """Where the documents are: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / "manual"
    return inside if inside.is_dir() else package.parent / "docs"


@cache
def rendered(name: str) -> str:
    """A document of `NAMES` as HTML, with anchors; what stands in it is ours, and no HTML of its own."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse((manual_folder() / NAMES[name]).read_text())
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor(tokens[number + 1].content))
        for child in token.children or ():
            _turn(child)
    return str(parser.renderer.render(tokens, parser.options, {}))


def anchor(title: str) -> str:
    """The anchor of a title, as code forges make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def _turn(token: Any) -> None:
    """Links to other documents of the manual lead to their pages; those to the source lead nowhere here."""
    if token.type == "image":
        # The console itself is there to be looked at.
        token.type, token.tag, token.content = "text", "", ""
        return
    if token.type != "link_open":
        return
    target, _, fragment = str(token.attrGet("href")).partition("#")
    if target:
        name = _PAGES.get(PurePosixPath(target).name)
        token.attrSet("href", (name or "runbooks") + (f"#{fragment}" if name and fragment else ""))
        if name is None:
            token.attrSet("title", f"{target} of the source")
            del token.attrs["href"]
