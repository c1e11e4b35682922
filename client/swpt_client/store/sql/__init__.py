"""A store in the application's own database: PostgreSQL, and SQLite for small things."""

from .store import SqlStore

__all__ = ["SqlStore"]
