"""The walls of the house: what stands in a folder, what it says about itself, and what it imports."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "swpt_accounts"

MOST_ENTRIES_AT_THE_TOP = 18
MOST_ENTRIES = 22
# What browsers are given: counted by nobody who looks for code.
NOT_COUNTED = {"static", "templates"}

WRITES = re.compile(
    r"\b(INSERT\s+INTO|UPDATE\s+(ONLY\s+)?\w+\s+SET|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE|COPY"
    r"|(CREATE|ALTER|DROP)\s+\w+|FOR\s+(NO\s+KEY\s+)?UPDATE|FOR\s+(KEY\s+)?SHARE|nextval|set_config)\b",
    re.I,
)

LIBRARIES = {"flask", "sqlalchemy", "pika", "psycopg2", "dramatiq", "marshmallow"}


def contracts() -> list[dict[str, Any]]:
    """The import contracts."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, Any]] = config["tool"]["importlinter"]["contracts"]
    return found


def names(layer: str) -> set[str]:
    """The modules of a layer, which may know nothing of each other (|) or may (:)."""
    return {name.strip() for name in re.split(r"[|:]", layer.strip("()"))}


def folders() -> list[Path]:
    """All folders with modules, without the package itself."""
    return sorted(path.parent for path in PACKAGE.rglob("*.py") if path.name == "__init__.py")[1:]


def short_name(path: Path) -> str:
    """The name of a folder as people say it."""
    return str(path.relative_to(PACKAGE))


def docstring(folder: Path) -> str:
    """What a folder says about itself, on one line."""
    return " ".join((ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "").split())


def said(folder: Path) -> set[str]:
    """The wings that a folder says it may import."""
    found = re.search(r"May import: (.*?)\.$", docstring(folder))
    assert found, "its docstring does not end with `May import: ...`"
    return set(re.findall(r"`(\w+)`", found[1]))


def imported(folder: Path) -> Iterator[tuple[str, Path]]:
    """The parts of the package, or of the wing, that the modules below a folder import from outside of it."""
    for path in folder.rglob("*.py"):
        inside = ("swpt_accounts", *path.relative_to(PACKAGE).parent.parts)
        own = ("swpt_accounts", *folder.relative_to(PACKAGE).parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules = [tuple(alias.name.split(".")) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = inside[: len(inside) - node.level + 1] if node.level else ()
                stem = (*base, *(node.module.split(".") if node.module else ()))
                modules = [(*stem, alias.name) for alias in node.names]
            else:
                continue
            for module in modules:
                if module[0] == "swpt_accounts" and len(module) > 1 and module[: len(own)] != own:
                    yield module[1], path


def test_the_top_of_the_house_can_be_surveyed():
    """Whoever opens the package sees wings, the fixed names, and nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "."], cwd=PACKAGE, capture_output=True, text=True, check=False
    ).stdout
    if listed:  # a checkout, and not what was unpacked from an archive
        assert len({name.split("/")[0] for name in listed.split("\0") if name}) <= MOST_ENTRIES_AT_THE_TOP


@pytest.mark.parametrize("folder", [PACKAGE, *folders()], ids=short_name)
def test_a_folder_can_be_surveyed(folder):
    """What does not fit needs a wall more."""
    entries = {path.name for path in folder.iterdir()} - NOT_COUNTED - {"__pycache__"}
    assert len(entries) <= MOST_ENTRIES


@pytest.mark.parametrize("folder", folders(), ids=short_name)
def test_a_folder_says_its_job_and_what_it_may_import(folder):
    """The job in the first sentence, the imports in the last one, and both are true."""
    assert len(docstring(folder).partition("May import:")[0]) >= 30
    for name, path in imported(folder):
        assert name in said(folder), f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", [one for one in folders() if one.parent == PACKAGE], ids=short_name)
def test_what_a_wing_says_is_what_the_contracts_allow(folder):
    """A wing may import the wings below it, unless another contract forbids that."""
    layers = contracts()[0]["layers"]
    [place] = [number for number, layer in enumerate(layers) if folder.name in names(layer)]
    allowed = set().union(*(names(layer) for layer in layers[place + 1 :]))
    forbidden = {
        module.removeprefix("swpt_accounts.")
        for contract in contracts()
        if contract["type"] == "forbidden" and f"swpt_accounts.{folder.name}" in contract["source_modules"]
        if not contract.get("allow_indirect_imports")
        for module in contract["forbidden_modules"]
    }
    assert said(folder) == allowed - forbidden


@pytest.mark.parametrize("folder", folders(), ids=short_name)
def test_a_folder_inside_a_wing_may_import_no_more_than_the_wing(folder):
    """Besides what stands in the wing with it."""
    wing = PACKAGE / folder.relative_to(PACKAGE).parts[0]
    assert said(folder) <= said(wing) | ({wing.name} if folder != wing else set())


@pytest.mark.parametrize("folder", [PACKAGE, *folders()], ids=short_name)
def test_the_order_within_a_folder_is_a_contract(folder):
    """Every folder has one that names all of its modules."""
    container = ".".join(("swpt_accounts", *folder.relative_to(PACKAGE).parts))
    [contract] = [one for one in contracts() if container in one.get("containers", ())]
    assert contract["type"] == "layers"
    assert contract["exhaustive"] is True


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.joinpath("operators/inspection").rglob("*.py")), ids=short_name
)
def test_inspection_holds_no_statement_that_writes(path):
    """Who only asks changes nothing, and locks nothing."""
    module = ast.parse(path.read_text())
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(module)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            assert not WRITES.search(node.value), node.value


@pytest.mark.parametrize("statement", ["INSERT INTO audit VALUES (1)", "update outbox\nSET attempts = 1"])
def test_a_statement_that_writes_is_known(statement):
    """Whatever its letters and line breaks."""
    assert WRITES.search(statement)
    assert not WRITES.search("SELECT count(*) FROM account_update_due WHERE update_pending_since > 0")


@pytest.mark.parametrize("module", ["swpt_accounts.wire.messages", "swpt_accounts.events"])
def test_what_clients_share_loads_no_library_of_the_server(module):
    """A client that imports it needs neither a database nor a web server."""
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "msgspec" in loaded
    assert LIBRARIES & {name.partition(".")[0] for name in loaded} == set()


def test_all_of_the_wire_loads_no_library_of_the_server():
    """Not only what its messages need."""
    modules = sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in PACKAGE.joinpath("wire").rglob("*.py")
    )
    program = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(modules) <= set(loaded)
    assert LIBRARIES & {name.partition(".")[0] for name in loaded} == set()
