"""The application behind the HTTP interface between shards: settings in, wired Flask out."""

from functools import partial
from typing import Any, Final

from flask import Flask
from flask_migrate import Migrate

from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.connections import DRIVER, connect
from swpt_accounts.storage.migrations import migrations_folder
from swpt_accounts.storage.models import db

from . import api

# An unreachable database must become an answer of 503 within seconds, not a hanging request.
_GIVE_UP_SOON: Final[dict[str, Any]] = {
    "connect_timeout": 3,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 5000,
}


def create_app(settings: Settings) -> Flask:
    """The application behind the HTTP interface between shards, and behind the commands of `flask db`.

    It does not touch the database before it is asked something.
    """
    app = Flask(__name__, static_folder=None, template_folder=None)
    app.config["SQLALCHEMY_DATABASE_URI"] = DRIVER
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = _engine_options(settings)
    db.init_app(app)
    Migrate(app, db, directory=str(migrations_folder()))
    api.register(app, settings)
    return app


def _engine_options(settings: Settings) -> dict[str, Any]:
    return {
        "pool_size": settings.webserver_threads,
        "max_overflow": 0,
        "pool_timeout": 3,
        "pool_pre_ping": True,
        "creator": partial(connect, settings.postgres_url, "swpt_accounts web", **_GIVE_UP_SOON),
    }
