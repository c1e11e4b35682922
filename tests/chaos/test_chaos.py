"""Workers die and connections break under load; in the end every unit of money is accounted for."""

import os
import random
import signal
from contextlib import ExitStack
from functools import partial

import pytest

from tests.backstage.audit import chains, finalized_once, find_violations
from tests.backstage.builders import ALICE, ROOT
from tests.backstage.commands import SERVER, Command
from tests.backstage.server import Server, kill, vhost_of
from tests.backstage.waiting import wait_until

from .traffic import Bank, Sender

TRANSFERS = int(os.environ.get("CHAOS_TRANSFERS", "5000"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().getrandbits(32)
WORKERS = 2
PATIENCE_SECONDS = 1200.0

pytestmark = pytest.mark.chaos


class Crew:
    """Workers and chores, of which any may be killed and is started again."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        self._server = server
        self._stack = stack
        self.processes = [self._start("worker") for _ in range(WORKERS)] + [self._start("chores")]

    def _start(self, role: str) -> tuple[str, Command]:
        command = Command((*SERVER, role), self._server.environ)
        self._stack.callback(self._end, command)
        return role, command

    def _end(self, command: Command) -> None:
        if command.process.poll() is None:
            kill(command)
        if command.process.stderr is not None:
            command.process.stderr.close()

    def kill_one(self, number: int) -> None:
        """Kill a process, and start another one in its place."""
        role, command = self.processes[number]
        kill(command)
        self.processes[number] = self._start(role)

    def stop(self, role: str) -> None:
        """Stop all processes of a role in order."""
        for kind, command in self.processes:
            if kind == role:
                command.process.terminate()
        for kind, command in self.processes:
            if kind == role:
                # A process that has just begun does not know signals yet, and holds nothing.
                is_new = not command.lines
                code = command.wait()
                assert code == 0 or (is_new and code == -signal.SIGTERM), command.lines[-20:]

    def alarms(self) -> list[str]:
        """Everything in the logs that an operator would have to look at."""
        lines = [line for _, command in self.processes for line in command.lines]
        return [line for line in lines if "ALARM" in line or "Traceback" in line or " CRITICAL " in line]


def disturb(server: Server, crew: Crew, rabbitmqctl, luck: random.Random) -> str:
    """Break something."""
    what = luck.choice(["worker", "worker", "worker", "chores", "database", "broker"])
    if what == "worker":
        crew.kill_one(luck.randrange(WORKERS))
    elif what == "chores":
        crew.kill_one(WORKERS)
    elif what == "database":
        server.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'swpt_accounts%%'"
        )
    else:
        rabbitmqctl("-q", "close_all_connections", "-p", vhost_of(server.amqp_url), "chaos")
    return what


@pytest.mark.timeout(PATIENCE_SECONDS + 120)
def test_money_survives_chaos(postgres_url, amqp_url, rabbitmqctl, capsys):
    """At least once, five of a hundred messages twice, processes killed and connections cut at random."""
    luck = random.Random(SEED)
    server = Server(postgres_url, amqp_url, WORKER_BATCH_MAX_MESSAGES="200")
    bank = Bank(amqp_url, TRANSFERS, accounts=50, window=400, seed=SEED)
    broken: list[str] = []
    with ExitStack() as stack:
        stack.callback(bank.mailbox.close)
        crew = Crew(server, stack)
        bank.open()
        # Something breaks about ten times, spread over the whole run.
        for part in range(1, 11):
            goal = part * TRANSFERS // 11
            wait_until(partial(bank.has_reached, goal), f"transfer {goal}", PATIENCE_SECONDS)
            broken.append(disturb(server, crew, rabbitmqctl, luck))
        assert bank.is_done.wait(PATIENCE_SECONDS), f"{bank.progress} of {TRANSFERS}, seed {SEED}"
        # The last late duplicates are on their way only now.
        first, late = bank.sender, Sender(amqp_url, 0.0, SEED)
        stack.callback(late.close)
        bank.follow_up(late)
        wait_until(lambda: is_quiet(server, bank, rabbitmqctl), "the end of all work", PATIENCE_SECONDS)
        crew.stop("worker")
        crew.stop("chores")
        assert crew.alarms() == []
        check(server, bank)
    sent = sum(first.sent.values()) + sum(late.sent.values())
    with capsys.disabled():
        print(
            f"\n{TRANSFERS} transfers, {sent} messages sent,"
            f" {len(bank.mailbox.events)} events seen, {len(bank.surplus)} locks dismissed that"
            f" repetitions had made; broken: {', '.join(broken)}; seed {SEED}"
        )


def is_quiet(server: Server, bank: Bank, rabbitmqctl) -> bool:
    """Whether nothing is on its way: in queues, unacknowledged messages included, or in tables."""
    listed = rabbitmqctl(
        "-q", "list_queues", "-p", vhost_of(server.amqp_url), "messages", "--no-table-headers"
    )
    waiting = """
        SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM account_update_due)
            + (SELECT count(*) FROM prepared_transfer)
    """
    return not any(map(int, listed.split())) and server.rows(waiting) == [(0,)] and bank.is_settled


def check(server: Server, bank: Bank) -> None:
    """Balances, chains, locks and queues, against what the agents were told."""
    assert server.count_messages() == 0
    assert find_violations(server.postgres_url) == []
    principals = dict(server.rows("SELECT creditor_id, principal FROM account"))
    assert principals == bank.expected_principals()
    assert sum(principals.values()) == 0
    assert ALICE not in principals
    assert server.rows("SELECT * FROM prepared_transfer") == []
    finalized_once(bank.mailbox.events)
    received = chains(bank.mailbox.events)
    numbers = dict(server.rows("SELECT creditor_id, last_transfer_number FROM account"))
    assert {key[1]: len(chain) for key, chain in received.items()} == {
        creditor_id: number for creditor_id, number in numbers.items() if creditor_id != ROOT
    }
    assert all(chain[-1]["principal"] == principals[key[1]] for key, chain in received.items())
