"""The rules of the house that a program can check; import-linter checks the direction of imports."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LONGEST_FUNCTION_LINES = 45
LONGEST_MODULE_LINES = 400

# What is longer, and why it would be harder to read in parts.
LONG = {
    "swpt_accounts/rules/transfers.py prepare": "a ladder, in the order of the protocol",
    "swpt_accounts/transactions/gathering.py gather": "statements in the order in which they leave",
    "apps/house/pages.py set_up": "the handlers of an application, each a few lines",
    "apps/tap/hearing.py hear": "the handlers of an application, each a few lines",
}

# Modules that may read the environment: the settings, and who hands it on to processes or a library.
READS_THE_ENVIRONMENT = {"runtime/settings.py", "roles/supervision.py", "runtime/metering.py"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.putenv"}

READS_THE_CLOCK = {"runtime/clock.py"}
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.gmtime",
    "time.localtime",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
}

STOPWATCH = re.compile(r"\b(?:monotonic|perf_counter)\(\) - ")

# In two parts, so that this file does not name them either.
REGISTRY_HOSTS = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "deb." + "debian.org"]
REGISTRY_OPTIONS = re.compile(r"^\s*--?(?:extra-index-url|index-url|find-links|trusted-host|i|f)\b", re.M)


def modules() -> list[Path]:
    """All modules of the package."""
    return sorted((ROOT / "swpt_accounts").rglob("*.py"))


def modules_of_applications() -> list[Path]:
    """All modules of the applications, which keep the same style."""
    return sorted(
        path for path in (ROOT / "apps").glob("*/**/*.py") if path.parts[len(ROOT.parts) + 1] not in {"tests"}
    )


def modules_of_tests() -> list[Path]:
    """All modules with tests; the client keeps the style of its own ones."""
    return [path for tests in ("tests", "apps/tests") for path in sorted((ROOT / tests).rglob("test_*.py"))]


def modules_of_the_clients_tests() -> list[Path]:
    """All modules with tests of the client."""
    return sorted((ROOT / "client" / "tests").rglob("test_*.py"))


def texts() -> Iterator[tuple[Path, str]]:
    """All files of the project that are text."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.is_file():
            try:
                yield path, path.read_text()
            except UnicodeDecodeError:
                continue


def short_name(path: Path) -> str:
    """The name of a file as people say it."""
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(), str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a module."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def dotted_uses(path: Path) -> set[str]:
    """All names with a dot that a module uses, and those that it imports from modules."""
    used = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute):
            used.add(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom):
            used |= {f"{node.module}.{alias.name}" for alias in node.names}
    return used


@pytest.mark.parametrize("path", [*modules(), *modules_of_applications()], ids=short_name)
def test_a_module_says_its_job_in_its_first_line(path):
    """Someone new can guess from the first lines of the modules where a thing is."""
    first_line = (ast.get_docstring(parsed(path)) or "").partition("\n")[0]
    assert len(first_line) >= 10


@pytest.mark.parametrize("path", [*modules(), *modules_of_applications()], ids=short_name)
def test_a_module_and_its_functions_can_be_surveyed(path):
    """A module that outgrows its limit hides a second noun; a function fits on a screen."""
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_MODULE_LINES
    for function in functions(path):
        assert function.end_lineno is not None
        length = function.end_lineno - function.lineno + 1
        is_long = f"{short_name(path)} {function.name}" in LONG
        assert length <= LONGEST_FUNCTION_LINES or is_long, f"{function.name} has {length} lines"


def test_the_environment_is_read_in_one_place():
    """What is not a setting can not change what the program does."""
    for path in modules():
        reads = bool(dotted_uses(path) & ENVIRONMENT)
        is_free = str(path.relative_to(ROOT / "swpt_accounts")) in READS_THE_ENVIRONMENT
        assert reads is is_free, f"{short_name(path)} reads the environment, or need not be allowed to"


def test_the_clock_is_read_in_one_place():
    """Every moment comes from `clock.utcnow`; only durations are measured elsewhere."""
    for path in modules():
        if str(path.relative_to(ROOT / "swpt_accounts")) not in READS_THE_CLOCK:
            assert not dotted_uses(path) & CLOCKS, f"{short_name(path)} reads the clock"


@pytest.mark.parametrize("path", modules_of_tests(), ids=short_name)
def test_a_test_says_which_behaviour_it_checks(path):
    """The docstrings of the tests, read one after the other, describe the server."""
    for function in functions(path):
        if function.name.startswith("test_"):
            assert ast.get_docstring(function), f"{function.name} does not say what it checks"


@pytest.mark.parametrize("path", [*modules_of_tests(), *modules_of_the_clients_tests()], ids=short_name)
def test_a_test_asserts_no_elapsed_time(path):
    """It waits for an event with a bound: a busy machine makes a stopwatch wrong, and nothing else.

    Processor time is no stopwatch: what others do makes it no longer.
    """
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Assert):
            assert not STOPWATCH.search(ast.unparse(node.test)), ast.unparse(node)


def test_no_file_names_a_package_registry():
    """Where packages come from is the business of the machine; the locks hold their hashes."""
    for path, text in texts():
        for host in REGISTRY_HOSTS:
            assert host not in text, f"{short_name(path)} names {host}"
        if path.suffix == ".lock":
            assert not REGISTRY_OPTIONS.search(text), f"{short_name(path)} says where to look"


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_pins_every_package_by_hashes(name):
    """Nothing is installed that was not there when the lock was made."""
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    assert len(entries) > 10
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def test_both_locks_agree():
    """What is tested is what runs in the containers."""
    tested = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.M))
    running = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M))
    assert running.items() <= tested.items()


def test_help_lists_every_command():
    """`make help` leaves nothing out."""
    makefile = (ROOT / "Makefile").read_text()
    commands = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    explained = set(re.findall(r"^([a-z-]+):.*  ## \S", makefile, re.M))
    assert commands == explained
    assert commands == set(re.findall(r"^\.PHONY: ([a-z-]+)$", makefile, re.M))


def test_ci_runs_the_test_command():
    """CI and people run the same thing."""
    commands = [
        line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert commands[-1] == "exec make test"
