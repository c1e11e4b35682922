"""What a log line is about: the ids of a message or an account, never its notes or configurations.

A line takes them as `extra`, and `logs` shows them in both formats.
"""

from typing import Annotated, Any, Final, TypeAlias

import msgspec

from swpt_accounts.broker.batch import Delivered
from swpt_accounts.broker.delivery import Delivery
from swpt_accounts.runtime.logs import about
from swpt_accounts.wire.numbers import MAX_INT64, MIN_INT64

_NAMES: Final = (
    "debtor_id",
    "creditor_id",
    "other_creditor_id",
    "coordinator_type",
    "coordinator_id",
    "coordinator_request_id",
    "transfer_id",
    "change_id",
    "seqnum",
)
_DIGITS: Final = 16

_Id: TypeAlias = Annotated[int, msgspec.Meta(ge=MIN_INT64, le=MAX_INT64)]


class _Ids(msgspec.Struct):
    """The ids that can be read in the body of a message that is refused for something else."""

    debtor_id: _Id | None = None
    creditor_id: _Id | None = None
    coordinator_id: _Id | None = None
    coordinator_request_id: _Id | None = None
    transfer_id: _Id | None = None


_read_ids: Final = msgspec.json.Decoder(_Ids).decode


def about_item(item: Delivered) -> dict[str, Any]:
    """The `extra` of a line about one message of a batch, well-formed or not."""
    delivery, message = item
    ids = {name: getattr(message, name) for name in _NAMES if hasattr(message, name)}
    if not ids:
        return about_delivery(delivery)
    return about(type=type(message).__name__, **ids, **_digest(delivery))


def about_delivery(delivery: Delivery) -> dict[str, Any]:
    """The `extra` of a line about a message that could not be taken."""
    try:
        ids = msgspec.structs.asdict(_read_ids(delivery.body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        ids = {}
    known = {name: value for name, value in ids.items() if value is not None}
    return about(type=delivery.type, routing_key=delivery.routing_key, **known, **_digest(delivery))


def _digest(delivery: Delivery) -> dict[str, str]:
    """The beginning of the SHA-256 of the body, by which the table of dead letters knows it as well."""
    return {"body_sha256": delivery.digest.hex()[:_DIGITS]}
