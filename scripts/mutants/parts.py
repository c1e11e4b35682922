"""The parts of the project whose pure rooms are mutated: where each lies, and what explains its mutants."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple

TOP: Final = Path(__file__).parents[2]


class Part(NamedTuple):
    """A distribution with settings of mutmut in its pyproject.toml."""

    name: str
    folder: Path
    package: str
    is_explained_by_lines: bool
    """Its document names the lines of each mutant that may live."""

    @property
    def explained(self) -> Path:
        """The document that says why some mutants live."""
        return self.folder / "tests" / "mutants.md"

    @property
    def results(self) -> Path:
        """What mutmut has left of its runs."""
        return self.folder / "mutants"

    def mutates(self, name: str) -> bool:
        """Whether mutmut looks into this file, whose name is relative to the folder."""
        settings = tomllib.loads((self.folder / "pyproject.toml").read_text())["tool"]["mutmut"]
        return any(fnmatch(name, pattern) for pattern in settings["only_mutate"])


PARTS: Final = {
    part.name: part
    for part in (
        Part("server", TOP, "swpt_accounts", is_explained_by_lines=True),
        Part("client", TOP / "client", "swpt_client", is_explained_by_lines=False),
    )
}
