"""The composition root of the programs that talk to the broker: settings in, everything wired."""

from typing import Final

from swpt_accounts.broker import (
    BatchLimits,
    Intake,
    MemorySmpBroker,
    MemoryTransport,
    RabbitmqSmpBroker,
    SmpBroker,
)
from swpt_accounts.broker.consumer import always_open
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.storage.outbox.publishing import Outbox, RetryDelays

from .admission import admission_of
from .gate import Gate

# How long the rest may take at the end, when the batch at hand is done.
STOP_TIMEOUT_SECONDS: Final = 10.0


def make_outbox(settings: Settings, broker: SmpBroker) -> Outbox:
    """The publishing side of a process, not started."""
    publisher = broker.make_publisher(
        internal_user=settings.internal_user, confirm_timeout=settings.publish_confirm_timeout
    )
    delays = RetryDelays(settings.outbox_retry_min_delay, settings.outbox_retry_max_delay)
    return Outbox(settings.postgres_url, publisher, delays, clock.utcnow)


def make_broker(
    settings: Settings, gate: Gate | None = None, transport: MemoryTransport | None = None
) -> SmpBroker:
    """The broker on RabbitMQ, not connected; or on a transport in this process, if one is given."""
    intake = Intake(
        decode=admission_of(settings),
        prefetch_count=settings.protocol_broker_prefetch_count,
        limits=BatchLimits(
            # More than the broker gives us at once never waits together.
            batch_messages=min(settings.worker_batch_max_messages, settings.protocol_broker_prefetch_count),
            batch_bytes=settings.worker_batch_max_bytes,
        ),
        is_open=gate.is_open if gate is not None else always_open,
    )
    if transport is not None:
        return MemorySmpBroker(transport, intake)
    return RabbitmqSmpBroker(settings.protocol_broker_url, intake)
