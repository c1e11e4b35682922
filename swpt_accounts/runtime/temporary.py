"""Folders for temporary files, or one line that says why there are none."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import OperatorError


@contextmanager
def temporary_files() -> Iterator[None]:
    """Where such files are made.  Raises OperatorError for an OSError that this leads to."""
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).rstrip(".")
        where = f" in {error.filename}" if error.filename else ""
        raise OperatorError(
            f"no room for temporary files{where}: {why}: set TMPDIR to a folder that may be written to."
        ) from None
