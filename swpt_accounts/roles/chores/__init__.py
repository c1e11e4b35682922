"""The periodic work of the server: one process of it is enough, several share the load."""

from .once import run_once
from .process import run

__all__ = ["run", "run_once"]
