"""What one shard of several is told: to be split, who it waits for, how the router finds it.

May import: `commands`, `operators`, `rules`, `runtime`, `wire`.
"""
