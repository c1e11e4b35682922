"""A story under load, in the middle of which something is lost that the server stands on."""

import os
import random
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Final

from tests.backstage.audit import chains, finalized_once, find_violations
from tests.backstage.builders import ROOT
from tests.backstage.commands import SERVER, Command, running
from tests.backstage.server import Server
from tests.backstage.waiting import wait_until
from tests.services.network import Host

from .traffic import Bank, Sender

TRANSFERS: Final = int(os.environ.get("CHAOS_TRANSFERS", "5000"))
SEED: Final = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(32)
PATIENCE_SECONDS: Final = 900.0


def pause(bank: Bank, since: float) -> tuple[float, float]:
    """After how long the next transfer was finished, and the longest time without one from then on."""
    later = sorted(moment for moment in bank.moments.values() if moment > since)
    return later[0] - since, max((b - a for a, b in pairwise([since, *later])), default=0.0)


class Story:
    """Workers and chores under load, on this machine or another host."""

    def __init__(
        self,
        stack: ExitStack,
        server: Server,
        bank_url: str,
        host: Host | None = None,
        transfers: int = TRANSFERS,
    ) -> None:
        self.server = server
        self.transfers = transfers
        self.bank = Bank(bank_url, transfers, accounts=50, window=200, seed=SEED, one_by_one=True)
        self._bank_url = bank_url
        self._stack = stack
        stack.callback(self.bank.mailbox.close)
        self.commands: dict[str, Command] = {}
        for role in ("worker", "chores"):
            words = (*SERVER, role) if host is None else host.words(*SERVER, role)
            self.commands[role] = stack.enter_context(running(words, server.environ))

    def begin(self, part: float = 0.5) -> None:
        """Come to the middle, or as far as wanted."""
        self.bank.open()
        self.reach(part)

    def reach(self, part: float) -> None:
        """Wait until this part of the transfers is finished."""
        goal = int(self.transfers * part)
        wait_until(partial(self.bank.has_reached, goal), f"transfer {goal}", PATIENCE_SECONDS)

    def end(self, postgres_url: str) -> None:
        """Nothing is lost: every balance, every chain, every answer."""
        bank = self.bank
        assert bank.is_done.wait(PATIENCE_SECONDS), f"{bank.progress} of {self.transfers}, seed {SEED}"
        # The last late duplicates are on their way only now, and some ask for answers of their own.
        late = Sender(self._bank_url, 0.0, SEED, one_by_one=True)
        self._stack.callback(late.close)
        bank.follow_up(late)
        left = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM account_update_due)"
        server = Server(postgres_url, self._bank_url)
        wait_until(
            lambda: bank.is_settled and server.rows(left) == [(0,)] and server.count_messages() == 0,
            "the end of all work",
            PATIENCE_SECONDS,
        )
        wait_until(lambda: find_violations(postgres_url) == [], "quiet", 30.0)
        principals = dict(server.rows("SELECT creditor_id, principal FROM account"))
        assert principals == bank.expected_principals()
        finalized_once(bank.mailbox.events)
        received = chains(bank.mailbox.events)
        assert all(
            chain[-1]["principal"] == principals[key[1]] for key, chain in received.items() if key[1] != ROOT
        )
