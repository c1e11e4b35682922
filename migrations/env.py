"""Runs the migrations, for `swpt-accounts configure` as well as for `flask db`."""

from alembic import context
from sqlalchemy import Engine

import swpt_accounts.storage.shard_models  # noqa: F401 - it adds its tables
from swpt_accounts.storage.operator_models import db


def get_engine() -> Engine:
    """The engine that the caller has passed, or that of the current Flask application."""
    engine = context.config.attributes.get("engine")
    if engine is None:
        from flask import current_app

        engine = current_app.extensions["migrate"].db.engine
    return engine


def include_object(thing, name, type_, reflected, compare_to) -> bool:
    """Leave the partitions of the journal to the program that makes them."""
    return not (type_ == "table" and reflected and name.startswith("journal_"))


with get_engine().connect() as connection:
    context.configure(connection=connection, target_metadata=db.metadata, include_object=include_object)
    with context.begin_transaction():
        context.run_migrations()
