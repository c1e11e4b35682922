"""The periodic work of the server: one process of it is enough, several share the load.

May import: `roles`, `operators`, `shards`, `transactions`, `storage`, `broker`, `rules`, `runtime`, `events`,
`wire`.
"""

from .once import run_once
from .process import run

__all__ = ["run", "run_once"]
