"""A program with the server inside: it opens an account, and dies where its scene says so."""

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from swpt_accounts.embedded import EmbeddedServer, MemorySource, Receipt, Waker

QUEUE = "client"
# Longer than any answer takes, shorter than a test may.
ANSWER_SECONDS = 10.0


def die() -> None:
    """As a power failure would have it."""
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def configure(server: EmbeddedServer) -> None:
    """Open an account, and wait until the server has committed it."""
    committed = Event()
    message = {
        "type": "ConfigureAccount",
        "debtor_id": 7,
        "creditor_id": 1001,
        "negligible_amount": 0.0,
        "config_flags": 0,
        "config_data": "",
        "ts": datetime.now(UTC).isoformat(),
        "seqnum": 0,
    }
    server.transport.publish(
        "accounts_in",
        "1",
        json.dumps(message).encode(),
        type="ConfigureAccount",
        receipt=Receipt(lambda reason: committed.set()),
    )
    assert committed.wait(ANSWER_SECONDS)
    print("committed")


def main(folder: str, scene: str) -> None:
    """Play one scene."""
    with EmbeddedServer(Path(folder)) as server:
        server.transport.declare_queue(QUEUE)
        server.transport.bind_queue(QUEUE, "to_creditors", "#")
        source = server.transport.subscribe(QUEUE, 100, Waker())
        if scene.startswith("die"):
            configure(server)
            if scene == "die at the confirmation":
                die()
        read(source, ANSWER_SECONDS if scene != "take the answer" else 3.0, scene)
        source.close()


def read(source: MemorySource, patience_seconds: float, scene: str) -> None:
    """Print the answer, if there is one."""
    for delivery in source.receive(patience_seconds):
        answer = json.loads(delivery.body)
        print(answer["type"], answer["last_change_seqnum"])
        if scene == "die holding the answer":
            die()
        source.ack(delivery.tag)


if __name__ == "__main__":
    main(*sys.argv[1:])
