"""Chore: whether the parts of the node fit together, as far as this shard can see it."""

from logging import getLogger
from typing import Final

from .chore import StepContext

_logger: Final = getLogger(__name__)


def look_at_node(context: StepContext) -> int:
    """Raise an alarm for realms that overlap or leave a gap, and for shards that share a queue."""
    if not context.settings.realm().bits:
        return 0
    # Only a shard of several needs a client of HTTP.
    from swpt_accounts.shards.survey import look_around

    for fault in look_around(context.settings).faults:
        _logger.error("ALARM: the parts of the node do not fit: %s", fault)
    return 0
