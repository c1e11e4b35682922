"""The periodic work of the server: one process of it is enough, several share the load."""

from .loop import run
from .once import run_once

__all__ = ["run", "run_once"]
