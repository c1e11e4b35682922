"""The server's own codec: the only place where the tests of the rules touch the server."""

from swpt_accounts import events
from swpt_accounts.wire.messages import Malformed
from swpt_accounts.wire.messages import decode as decode_by_server
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.routing import binary_key, hex_key

EVENT_TYPES = {
    kind.__name__: kind
    for kind in (
        events.RejectedConfig,
        events.RejectedTransfer,
        events.PreparedTransfer,
        events.FinalizedTransfer,
        events.AccountUpdate,
        events.AccountPurge,
        events.AccountTransfer,
    )
}
encode_by_server = events.encode

__all__ = [
    "EVENT_TYPES",
    "Malformed",
    "binary_key",
    "decode_by_server",
    "encode_by_server",
    "hex_key",
    "render_timestamp",
]
