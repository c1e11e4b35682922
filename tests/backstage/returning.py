"""A program of a client that comes back, and finds a long queue.

    python returning.py POSTGRES_URL AMQP_URL QUEUE COUNT

It takes what waits until COUNT payments of 1 have ended and both ledgers show them; then it prints how long
that took, and how much memory it has had.
"""

import json
import resource
import sys
import time
from collections import Counter
from typing import Any

from sqlalchemy import create_engine, make_url

from swpt_client.agent import Agent
from swpt_client.transport.rabbitmq import RabbitmqTransport

SUBNET = 0x0000010000000000
ALICE, BOB, DEBTOR = SUBNET + 1, SUBNET + 2, 7
PATIENCE_SECONDS = 1200.0


def entry_counts(agent: Agent) -> list[int]:
    """Of both ledgers."""
    views: list[Any] = [agent.account(DEBTOR, one) for one in (ALICE, BOB)]
    return [view.record.ledger.entry_count for view in views]


def take_all(agent: Agent, count: int) -> dict[str, Any]:
    """Wait for the last entry and the last outcome."""
    begun = time.monotonic()
    # The first entry of Alice is the money that she pays with.
    while entry_counts(agent) != [count + 1, count]:
        assert time.monotonic() - begun < PATIENCE_SECONDS, entry_counts(agent)
        time.sleep(0.1)
    outcomes = Counter(
        agent.wait(f"{number}", PATIENCE_SECONDS).outcome  # type: ignore[union-attr]
        for number in range(count)
    )
    views: list[Any] = [agent.account(DEBTOR, one) for one in (ALICE, BOB)]
    return {
        "seconds": time.monotonic() - begun,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "outcomes": dict(outcomes),
        "principals": [view.principal for view in views],
        "letters": len(list(agent.persons.letters())),
    }


def main(postgres_url: str, amqp_url: str, queue: str, count: str) -> None:
    """Run."""
    engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg2"))
    transport = RabbitmqTransport(amqp_url, queue)
    with Agent(engine, transport, subnet=SUBNET, debtor_ids=[DEBTOR], poll_seconds=0.1) as agent:
        done = take_all(agent, int(count))
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
