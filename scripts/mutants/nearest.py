"""mutmut, which lets a mutant meet the tests of the nearest files first, and all others if it survives them.

Most die there, and pytest need not collect a thousand tests to run one of them.
"""

import os
from collections.abc import Iterable
from typing import Final

from mutmut.__main__ import cli
from mutmut.runners.harness import PytestRunner

from .choosing import found_by_pytest, nearest

_KILLED: Final = frozenset({1, 3})
"""Exit codes of pytest: a test has failed, or pytest itself has."""

_run_tests: Final = PytestRunner.run_tests


def _run_nearest_first(runner: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
    listed = list(tests)
    if mutant_name is not None:
        first = nearest(mutant_name, listed)
        if len(first) < len(listed):
            code = _run_tests(runner, mutant_name=mutant_name, tests=found_by_pytest(first))
            if code in _KILLED:
                return code
    return _run_tests(runner, mutant_name=mutant_name, tests=found_by_pytest(listed))


if __name__ == "__main__":
    os.environ["HYPOTHESIS_PROFILE"] = "quick"
    PytestRunner.run_tests = _run_nearest_first  # type: ignore[assignment, method-assign]
    cli()
