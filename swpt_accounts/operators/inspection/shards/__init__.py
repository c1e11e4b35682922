"""One shard of several: its part of all accounts, what is foreign in it, what waits for others.

May import: `operators`, `storage`, `broker`, `transactions`, `rules`, `runtime`, `wire`.
"""
