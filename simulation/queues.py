"""What the command that splits a shard does at the broker, in place of the server's own administration."""

from collections.abc import Callable

from swpt_accounts.broker.errors import BrokerProblem
from swpt_accounts.wire.routing import Realm

from .actors import step
from .broker import Broker
from .exchange import Exchange, Line


class Administration:
    """Its functions are those of `broker.amqp.administration`; before each of them is a step."""

    def __init__(
        self,
        broker: Broker,
        exchange: Exchange,
        consumers_of: Callable[[str], int],
    ) -> None:
        self._broker = broker
        self._exchange = exchange
        self._consumers_of = consumers_of
        self.lines: dict[str, Line] = {}
        """The queues, by their names."""

    def declare(self, _url: str, queue: str, routing_key: str) -> None:
        """Make a queue, and bind it."""
        self._call("declare")
        line = self.lines.setdefault(queue, self._exchange.new_line())
        self._exchange.bind(Realm.parse(routing_key), line)

    def remove_binding(self, _url: str, queue: str, routing_key: str) -> None:
        """Let no messages go to a queue any more."""
        self._call("unbind")
        self._exchange.unbind(Realm.parse(routing_key))

    def look_at_queue(self, _url: str, queue: str) -> tuple[int, int] | None:
        """How many messages wait in a queue, and how many consumers it has; None if there is none."""
        self._call("look at queue")
        line = self.lines.get(queue)
        return None if line is None else (line.waiting(), self._consumers_of(queue))

    def delete_if_empty(self, _url: str, queue: str) -> bool:
        """Delete a queue, unless it is in use; says whether it is gone."""
        self._call("delete queue")
        if self.lines[queue].waiting() or self._consumers_of(queue):
            return False
        del self.lines[queue]
        return True

    def _call(self, what: str) -> None:
        step(what)
        if not self._broker.is_up:
            raise BrokerProblem("connection refused")
