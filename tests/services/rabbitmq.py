"""RabbitMQ for a test run: one that runs here and lets us make virtual hosts, or one of our own.

A broker that happens to run here keeps everything that it has: the run works in virtual
hosts of its own, and deletes them.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import pika
from pika.exceptions import AMQPError

from swpt_accounts.runtime.errors import mask_secrets

from .errors import ServiceMissing
from .leftovers import is_leftover, new_folder, new_name
from .network import Host
from .rabbitmq_node import (
    CommandFailed,
    Rabbitmqctl,
    RabbitmqNode,
    remove_abandoned_nodes,
    system_rabbitmqctl,
)
from .rabbitmq_package import require_rabbitmq

_DEFAULT_URL: Final = "amqp://guest:guest@127.0.0.1:5672"

# One call of rabbitmqctl costs most of a second, nearly all of it to start: so virtual hosts
# are made many at a time, in the background, and deleted many at a time.
_VHOSTS_AT_ONCE: Final = 16


class Rabbitmq:
    """A broker on which a test run makes its virtual hosts."""

    def __init__(self, url: str, rabbitmqctl: Rabbitmqctl, origin: str, control: str = "") -> None:
        self.url = url
        self.user = unquote(urlsplit(url).username or "guest")
        self._fresh: list[str] = []
        self._used: list[str] = []
        self._begun: list[str] = []
        self._maker: threading.Thread | None = None
        self._lock = threading.Lock()
        self.rabbitmqctl = rabbitmqctl
        self.origin = origin
        self.control = control

    def vhost_url(self, name: str) -> str:
        """Where a virtual host of this broker is."""
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{quote(name, safe='')}"))

    def take_vhost(self) -> str:
        """The name of a new, empty virtual host."""
        with self._lock:
            if self._maker is not None and not self._fresh:
                self._maker.join()
            if not self._fresh:
                self._make_vhosts()
            name = self._fresh.pop()
            if len(self._fresh) < _VHOSTS_AT_ONCE // 2 and not (self._maker and self._maker.is_alive()):
                self._maker = threading.Thread(target=self._make_vhosts, daemon=True)
                self._maker.start()
            return name

    def give_back_vhost(self, name: str) -> None:
        """Delete a virtual host, soon."""
        self._used.append(name)
        if len(self._used) >= _VHOSTS_AT_ONCE:
            self.delete_used()

    def delete_used(self) -> None:
        """Delete the virtual hosts that were given back."""
        names, self._used = self._used, []
        self._delete_vhosts(names)

    def close(self) -> None:
        """Delete all virtual hosts of the run."""
        if self._maker is not None:
            self._maker.join()
        self._used += [*self._fresh, *self._begun]
        self.delete_used()

    def delete_leftovers(self) -> None:
        """Delete the virtual hosts of runs that were killed."""
        names = self.rabbitmqctl("-q", "list_vhosts", "name", "--no-table-headers").split()
        self._delete_vhosts([name for name in names if is_leftover(name)])

    def _make_vhosts(self) -> None:
        names = [new_name() for _ in range(_VHOSTS_AT_ONCE)]
        # Known before they are there: an interrupt may come at any time.
        self._begun += names
        self.rabbitmqctl("eval", _MAKE_VHOSTS % (_binaries([self.user]), _binaries(names)))
        self._fresh += names
        self._begun = [name for name in self._begun if name not in names]

    def _delete_vhosts(self, names: list[str]) -> None:
        if names:
            self.rabbitmqctl("eval", _DELETE_VHOSTS % _binaries(names))


_MAKE_VHOSTS: Final = """
    [User] = %s, All = <<".*">>,
    [begin
        ok = rabbit_vhost:add(Name, User),
        ok = rabbit_auth_backend_internal:set_permissions(User, Name, All, All, All, User)
    end || Name <- %s].
"""
_DELETE_VHOSTS: Final = '[catch rabbit_vhost:delete(Name, <<"tests">>) || Name <- %s].'


def _binaries(names: list[str]) -> str:
    """A list of names as Erlang writes it."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "[" + ", ".join(f'<<"{name}"/utf8>>' for name in quoted) + "]"


@contextmanager
def rabbitmq() -> Iterator[Rabbitmq]:
    """The broker for this run.  Raises ServiceMissing with one clear line."""
    remove_abandoned_nodes()
    named = os.environ.get("TEST_BROKER_URL") or os.environ.get("PROTOCOL_BROKER_URL")
    if named and named != "none":
        try:
            found = _reach(named, "named by the environment")
        except (ServiceMissing, CommandFailed, AMQPError, OSError) as error:
            raise ServiceMissing(
                f"RabbitMQ at {mask_secrets(named)}, which the environment names, is of no use: "
                f"{str(error) or repr(error)}"
            ) from error
        yield from _serve(found)
        return
    if named != "none":
        try:
            found = _reach(_DEFAULT_URL, "found on its default port")
        except (ServiceMissing, CommandFailed, AMQPError, OSError):
            pass  # there is none, or none that lets us make virtual hosts
        else:
            yield from _serve(found)
            return
    with own_rabbitmq() as node:
        yield from _serve(
            Rabbitmq(node.url, node.rabbitmqctl, "our own, from Debian's package", node.control)
        )


@contextmanager
def own_rabbitmq(near: str = "") -> Iterator[RabbitmqNode]:
    """A running broker of our own, which tests may stop, kill and start again.

    `near` is another address of this machine at which it is found.
    """
    require_rabbitmq()
    node = RabbitmqNode(new_folder(), near=near)
    try:
        node.start()
        yield node
    finally:
        node.remove()


@contextmanager
def own_cluster(nodes: int, hosts: Sequence[Host] = ()) -> Iterator[list[RabbitmqNode]]:
    """Brokers of our own that are one, each on a host of its own if there are some; any may be killed."""
    require_rabbitmq()
    places: Sequence[Host | None] = hosts or [None] * nodes
    first = RabbitmqNode(new_folder(), "swpt_cluster_0", host=places[0])
    others = [
        RabbitmqNode(new_folder(), f"swpt_cluster_{number}", first, places[number])
        for number in range(1, nodes)
    ]
    try:
        first.start()
        for node in others:
            node.start()
            node.join(first)
        yield [first, *others]
    finally:
        # A node that has lost the others would take half a minute to stop in order.
        for node in (first, *others):
            node.kill()
        # The port mapper of all may be that of the first.
        for node in (*others, first):
            node.remove()


def _serve(broker: Rabbitmq) -> Iterator[Rabbitmq]:
    try:
        broker.delete_leftovers()
        yield broker
    finally:
        broker.close()


def _reach(url: str, origin: str) -> Rabbitmq:
    """The broker at the address, if it is the one that rabbitmqctl steers."""
    _connect(url)
    broker = Rabbitmq(url, system_rabbitmqctl(), origin)
    try:
        name = broker.take_vhost()
        _connect(broker.vhost_url(name))
    except BaseException:
        broker.close()
        raise
    broker.give_back_vhost(name)
    return broker


def _connect(url: str) -> None:
    try:
        parameters = pika.URLParameters(url)
    except (IndexError, ValueError) as error:
        raise ServiceMissing("that is not the address of a broker") from error
    parameters.connection_attempts = 1
    parameters.socket_timeout = parameters.blocked_connection_timeout = parameters.stack_timeout = 5
    pika.BlockingConnection(parameters).close()
