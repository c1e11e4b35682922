"""The server of the demonstration: the one for other programs, watched and in a hurry.

The transport is in memory, and nobody keeps what is in flight: it ends with the process.  What
is committed is in PostgreSQL as always.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from swpt_accounts.broker import MemoryTransport
from swpt_accounts.broker.topology import DEAD_SUFFIX
from swpt_accounts.embedded import EmbeddedServer
from swpt_accounts.operators.inspection.tokens import OPERATOR
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.operators.operations.tokens import create_token
from swpt_accounts.runtime import clock, logs
from swpt_accounts.storage import connections

# Nobody wants to wait a minute for the second announcement of a balance, or for the sum of a currency.
_DIFFERENT: Final = {
    "LOG_LEVEL": "warning",
    "ACCOUNT_UPDATE_MIN_INTERVAL": "0",
    "SUMMARIES_SCAN_INTERVAL": "5",
}


class Server(EmbeddedServer):
    """A worker, the chores, and a PostgreSQL in `folder`."""

    def __init__(self, folder: Path, honoured: Mapping[str, str]) -> None:
        super().__init__(folder, {**_DIFFERENT, **honoured}, transport=MemoryTransport())

    def start_database(self) -> None:
        """Log as the settings say, and start PostgreSQL.  Raises OperatorError."""
        logs.set_up(self.settings)
        super().start_database()

    def make_token(self) -> str:
        """A token for the admin listener, with the role of an operator."""
        with connections.session(self.settings.postgres_url, "swpt_accounts demo") as connection:
            order = Order("demo", "demo", clock.utcnow)
            return create_token(connection, "demo", OPERATOR, expires_days=None, order=order)[1]

    def left(self) -> dict[str, int]:
        """How much is left where nothing should be when all is quiet."""
        queue = self.settings.protocol_broker_queue
        dead = queue + DEAD_SUFFIX
        counts = {
            f"queue {queue}": self.transport.count_messages(queue),
            f"queue {dead}": self.transport.count_messages(dead),
        }
        with (
            connections.session(self.settings.postgres_url, "swpt_accounts demo") as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM dead_letter)")
            outbox, dead_letters = cursor.fetchone()
        return counts | {"the outbox": outbox, "the dead letters": dead_letters}
