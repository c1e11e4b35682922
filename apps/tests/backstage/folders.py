"""Folders of embedded programs: each program has one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder with a short path that everybody may enter, as an embedded PostgreSQL needs it."""
    with TemporaryDirectory(prefix="swpt-app-", dir="/tmp", ignore_cleanup_errors=True) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
