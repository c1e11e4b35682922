"""Which lines of the server an input runs through, and after which line each."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

TOP: Final = Path(__file__).parents[2]


class Tracer:
    """Traces functions in some files while an input is tried."""

    def __init__(self, patterns: Sequence[str]) -> None:
        files = {str(path) for pattern in patterns for path in _modules(pattern)}
        self._files = files
        self._wanted: dict[CodeType, bool] = {}
        self._steps: set[tuple[CodeType, int, int]] = set()
        self._last = 0
        self._lines: set[tuple[str, int]] = set()
        self.all_lines = sum(len(set(_lines_of_functions(Path(path)))) for path in files)

    @property
    def covered_lines(self) -> int:
        """How many lines of functions have been run through."""
        return len({(code.co_filename, line) for code, _, line in self._steps if line})

    def is_new(self, run: Any) -> bool:
        """Call `run`; whether it went from one line to another as none before."""
        known = len(self._steps)
        sys.settrace(self._enter)
        try:
            run()
        finally:
            sys.settrace(None)
        return len(self._steps) > known

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        code = frame.f_code
        wanted = self._wanted.get(code)
        if wanted is None:
            wanted = self._wanted[code] = code.co_filename in self._files
        if not wanted:
            return None
        self._last = 0
        return self._step

    def _step(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            line = frame.f_lineno
            self._steps.add((frame.f_code, self._last, line))
            self._last = line
        return self._step


def _modules(pattern: str) -> Iterator[Path]:
    folder = TOP / pattern.removesuffix("/*")
    yield from folder.rglob("*.py") if folder.is_dir() else [folder]


def _lines_of_functions(path: Path) -> Iterator[int]:
    """The lines that are run when functions of a module are called."""
    waiting = [compile(path.read_text(), str(path), "exec")]
    while waiting:
        code = waiting.pop()
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
        if code.co_flags & 2:  # a function, and neither a module nor a class
            yield from (line for _, _, line in code.co_lines() if line and line != code.co_firstlineno)
