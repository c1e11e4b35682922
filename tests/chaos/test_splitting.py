"""A shard is split under load, and one of its children again; the command is killed at its steps."""

import os
import random
import re
import subprocess
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from threading import Event
from time import monotonic

import pytest

from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import DEBTOR
from tests.backstage.commands import SERVER, TOP
from tests.backstage.waiting import wait_until
from tests.services.errors import ServiceMissing, give_up
from tests.services.ports import free_port
from tests.services.postgres import own_postgres

from .node import Node, Shard, name_of
from .settled import check, is_quiet
from .traffic import Bank, Sender

TRANSFERS_BETWEEN = 500
"""So many are finished before, between and after the splits; as many as there are go on meanwhile."""

SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(32)
PATIENCE_SECONDS = 900.0
LONGEST_STEP_SECONDS = 0.5
DONE, REFUSED, ELSE = 0, 1, 3

pytestmark = pytest.mark.chaos


class Split:
    """The split of one shard of a node, which is done by a command that is killed again and again."""

    def __init__(self, node: Node, postgres: EmbeddedPostgres, key: str, luck: random.Random) -> None:
        self.node, self.key = node, key
        self.children = [f"{key.removesuffix('#')}{bit}.#" for bit in (0, 1)]
        self.urls = [postgres.url(name_of(child)) for child in self.children]
        self.kills = 0
        self._parent = node.shards[key]
        self._luck = luck

    def command(self, *words: str) -> "subprocess.Popen[str]":
        """The command, with the settings of the parent."""
        queues = [word for n, child in enumerate(self.children) for word in (f"--queue-{n}", name_of(child))]
        return subprocess.Popen(
            (*SERVER, "split", *self.urls, "--copy-here", *queues, *words),
            cwd=TOP,
            env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **self._parent.environ},
            stdout=subprocess.PIPE,
            text=True,
        )

    def go_on(self, *words: str) -> tuple[int, str]:
        """Run the command, which is killed within the step after the first; then again, until it ends."""
        while True:
            with self.command(*words) as process:
                assert process.stdout is not None
                said = process.stdout.readline()
                if said.startswith("done: "):
                    try:
                        process.wait(self._luck.uniform(0.0, LONGEST_STEP_SECONDS))
                    except subprocess.TimeoutExpired:
                        process.kill()
                        self.kills += 1
                said += process.stdout.read()
            if process.returncode >= 0:
                return process.returncode, said

    def until(self, words: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Run it until it says that this is next."""
        deadline = monotonic() + patience_seconds
        while True:
            code, said = self.go_on()
            if words in said:
                return
            assert (code, monotonic() < deadline) == (ELSE, True), said
            Event().wait(0.2)  # workers empty the queue

    def do(self, stack: ExitStack) -> None:
        """All of it."""
        node, shards = self.node, []
        self.until("stop all roles of this shard")
        self._parent.stop()
        self.until("start the server of")
        for child, url in zip(self.children, self.urls, strict=True):
            # Foreign rows are removed within minutes, and the command waits for that.
            own = {"DELETE_FOREIGN_RECORDS": "yes"}
            shards.append(node.add(stack, child, url, free_port(), **own))
        del node.shards[self.key]
        node.router.lead({key: shard.web_port for key, shard in node.shards.items()})
        for shard in shards:
            shard.start()
        for shard in shards:
            shard.wait()
        code, said = self.go_on("--wait", str(PATIENCE_SECONDS))
        assert (code, "the split is done" in said) == (DONE, True), said

    def restart_children(self) -> None:
        """As its last words ask for: nothing is foreign any more."""
        for child in self.children:
            shard: Shard = self.node.shards[child]
            shard.stop()
            del shard.environ["DELETE_FOREIGN_RECORDS"]
            shard.start()
            shard.wait()


def pause(bank: Bank, realm: Realm, since: float, until: float) -> float:
    """The longest time in which no transfer from an account of a realm was finished."""
    found = sorted(
        moment
        for serial, moment in bank.moments.copy().items()  # it goes on meanwhile
        if serial > 0 and realm.owns(DEBTOR, bank.committed[serial][0])
    )
    return max((b - a for a, b in pairwise(found) if a < until and b > since), default=0.0)


@pytest.mark.timeout(4 * PATIENCE_SECONDS)
def test_a_shard_is_split_twice_under_load_by_a_command_that_is_killed(
    amqp_url, rabbitmqctl, tmp_path, capsys
):
    """No request is unanswered, no account missing or twice, and the books of the node add up."""
    luck = random.Random(SEED)
    with ExitStack() as stack:
        try:
            postgres = stack.enter_context(own_postgres({"max_connections": "300"}))
            node = Node(stack, postgres, amqp_url, tmp_path, ["#"], ACCOUNTS_SCAN_INTERVAL="600")
        except ServiceMissing as error:
            give_up(error)
        node.start()
        bank = Bank(amqp_url, 10**9, accounts=100, window=200, seed=SEED)
        stack.callback(bank.mailbox.close)
        bank.open()
        told = []
        for key in ("#", "0.#"):
            goal = bank.progress + TRANSFERS_BETWEEN
            wait_until(partial(bank.has_reached, goal), f"transfer {goal}", PATIENCE_SECONDS)
            split, since = Split(node, postgres, key, luck), monotonic()
            split.do(stack)
            until, reached = monotonic(), bank.progress
            goal = reached + TRANSFERS_BETWEEN
            wait_until(partial(bank.has_reached, goal), f"transfer {goal}", PATIENCE_SECONDS)
            seconds = [pause(bank, Realm.parse(child), since, until) for child in split.children]
            told.append(
                f"{key}: killed {split.kills} times, {until - since:.0f} s in all, accounts stood still for"
                f" {seconds[0]:.1f} and {seconds[1]:.1f} s"
            )
            split.restart_children()
        bank.begin_no_more()
        wait_until(lambda: bank.is_over, f"the end of all transfers, seed {SEED}", PATIENCE_SECONDS)
        late = Sender(amqp_url, 0.0, SEED)
        stack.callback(late.close)
        bank.follow_up(late)
        wait_until(lambda: is_quiet(node, bank, amqp_url, rabbitmqctl), "quiet", PATIENCE_SECONDS)
        node.stop()
        assert list(node.shards) == ["1.#", "0.0.#", "0.1.#"]
        assert node.alarms() == []
        check(node, bank)
        assert re.search("^3 shards, 0 violations$", node.verify(tmp_path), re.MULTILINE)
    with capsys.disabled():
        print("\n" + "\n".join([*told, f"{bank.progress} transfers; seed {SEED}"]))
