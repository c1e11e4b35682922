"""The rules of the house that a program can check; import-linter checks the direction of imports."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[1]
LONGEST_FUNCTION_LINES = 45
LONG = {"swpt_client/agent/agent.py __init__"}
"""Parameters with what they mean, and where each goes."""
LONGEST_MODULE_LINES = 400
MODULES = sorted((CLIENT / "swpt_client").rglob("*.py"))
TESTS = sorted((CLIENT / "tests").rglob("test_*.py"))


def name_of(path: Path) -> str:
    """The name of a file as people say it."""
    return str(path.relative_to(CLIENT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a module."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_its_job_and_can_be_surveyed(path):
    """Someone new can guess where a thing is; what outgrows its limit hides a second noun."""
    tree = ast.parse(path.read_text(), str(path))
    assert len((ast.get_docstring(tree) or "").partition("\n")[0]) >= 10
    assert len(path.read_text().splitlines()) <= LONGEST_MODULE_LINES
    for function in functions(path):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        assert length <= LONGEST_FUNCTION_LINES or f"{name_of(path)} {function.name}" in LONG, function.name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_name_says_what_it_is(path):
    """Classes and functions have docstrings."""
    for node in ast.parse(path.read_text(), str(path)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_a_test_says_which_behaviour_it_checks(path):
    """The docstrings of the tests, read one after the other, describe the client."""
    for function in functions(path):
        if function.name.startswith("test_"):
            assert ast.get_docstring(function), function.name


def test_only_one_module_of_the_tests_touches_the_server():
    """So it is easy to see what the two codecs have in common: nothing."""
    touching = {
        path.name
        for path in (CLIENT / "tests").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("swpt_accounts")
    }
    assert touching == {"server_codec.py"}


def test_the_client_enters_the_server_by_one_door():
    """Only the room for a server in the same process, and only what the server offers for it."""
    found = {
        (name_of(path), node.module or "")
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("swpt_accounts")
    }
    assert {one for one in found if "/testing/" not in one[0]} == {
        ("swpt_client/embedded.py", "swpt_accounts.embedded")
    }


def test_what_is_for_tests_takes_nothing_of_the_server_but_its_rules():
    """They are pure: somebody else's tests need no database and no broker."""
    taken = {
        ".".join((node.module or "").split(".")[:2])
        for path in (CLIENT / "swpt_client" / "testing").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("swpt_accounts")
    }
    assert taken == {"swpt_accounts.rules", "swpt_accounts.wire", "swpt_accounts.events"}


def test_the_server_needs_all_that_the_client_needs():
    """One lock holds for both, and both fit into one environment."""

    def dependencies(folder: Path) -> set[str]:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        return set(project["dependencies"])

    assert dependencies(CLIENT) <= dependencies(CLIENT.parent)


def test_the_license_is_that_of_the_server():
    """The wheel carries it."""
    assert (CLIENT / "LICENSE").read_text() == (CLIENT.parent / "LICENSE").read_text()
