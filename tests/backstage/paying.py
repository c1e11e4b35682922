"""A program of a client that pays, and dies where it is told to; the next one goes on.

    python paying.py embedded FOLDER STEP NUMBER COUNT
    python paying.py rabbitmq POSTGRES_URL/AMQP_URL STEP NUMBER COUNT

It dies when it comes to a step (see swpt_client.agent.agent.CRASH_POINTS) for the NUMBERth time, 0 for
never.  Who gets to the end prints what has become of COUNT payments.
"""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url

from swpt_client.agent import Agent
from swpt_client.moments import SECOND
from swpt_client.policy import Timers
from swpt_client.transport.rabbitmq import RabbitmqTransport

SUBNET = 0x0000010000000000
ALICE, BOB, DEBTOR = SUBNET + 1, SUBNET + 2, 7
PATIENCE_SECONDS = 1200.0
ISSUED = 1_000_000


def amount_of(number: int) -> int:
    """Of a payment."""
    return 1 + number % 7


def death_at(step: str, number: int) -> Callable[[str], None]:
    """Die as in a power failure."""
    left = [number]

    def crash_at(reached: str) -> None:
        if reached == step:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash_at


def options_of(step: str, number: str) -> dict[str, Any]:
    """Of an agent that is impatient, so that a test is short."""
    pauses = (2 * SECOND, 5 * SECOND, 10 * SECOND)
    return {
        "subnet": SUBNET,
        "debtor_ids": [DEBTOR],
        "poll_seconds": 0.1,
        "claim_seconds": 1.0,
        "timers": Timers(prepare_pauses=pauses, finalize_pauses=pauses, configure_pauses=pauses),
        "crash_at": death_at(step, int(number)),
    }


@contextmanager
def running(kind: str, where: str, options: dict[str, Any]) -> Iterator[Agent]:
    """The agent, and with it the server if it is embedded."""
    if kind == "rabbitmq":
        postgres_url, _, amqp_url = where.partition(" ")
        engine = create_engine(make_url(postgres_url).set(drivername="postgresql+psycopg2"))
        with Agent(engine, RabbitmqTransport(amqp_url, "client"), **options) as agent:
            yield agent
        return
    from swpt_client.embedded import EmbeddedServer, embedded_engine, embedded_transport

    with EmbeddedServer(Path(where)) as server:
        engine = embedded_engine(server, "client")
        with Agent(engine, embedded_transport(server, "client"), **options) as agent:
            yield agent
        engine.dispose()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def pay(agent: Agent, count: int) -> dict[str, Any]:
    """All payments, each under its key, whoever has begun them; what has become of them."""
    agent.open_account(DEBTOR, 0, negligible_amount=1e30)
    for creditor_id in (ALICE, BOB):
        agent.open_account(DEBTOR, creditor_id)

    def view(creditor_id: int) -> Any:
        return agent.account(DEBTOR, creditor_id)

    wait_until(lambda: all(view(one).is_effectual for one in (0, ALICE, BOB)), "open accounts")
    total = sum(map(amount_of, range(count)))
    agent.issue("issue", debtor_id=DEBTOR, recipient=view(ALICE).account_id, amount=ISSUED)
    assert agent.wait("issue", PATIENCE_SECONDS).outcome == "OK"  # type: ignore[union-attr]
    recipient = view(BOB).account_id
    for place in range(0, count, 100):
        with agent.begin() as session:
            for number in range(place, min(place + 100, count)):
                agent.transfer(
                    f"{number}",
                    debtor_id=DEBTOR,
                    sender=ALICE,
                    recipient=recipient,
                    amount=amount_of(number),
                    session=session,
                )
    outcomes = Counter(
        agent.wait(f"{number}", PATIENCE_SECONDS).outcome  # type: ignore[union-attr]
        for number in range(count)
    )
    wait_until(
        lambda: view(ALICE).principal + view(BOB).principal == ISSUED and view(BOB).principal == total,
        "the ledgers",
    )
    wait_until(lambda: agent._store.count_outbox() == 0, "an empty outbox")
    return {
        "outcomes": dict(outcomes),
        "principals": [view(ALICE).principal, view(BOB).principal],
        "entries": [view(one).record.ledger.entry_count for one in (ALICE, BOB)],
        "letters": len(list(agent.persons.letters())),
    }


def main(kind: str, where: str, step: str, number: str, count: str) -> None:
    """Run."""
    with running(kind, where, options_of(step, number)) as agent:
        done = pay(agent, int(count))
    print(json.dumps(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
