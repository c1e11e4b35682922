"""The composition root of the admin listener: settings in, a wired Flask application out."""

from collections.abc import Callable
from functools import partial
from typing import Final

from flask import Flask

from swpt_accounts.broker.amqp import administration
from swpt_accounts.broker.amqp.trial import ask_broker
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.moments import Moment

from . import access, api, console, exposition, headers, problems, sessions
from .api_pages import api_pages
from .context import AdminContext, set_context
from .entrance import entrance
from .probes import probes

MAX_BODY_BYTES: Final = 65536

_STATIC_MAX_AGE_SECONDS: Final = 3600


def create_admin_app(
    settings: Settings,
    *,
    now: Callable[[], Moment] = clock.utcnow,
    count_messages: Callable[[str], int] | None = None,
) -> Flask:
    """The application behind the admin listener.

    It does not touch the database before it is asked something.  `count_messages` says how many
    messages wait in a queue; without it RabbitMQ is asked.
    """
    app = Flask(__name__, static_folder="static", static_url_path="/admin/static")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = _STATIC_MAX_AGE_SECONDS
    url, queue = settings.protocol_broker_url, settings.protocol_broker_queue
    context = (
        AdminContext(settings, now, count_messages)
        if count_messages is not None
        else AdminContext(
            settings, now, partial(administration.count_messages, url), partial(ask_broker, url, queue)
        )
    )
    set_context(app, context)
    sessions.set_up(app, context)
    access.set_up(app)
    headers.set_up(app, is_https=settings.admin_https)
    problems.set_up(app)
    app.register_blueprint(probes)
    app.register_blueprint(entrance)
    app.register_blueprint(api_pages)
    exposition.register(app, context)
    api.set_up(app)
    console.set_up(app)
    return app
