"""Whether a database is fit for this server: tables, promises and partitions, made or refused."""

from logging import getLogger
from typing import Final

from swpt_accounts.runtime import clock
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.moments import Moment

from . import connections, migrations
from .connections import Connection
from .guards import missing_guards
from .partitions import has_room, make_partitions
from .poolers import refuse_shared_sessions
from .sealed_rows import go_on_counting
from .server_record import keep_promises
from .shard_record import keep_realm

_logger: Final = getLogger(__name__)


def prepare_database(settings: Settings) -> None:
    """Check the tables, record promises, make partitions.  Raises OperatorError, or OperationalError."""
    migrations.require_migrated(settings.postgres_url)
    with connections.session(settings.postgres_url, "swpt_accounts start") as connection:
        make_ready(connection, settings, clock.utcnow())


def configure_database(settings: Settings) -> None:
    """Make the tables, record promises, make partitions.  Raises OperatorError, or OperationalError."""
    # Connect once with a time limit, which the tools for migrations do not have.
    with connections.session(settings.postgres_url, "swpt_accounts configure") as connection:
        refuse_shared_sessions(settings.postgres_url, connection)
    migrations.upgrade(settings.postgres_url)
    with connections.session(settings.postgres_url, "swpt_accounts configure") as connection:
        make_ready(connection, settings, clock.utcnow())
        with connection, connection.cursor() as cursor:
            if go_on_counting(cursor):
                _logger.warning("Transactions of the journal are counted on from where they were sealed.")
            for guard in missing_guards(cursor):
                _logger.warning("A guard of the database is off: %s.", guard)


def make_ready(connection: Connection, settings: Settings, now: Moment) -> None:
    """Record realm and promises, make the partitions of the journal.  Raises OperatorError.

    Partitions for later may fail, with an alarm; what is for now not.
    """
    with connection, connection.cursor() as cursor:
        keep_realm(cursor, settings.protocol_broker_queue_routing_key, now)
    keep_promises(connection, settings)
    make_partitions(connection, now)
    if not has_room(connection, now):
        raise OperatorError(
            "the journal has neither a partition for this month nor a default partition, and none can be"
            " made: give the user of POSTGRES_URL the right to create tables, or let the owner run"
            " `swpt-accounts configure`"
        )
