"""What both sides of the interface between our own shards mean (rules.md#http-between-shards)."""

from typing import Final

REALM_HEADER: Final = "Shard-Realm"
"""In answers about accounts: the binding key of the shard that has answered."""

QUEUE_HEADER: Final = "Shard-Queue"
"""In the same answers: its queue, with percent signs for what is not ASCII."""

NO_SHARD: Final = "No shard has this account.\n"
"""What our routers say, with status 503, if an account is in nobody's part."""

MOST_ASKED_TOGETHER: Final = 400
"""So many pairs of ids of 64 bits are less than a shard takes in one request."""
