"""The admin listener: API, console and probes for operators, on a port of its own.

May import: `operators`, `storage`, `broker`, `rules`, `runtime`, `wire`.
"""
