"""Whether a role of the server can do its work here and now; for health checks of containers.

These run every few seconds, so each check imports only what it needs.
"""

import http.client
import logging
from typing import Final, Literal, TypeAlias

from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.settings import Settings

Role: TypeAlias = Literal["web", "worker", "chores", "all"]

_ANSWER_WITHIN_SECONDS: Final = 3.0
_NOT_FOUND: Final = 404
# A server that listens everywhere is asked where it surely is.
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound to


def check(settings: Settings, role: Role) -> str:
    """One line that says what works; raises OperatorError with the first thing that does not."""
    works = []
    if role in ("web", "all"):
        works.append(check_web(settings))
    if role != "web":
        works += [check_database(settings), check_broker(settings)]
    return ", ".join(works)


def check_web(settings: Settings) -> str:
    """The web server answers."""
    host = _EVERYWHERE.get(settings.webserver_bind, settings.webserver_bind)
    where = f"http://{host}:{settings.webserver_port}/accounts/healthz"
    connection = http.client.HTTPConnection(host, settings.webserver_port, timeout=_ANSWER_WITHIN_SECONDS)
    try:
        connection.request("GET", "/accounts/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise OperatorError(f"unhealthy: no answer from {where}: {first_line(error)}") from None
    finally:
        connection.close()
    if status != http.client.OK:
        raise OperatorError(f"unhealthy: {where} answered {status}")
    return "web server answers"


def check_database(settings: Settings) -> str:
    """The database can be reached, and has the tables of this version."""
    import psycopg2

    from swpt_accounts.storage import migrations

    where = mask_secrets(settings.postgres_url)
    try:
        wrong = migrations.misfit(migrations.found_versions(settings.postgres_url))
    except psycopg2.Error as error:
        cause = first_line(error)
        raise OperatorError(f"unhealthy: no answer from the database {where}: {cause}") from None
    if wrong is not None:
        raise OperatorError(f"unhealthy: the database {where} {wrong}")
    return "database answers"


def check_broker(settings: Settings) -> str:
    """The broker can be reached, and has the queue."""
    import pika

    from swpt_accounts.broker.amqp.connection import address_of, parameters_of
    from swpt_accounts.broker.errors import ChannelClosed, explained

    # What pika logs on the way is told by the error as well.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    parameters = parameters_of(settings.protocol_broker_url)
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.stack_timeout = _ANSWER_WITHIN_SECONDS
    parameters.blocked_connection_timeout = _ANSWER_WITHIN_SECONDS
    queue = settings.protocol_broker_queue
    try:
        with pika.BlockingConnection(parameters) as connection:
            connection.channel().queue_declare(queue, passive=True)
    except (pika.exceptions.AMQPError, OSError) as error:
        problem = explained(error, address_of(parameters))
        if isinstance(problem, ChannelClosed) and problem.code == _NOT_FOUND:
            raise OperatorError(
                f"unhealthy: the broker has no queue {queue}: run `swpt-accounts configure`"
            ) from None
        raise OperatorError(f"unhealthy: {first_line(problem)}") from None
    return "broker answers"
