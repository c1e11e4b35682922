"""Envelopes of events, published on the transport in this process."""

from collections.abc import Mapping
from typing import Any

from swpt_accounts.broker.amqp.envelopes import EnvelopeEncoder
from swpt_accounts.broker.errors import ChannelClosed, QueueFull
from swpt_accounts.broker.settlement import Reason
from swpt_accounts.events import Envelope

from .receipt import Receipt
from .transport import MemoryTransport


def publish_envelope(
    transport: MemoryTransport, encoder: EnvelopeEncoder, envelope: Envelope, receipt: Receipt | None = None
) -> Reason | None:
    """Publish one envelope; returns why it must be kept, or None.

    With a receipt None only means that the receipt will answer, or that nobody waits for an answer.
    """
    try:
        is_routed = transport.publish_raw(
            envelope.exchange,
            envelope.routing_key,
            encoder.properties(envelope),
            headers_of(envelope),
            envelope.body,
            receipt,
        )
    except (ChannelClosed, QueueFull):
        return "nacked"
    return None if is_routed or not envelope.mandatory else "returned"


def headers_of(envelope: Envelope) -> Mapping[str, Any]:
    """The headers of an envelope, decoded; a message that is put back has none.

    See rules.md#properties-and-headers.
    """
    if envelope.properties is not None:
        return {}
    headers = {
        "message-type": envelope.type,
        "debtor-id": envelope.debtor_id,
        "creditor-id": envelope.creditor_id,
    }
    if envelope.coordinator_id is None:
        return headers
    return headers | {
        "coordinator-id": envelope.coordinator_id,
        "coordinator-type": envelope.coordinator_type,
    }
