"""The worker: takes batches from the broker and applies them.

May import: `roles`, `actors`, `shards`, `procedures`, `transactions`, `storage`, `broker`, `rules`,
`runtime`, `wire`.
"""

from .process import run, start

__all__ = ["run", "start"]
