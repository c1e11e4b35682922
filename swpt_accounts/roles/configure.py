"""Prepares the servers: tables, promises and partitions in PostgreSQL, topology in RabbitMQ."""

from collections.abc import Callable
from logging import getLogger
from time import monotonic, sleep
from typing import Final

import psycopg2
import sqlalchemy.exc

from swpt_accounts.broker import BrokerProblem, SmpBroker
from swpt_accounts.broker.errors import NoSuchVirtualHost, WrongPassword
from swpt_accounts.runtime.errors import OperatorError, first_line, mask_secrets
from swpt_accounts.runtime.pauses import Pauses
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage import connections, migrations
from swpt_accounts.storage.fitness import configure_database
from swpt_accounts.storage.shard_record import load_shard_record

from .composition import make_broker

# A server that is just starting needs seconds, one that is recovering from a crash maybe minutes.
WAIT_SECONDS: Final = 120.0
_FIRST_PAUSE_SECONDS: Final = 0.25
_LONGEST_PAUSE_SECONDS: Final = 5.0
_LOG_AGAIN_SECONDS: Final = 15.0

# What does not pass by waiting.
_PERMANENT: Final = (
    "password authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "permission denied",
    "connection option",  # a wrong value for one of them
    # What the surroundings ask of each session, such as PGTZ and PGOPTIONS, and the server does not know.
    "invalid value for parameter",
    "invalid command-line argument",
    "requires a ",
    "unrecognized configuration parameter",
    "session is not read-only",
    "authentication method requirement",
)

_logger: Final = getLogger(__name__)


def run(settings: Settings, wait_seconds: float = WAIT_SECONDS) -> int:
    """Configure everything; idempotent.  Raises OperatorError if a server stays away or refuses us."""
    _refuse_shared_queue(settings)
    deadline = monotonic() + wait_seconds
    _retry("the database", lambda: configure_database(settings), deadline)
    _logger.info("The database %s is ready.", mask_secrets(settings.postgres_url))
    if _is_being_split(settings):
        _logger.warning("This shard is being split: its queue gets no messages any more, and stays so.")
        return 0
    _retry("the broker", lambda: configure_broker(settings, make_broker(settings)), deadline)
    _logger.info("The broker %s is ready.", mask_secrets(settings.protocol_broker_url))
    return 0


def _refuse_shared_queue(settings: Settings) -> None:
    """Raises OperatorError for a shard with the queue that every server has unless it is told otherwise.

    Two shards on one queue would take each other's messages, and make dead letters of them.
    """
    key, queue = settings.protocol_broker_queue_routing_key, settings.protocol_broker_queue
    if settings.realm().bits and queue == Settings.protocol_broker_queue:
        raise OperatorError(
            f"PROTOCOL_BROKER_QUEUE={queue}: every server has this queue unless it is told otherwise, and"
            f" PROTOCOL_BROKER_QUEUE_ROUTING_KEY={key} says that there are others: set another name."
        )


def _is_being_split(settings: Settings) -> bool:
    """Whether the queues of the children get what this shard got: bound again, it would do all of it, too."""
    with (
        connections.session(settings.postgres_url, "swpt_accounts configure") as connection,
        connection,
        connection.cursor() as cursor,
    ):
        record = load_shard_record(cursor)
    return record is not None and record.split_begun_at is not None


def await_tables(settings: Settings, pauses: Pauses | None = None) -> None:
    """Return when the database has the tables of this version, which somebody else makes.

    A server that is not up yet is waited for as well, without an end.  Raises OperatorError for what does
    not pass by waiting, such as a wrong password or tables of a newer version.
    """
    pauses = pauses or Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    while True:
        try:
            found = migrations.found_versions(settings.postgres_url)
            if not migrations.is_behind(found):
                if (why := migrations.misfit(found)) is not None:
                    raise OperatorError(f"the database {why}")
                return
            _logger.info("The database has no tables of this version yet.")
        except psycopg2.OperationalError as error:
            text = mask_secrets(first_line(error))
            if _is_permanent(text):
                raise OperatorError(f"cannot ask the database: {text}") from None
            _logger.info("Waiting for the database: %s", text)
        sleep(pauses.draw())


def configure_broker(settings: Settings, broker: SmpBroker) -> None:
    """Declare exchanges, queues and bindings.  Raises BrokerProblem."""
    broker.declare_topology(settings.protocol_broker_queue, settings.protocol_broker_queue_routing_key)


def _retry(what: str, action: Callable[[], None], deadline: float) -> None:
    """Call the action until it works, with growing pauses."""
    pauses = Pauses(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    logged, logged_at = "", 0.0
    while True:
        try:
            action()
        except (psycopg2.OperationalError, sqlalchemy.exc.OperationalError, BrokerProblem) as error:
            text = mask_secrets(first_line(error))
            is_permanent = isinstance(error, WrongPassword | NoSuchVirtualHost) or _is_permanent(text)
            pause = pauses.draw()
            if is_permanent or monotonic() + pause > deadline:
                raise OperatorError(f"cannot configure {what}: {text}") from None
            if text != logged or monotonic() - logged_at > _LOG_AGAIN_SECONDS:
                _logger.warning("Waiting for %s, for %.0f s at most: %s", what, deadline - monotonic(), text)
                logged, logged_at = text, monotonic()
            sleep(pause)
        else:
            return


def _is_permanent(text: str) -> bool:
    return any(sign in text for sign in _PERMANENT)
