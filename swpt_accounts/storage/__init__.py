"""How the server speaks with PostgreSQL: connections, statements, tables, and the outbox.

May import: `broker`, `rules`, `runtime`, `events`, `wire`.
"""
