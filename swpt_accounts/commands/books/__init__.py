"""What goes over the whole database: whether the books are right, whose rows they are, and after a restore.

May import: `commands`, `operators`, `rules`, `runtime`, `shards`, `storage`, `wire`.
"""
