"""The transport within the process.

May import: `broker`, `events`, `wire`.
"""
