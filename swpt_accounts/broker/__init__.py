"""The server's side of the broker: topology, batches in, envelopes out (spec: wire.md sections 1 to 8).

Two transports stand behind one interface, SmpBroker: RabbitMQ, and one in this process.
"""

from .batch import APPLY_BATCH, Batch, BatchMessage, Delivered
from .consumer import BatchConsumer, BatchLimits
from .delivery import Delivery
from .errors import BrokerProblem, NotRouted, QueueMissing
from .memory import Mailbox, MemoryTransport
from .memory_broker import MemoryPublisher, MemorySmpBroker
from .publisher import RabbitmqPublisher
from .rabbitmq import RabbitmqSmpBroker
from .settlement import OnSettled, Publisher, Reason, Settlement
from .smp_broker import SmpBroker

__all__ = [
    "APPLY_BATCH",
    "Batch",
    "BatchConsumer",
    "BatchLimits",
    "BatchMessage",
    "BrokerProblem",
    "Delivered",
    "Delivery",
    "Mailbox",
    "MemoryPublisher",
    "MemorySmpBroker",
    "MemoryTransport",
    "NotRouted",
    "OnSettled",
    "Publisher",
    "QueueMissing",
    "RabbitmqPublisher",
    "RabbitmqSmpBroker",
    "Reason",
    "Settlement",
    "SmpBroker",
]
