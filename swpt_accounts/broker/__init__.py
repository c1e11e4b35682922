"""The server's side of the broker: topology, batches in, envelopes out (rules.md#the-broker).

Two transports stand behind one interface, SmpBroker: RabbitMQ, and one in this process.

May import: `runtime`, `events`, `wire`.
"""

from .amqp.publisher import RabbitmqPublisher
from .amqp.rabbitmq import RabbitmqSmpBroker
from .batch import TAKE_BATCH, Batch, BatchMessage, Delivered
from .consumer import BatchConsumer, BatchLimits, Intake
from .delivery import Delivery
from .errors import BrokerProblem, NotRouted, QueueMissing
from .memory.broker import MemoryPublisher, MemorySmpBroker
from .memory.transport import Mailbox, MemoryTransport
from .settlement import OnSettled, Publisher, Reason, Settlement
from .smp_broker import SmpBroker

__all__ = [
    "TAKE_BATCH",
    "Batch",
    "BatchConsumer",
    "BatchLimits",
    "BatchMessage",
    "BrokerProblem",
    "Delivered",
    "Delivery",
    "Intake",
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
