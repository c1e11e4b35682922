"""The secret key: from the settings, or a random one in the database that all processes share."""

import secrets
from typing import Final

import psycopg2
from flask import Flask

from .context import AdminContext

_READ: Final = "SELECT secret FROM admin_key"
_WRITE: Final = "INSERT INTO admin_key (admin_key_id, secret) VALUES (1, %s) ON CONFLICT DO NOTHING"


def ensure_key(app: Flask, context: AdminContext) -> None:
    """Give the application its key, once.  Raises what the database raises when it is away."""
    if app.secret_key is None:
        app.secret_key = context.settings.admin_secret_key or _shared_key(context)


def _shared_key(context: AdminContext) -> bytes:
    with context.reading() as connection, connection, connection.cursor() as cursor:
        cursor.execute(_READ)
        row = cursor.fetchone()
    if row is not None:
        return bytes(row[0])
    with context.writing() as connection, connection, connection.cursor() as cursor:
        cursor.execute(_WRITE, [psycopg2.Binary(secrets.token_bytes(32))])
        cursor.execute(_READ)
        return bytes(cursor.fetchone()[0])
