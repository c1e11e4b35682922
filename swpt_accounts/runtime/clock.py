"""The clock: the only place that asks what time it is."""

import time

from swpt_accounts.wire.moments import Moment


def utcnow() -> Moment:
    """The present moment, in microseconds since 1970 UTC."""
    return time.time_ns() // 1000
