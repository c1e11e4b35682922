"""The outbox: committed events on their way to the broker.

May import: `storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
