"""Messages over RabbitMQ: one thread, one connection, one channel at a time."""

from .transport import RabbitmqTransport

__all__ = ["RabbitmqTransport"]
