"""The documents: their links lead somewhere, their commands exist, and every command is shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from swpt_accounts.commands.cli import program

TOP = Path(__file__).parents[3]
MADE = {
    ".venv",
    ".git",
    ".pytest_cache",
    ".mypy_cache",
    ".hypothesis",
    "node_modules",
    "build",
    "dist",
    "mutants",
}
FILES = sorted(
    path
    for suffix in ("md", "rst")
    for path in TOP.rglob(f"*.{suffix}")
    if not MADE & set(path.relative_to(TOP).parts)
)
DECISIONS = sorted((TOP / "docs" / "decisions").glob("[0-9]*.md"))
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (TOP / "Makefile").read_text(), re.M))
# The words of a command line after which another program's command line begins.
PREFIXES = re.compile(r"(?:docker-compose (?:exec|run --rm) \w+|--entrypoint) ")


def short_name(path: Path) -> str:
    """The name of a file as people say it."""
    return str(path.relative_to(TOP))


def slug(title: str) -> str:
    """The anchor of a title, as code forges make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def titles(path: Path) -> set[str]:
    """The titles in a file."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    if path.suffix == ".rst":
        return set(rst_titles(text))
    return set(re.findall(r"^#+ (.+)$", text, re.M))


def anchors(path: Path) -> set[str]:
    """What a link can lead to in a file: its titles, and what has an anchor of its own."""
    return {slug(title) for title in titles(path)} | set(
        re.findall(r'<a id="([^"]+)"></a>', path.read_text())
    )


def rst_titles(text: str) -> list[str]:
    """The titles of a reStructuredText."""
    return [title for title, _ in re.findall(r"^(\S.*)\n([=~-])\2{2,}$", text, re.M)]


def code(path: Path) -> Iterator[str]:
    """What a file shows as code: the lines of blocks, and what stands between backticks."""
    text = path.read_text()
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S)
    blocks = [block for kind, block in fenced if kind in ("", "sh", "console")]
    for block in blocks:
        yield from (line.split("   #")[0] for line in block.splitlines())
    rest = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    yield from (found for _, found in re.findall(r"(`+)(.+?)\1", rest))


def lines_of_commands(name: str) -> set[tuple[str, ...]]:
    """The command lines of a program that the documents show, without its name."""
    shown = set()
    for path in FILES:
        for line in code(path):
            for part in PREFIXES.sub("", line).split("&&"):
                words = (
                    shlex.split(part, posix=True) if part.count("'") % 2 == part.count('"') % 2 == 0 else []
                )
                if words and words[0].split("/")[-1] == name:
                    shown.add(tuple(words[1:]))
    return shown


def verbs(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of all commands of the program, with those of their groups before them."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*before, name))
        elif not command.hidden:
            yield (*before, name)


def command_of(words: tuple[str, ...]) -> tuple[click.Command, tuple[str, ...]] | None:
    """The command that these words call, and the words that are left for it."""
    command: click.Command = program
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        if found is None:
            return None
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("path", FILES, ids=short_name)
def test_links_lead_somewhere(path):
    """Every link within the project names a file that exists, and a title that is in it."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text) if path.suffix == ".md" else []
    links += re.findall(r"`[^`<]+ <([^>]+)>`_", text) if path.suffix == ".rst" else []
    for link in links:
        if re.match(r"(https?|mailto):", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link} has no such title"


@pytest.mark.parametrize(
    "path", [TOP / "ARCHITECTURE.md", TOP / "CONTRIBUTING.md", *DECISIONS], ids=short_name
)
def test_modules_that_are_named_exist(path):
    """They are named from the package on, or from the top of the checkout."""
    for name in re.findall(r"`([\w./-]+\.py)`", path.read_text()):
        assert any((top / name).is_file() for top in (TOP, TOP / "swpt_accounts", path.parent)), name


def test_the_architecture_shows_every_wing():
    """In the drawing, and in one row of the table."""
    text = (TOP / "ARCHITECTURE.md").read_text()
    [drawing] = re.findall(r"^```text$(.*?)^```$", text, re.M | re.S)
    package = TOP / "swpt_accounts"
    wings = {path.parent.name + "/" for path in package.glob("*/__init__.py")}
    wings |= {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert set(re.findall(r"\w+(?:/|\.py)", drawing)) == wings
    assert sorted(re.findall(r"^\| `(\w+(?:/|\.py))` \|", text, re.M)) == sorted(wings)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".rst"], ids=short_name)
def test_references_lead_to_titles(path):
    """Every reference in a reStructuredText is the title of a section of it."""
    text = re.sub(r"``.*?``", "", path.read_text())
    known = {title.lower() for title in rst_titles(text)}
    references = re.findall(r"`([^`<>]+)`_\b|\b(\w+)_(?=[\s,.;:)])", text)
    for title in (quoted or single for quoted, single in references):
        assert " ".join(title.split()).lower() in known, f"there is no section {title!r}"


def test_make_commands_exist():
    """Every `make` command that the documents show is in the Makefile."""
    shown = {word for words in lines_of_commands("make") for word in words if "=" not in word}
    assert {"demo", "test", "install", "all"} <= shown
    assert shown <= TARGETS


def test_commands_of_the_program_exist():
    """Every command line of the program that the documents show has a verb and options that exist."""
    for words in lines_of_commands("swpt-accounts"):
        found = command_of(words)
        assert found is not None, f"swpt-accounts {shlex.join(words)}: no such command"
        command, rest = found
        options = {
            name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)
        }
        for word in rest:
            if word.startswith("--") and word != "--help":
                assert word.split("=")[0] in options, f"swpt-accounts {shlex.join(words)}: no option {word}"


@pytest.mark.parametrize("verb", list(verbs(program)), ids=" ".join)
def test_every_command_is_shown(verb):
    """Every command of the program stands in a document for those who run it."""
    shown = lines_of_commands("swpt-accounts")
    is_shown = any(words[: len(verb)] == verb for words in shown)
    assert is_shown or any(
        re.search(rf"`{re.escape(' '.join(verb))}\b", path.read_text())
        for path in FILES
        if path.suffix == ".md"
    )


def test_decisions_have_numbers_of_their_own():
    """Each decision has the number of its file in its title, and no number is given twice."""
    numbers = [path.name[:4] for path in DECISIONS]
    assert len(set(numbers)) == len(numbers)
    for path in DECISIONS:
        assert path.read_text().startswith(f"# {path.name[:4]}. ")


def test_the_index_of_decisions_names_each():
    """docs/decisions/README.md has a line for each decision, with its number, its title and its file."""
    lines = []
    for path in DECISIONS:
        number, title = path.read_text().split("\n", 1)[0].removeprefix("# ").split(". ", 1)
        lines.append(f"- {number} [{title}]({path.name})")
    index = (TOP / "docs" / "decisions" / "README.md").read_text().splitlines()
    assert [line for line in index if line.startswith("- ")] == lines


def test_every_folder_of_tests_is_explained():
    """CONTRIBUTING.md says what is in each folder below tests/."""
    folders = [path.name for path in (TOP / "tests").iterdir() if any(path.glob("**/*.py"))]
    assert {"unit", "web", "services"} <= set(folders)
    text = (TOP / "CONTRIBUTING.md").read_text()
    assert [name for name in folders if f"`tests/{name}/`" not in text] == []


@pytest.mark.parametrize("path", DECISIONS, ids=short_name)
def test_a_decision_has_context_choice_and_cost(path):
    """A decision has its three words in their order, on about half a page."""
    text = path.read_text()
    assert re.findall(r"^(?:\*\*|## )(Context|Choice|Cost)", text, re.M) == ["Context", "Choice", "Cost"]
    assert len(text.split()) < 500
