"""What one transaction is made of: gather under locks, decide by the rules, store state and outbox.

May import: `storage`, `broker`, `rules`, `runtime`, `events`, `wire`.
"""
