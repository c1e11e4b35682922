"""Whether a role of the server can do its work here and now; for health checks of containers.

These run every few seconds, so each check imports only what it needs.
"""

import http.client
from typing import Final, Literal, TypeAlias

from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.settings import Settings

Role: TypeAlias = Literal["web", "worker", "chores", "all"]

_ANSWER_WITHIN_SECONDS: Final = 3.0
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
    """The database has the tables of this version, and does what a batch needs."""
    import psycopg2

    from swpt_accounts.storage import migrations
    from swpt_accounts.storage.trial import why_not

    where = mask_secrets(settings.postgres_url)
    try:
        wrong = migrations.misfit(migrations.found_versions(settings.postgres_url))
    except psycopg2.Error as error:
        cause = first_line(error)
        raise OperatorError(f"unhealthy: no answer from the database {where}: {cause}") from None
    if wrong is not None:
        raise OperatorError(f"unhealthy: the database {where} {wrong}")
    if why := why_not(settings.postgres_url, "swpt_accounts healthcheck"):
        raise OperatorError(f"unhealthy: the database {where} answers, but cannot do its work: {why}")
    return "database works"


def check_broker(settings: Settings) -> str:
    """The broker has the queue, and takes messages."""
    from swpt_accounts.broker.amqp.trial import ask_broker
    from swpt_accounts.broker.errors import BrokerProblem, QueueMissing

    queue = settings.protocol_broker_queue
    try:
        state = ask_broker(settings.protocol_broker_url, queue)
    except QueueMissing:
        raise OperatorError(
            f"unhealthy: the broker has no queue {queue}: run `swpt-accounts configure`"
        ) from None
    except BrokerProblem as problem:
        raise OperatorError(f"unhealthy: {first_line(problem)}") from None
    if state.refusal:
        raise OperatorError(f"unhealthy: the broker answers, but {state.refusal}")
    return "broker takes messages"
