"""`python -m tests.exchange.staged`: the exchange itself, in the hands of a test.

In the folder STAGE, a file `hold-TYPE` holds back messages of that type to the accounting server, as a slow
network does, until it is gone; `hold-TYPE-DEBTOR` those of one currency.  A file `die-N` ends the process, as
`kill -9` does, when the agent has come N times by one of its named steps from then on; the file goes before,
so that the next life lives.
"""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any, Final

from exchange.program import APPLICATION
from house import program
from swpt_client.agent import Agent
from swpt_client.moments import SECOND
from swpt_client.policy import Timers
from swpt_client.transport.base import Publication

STAGE: Final = Path(os.environ["STAGE"])
_LOOK_SECONDS: Final = 0.02


class HoldingTransport:
    """The transport of the program, but for messages that are held."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._held: list[Publication] = []
        self._lock = Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def start(self, inbox: Any, bindings: Any) -> None:
        """Begin, and let go again and again what is held no more."""
        Thread(target=self._let_go, daemon=True).start()
        self._inner.start(inbox, bindings)

    def publish(self, publications: Sequence[Publication]) -> None:
        """Hold some, and publish the others."""
        with self._lock:
            free = [one for one in publications if not _is_held(one)]
            self._held += [one for one in publications if _is_held(one)]
        self._inner.publish(free)

    def _let_go(self) -> None:
        while True:
            sleep(_LOOK_SECONDS)
            with self._lock:
                free = [one for one in self._held if not _is_held(one)]
                self._held = [one for one in self._held if one not in free]
            if free:
                self._inner.publish(free)


class Death:
    """Counts steps of the agent."""

    def __init__(self) -> None:
        self._left: int | None = None

    def pass_by(self, _step: str) -> None:
        """Die if it is time."""
        if self._left is None:
            found = next(iter(STAGE.glob("die-*")), None)
            if found is None:
                return
            self._left = int(found.name.removeprefix("die-"))
            found.unlink()
        self._left -= 1
        if self._left <= 0:
            os._exit(137)


def _is_held(one: Publication) -> bool:
    kind, body = one.envelope.type, one.envelope.body
    of_currency = [mark.name.rpartition("-")[2] for mark in STAGE.glob(f"hold-{kind}-*")]
    is_of_one = any(f'"debtor_id":{debtor_id},'.encode() in body for debtor_id in of_currency)
    return is_of_one or (STAGE / f"hold-{kind}").exists()


def main() -> int:
    """Run the exchange, whose repairs do not wait for long."""
    STAGE.mkdir(exist_ok=True)
    inside = getattr(program, "embedded_transport")  # noqa: B009
    timers = Timers(repair_pauses=(SECOND,))
    setattr(program, "embedded_transport", lambda *call: HoldingTransport(inside(*call)))  # noqa: B010
    setattr(program, "Agent", partial(Agent, timers=timers, crash_at=Death().pass_by))  # noqa: B010
    return program.run(APPLICATION)


if __name__ == "__main__":
    sys.exit(main())
