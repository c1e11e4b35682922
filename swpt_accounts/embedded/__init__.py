"""The whole server inside another program: one process, a folder, nothing else to install.

A public room: clients that run the server in their own process use it (`EmbeddedServer`, its
`transport`, and `Receipt`), and the demonstration does.  It stands on the roles, and only
`demo` and `commands` stand above it.

May import: `roles`, `actors`, `operators`, `shards`, `procedures`, `transactions`, `storage`, `broker`,
`rules`, `runtime`, `events`, `wire`.
"""

from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.broker.errors import ChannelClosed, QueueFull, QueueMissing
from swpt_accounts.broker.memory.receipt import Receipt
from swpt_accounts.broker.memory.transport import MemorySource, MemoryTransport
from swpt_accounts.broker.waker import Waker
from swpt_accounts.runtime.errors import OperatorError

from .server import EmbeddedServer

__all__ = [
    "ChannelClosed",
    "Delivery",
    "EmbeddedServer",
    "MemorySource",
    "MemoryTransport",
    "OperatorError",
    "QueueFull",
    "QueueMissing",
    "Receipt",
    "Waker",
]
