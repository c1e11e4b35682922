"""The database goes back in time, its client does not: base backup, archived log, a moment in the past.

The server has forgotten payments whose outcomes its client has seen.  Afterwards both agree on every
balance, nothing was paid twice, and the client tells what is missing.
"""

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import create_engine

from swpt_accounts.storage import migrations
from swpt_client.agent import Agent
from swpt_client.moments import SECOND
from swpt_client.news import Silent
from swpt_client.policy import Timers
from swpt_client.records import EntryKind
from swpt_client.transport.rabbitmq import RabbitmqTransport
from tests.backstage.audit import find_violations
from tests.backstage.server import Server
from tests.backstage.waiting import wait_until
from tests.services.archiving import primary_with_archive
from tests.services.errors import ServiceMissing, give_up
from tests.services.replication import Instance

PAYMENTS = int(os.environ.get("CHAOS_PAYMENTS", "1000"))
PATIENCE_SECONDS = 300.0
SUBNET = 0x0000010000000000
ALICE, BOB, DEBTOR = SUBNET + 1, SUBNET + 2, 7
ISSUED = 1_000_000
RESERVED, OPEN = 5, 20

pytestmark = pytest.mark.chaos


class Client:
    """An agent that pays from Alice to Bob, and what it is told."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.recipient = ""

    def view(self, creditor_id: int) -> Any:
        """An account."""
        return self.agent.account(DEBTOR, creditor_id)

    def open(self) -> None:
        """Two accounts, one with money."""
        self.agent.open_account(DEBTOR, 0, negligible_amount=1e30)
        for creditor_id in (ALICE, BOB):
            self.agent.open_account(DEBTOR, creditor_id)
        wait_until(lambda: all(self.view(one).is_effectual for one in (0, ALICE, BOB)), "open accounts")
        self.recipient = self.view(BOB).account_id
        self.agent.issue("issue", debtor_id=DEBTOR, recipient=self.view(ALICE).account_id, amount=ISSUED)
        self.await_outcomes(["issue"])

    def pay(self, *keys: str) -> None:
        """Begin payments of 1."""
        with self.agent.begin() as session:
            for key in keys:
                self.agent.transfer(
                    key, debtor_id=DEBTOR, sender=ALICE, recipient=self.recipient, amount=1, session=session
                )

    def reserve(self, *keys: str) -> None:
        """Lock 1 for each."""
        for key in keys:
            self.agent.reserve(
                key, debtor_id=DEBTOR, sender=ALICE, recipient=self.recipient, min_amount=1, max_amount=1
            )
        wait_until(lambda: all(self.transfer(key).state == "prepared" for key in keys), "locks")

    def transfer(self, key: str) -> Any:
        """The record of a payment."""
        return self.agent.find_transfer(key)

    def await_outcomes(self, keys: Any) -> None:
        """All have happened."""
        for key in keys:
            assert self.agent.wait(key, PATIENCE_SECONDS).outcome == "OK", key  # type: ignore[union-attr]

    def missing(self, creditor_id: int) -> int:
        """What the dummy entries of the ledger put in the place of what is not there any more."""
        entries = self.agent.entries(DEBTOR, creditor_id, limit=10 * PAYMENTS)
        return sum(one.acquired_amount for one in entries if one.kind is EntryKind.MISSING)


_COUNT = "SELECT coordinator_request_id, count(*) FROM {} WHERE coordinator_type = 'direct' GROUP BY 1"


def count(server: Server, client: Client, keys: Any, table: str = "journal") -> dict[str, int]:
    """How often each payment is in the journal, or among what is locked."""
    found = dict(server.rows(_COUNT.format(table)))
    return {key: found.get(client.transfer(key).coordinator_request_id, 0) for key in keys}


def lose_the_end(primary: Instance, archive: Path) -> None:
    """All that was written is archived, and the machine is gone."""
    [(name,)] = primary.rows("SELECT pg_walfile_name(pg_switch_wal())")
    wait_until((archive / name).exists, "the archived log", 60.0)
    primary.kill()


def agree(server: Server, client: Client) -> bool:
    """Whether the ledgers are what the server has."""
    principals = dict(server.rows("SELECT creditor_id, principal FROM account"))
    return all(client.view(one).principal == principals[one] for one in (ALICE, BOB))


@pytest.mark.timeout(1800)
def test_a_client_that_has_seen_the_lost_part_ends_consistent(amqp_url, tmp_path, capsys):
    """Lost payments are told and not made again; a commit that was lost is repeated; the rest goes on."""
    with ExitStack() as stack:
        try:
            primary, past, archive = stack.enter_context(primary_with_archive())
        except ServiceMissing as error:
            give_up(error)
        primary.rows("CREATE DATABASE bank TEMPLATE template0 ENCODING 'UTF8'")
        migrations.upgrade(primary.url("bank"))
        server = Server(primary.url("bank"), amqp_url)
        engine = create_engine(f"sqlite:///{tmp_path / 'client.db'}")
        stack.callback(engine.dispose)
        pauses = (2 * SECOND, 5 * SECOND, 10 * SECOND)
        options: dict[str, Any] = {
            "subnet": SUBNET,
            "debtor_ids": [DEBTOR],
            "poll_seconds": 0.1,
            "timers": Timers(prepare_pauses=pauses, finalize_pauses=pauses, behind=2 * SECOND),
        }
        life = stack.enter_context(ExitStack())
        client = Client(life.enter_context(Agent(engine, RabbitmqTransport(amqp_url, "client"), **options)))
        kept, late, gone, reserved, open_ones = (
            [f"{name} {number}" for number in range(count)]
            for name, count in (
                ("kept", PAYMENTS),
                ("late", PAYMENTS),
                ("gone", PAYMENTS),
                ("reserved", RESERVED),
                ("open", OPEN),
            )
        )
        with server.running("worker", "chores"):
            client.open()
            past.back_up(primary)
            client.pay(*kept)
            client.await_outcomes(kept)
            client.reserve(*reserved)
            # The moment comes in the middle of the work.
            client.pay(*late)
            client.await_outcomes(late[:1])
            primary.rows("SELECT pg_create_restore_point('before the accident')")
            client.pay(*gone)
            for key in reserved:
                client.agent.commit(key, 1)
            client.await_outcomes([*late, *gone, *reserved])
            wait_until(partial(agree, server, client), "ledgers", PATIENCE_SECONDS)
        client.pay(*open_ones)
        wait_until(lambda: server.count_messages() == len(open_ones), "requests in the queue")
        life.close()
        lose_the_end(primary, archive)
        lost_at = monotonic()
        past.recover(archive, "before the accident")
        recovered_at = monotonic()
        server = Server(past.url("bank"), amqp_url)
        for words in (["configure"], ["restored"], ["verify"]):
            code, told, why = server.run(*words)
            assert code == 0, told + why
        before = count(server, client, [*kept, *late, *gone, *reserved])
        lost = [key for key in [*late, *gone, *reserved] if before[key] == 0]
        assert set(before.values()) <= {0, 1} and not set(kept) & set(lost)
        locked = [key for key, number in count(server, client, lost, "prepared_transfer").items() if number]
        assert set(gone) <= set(lost) and set(reserved) <= set(locked)
        agent = Agent(engine, RabbitmqTransport(amqp_url, "client"), **options)
        told_of: set[Any] = set()

        @agent.on(Silent)
        def hear(_session: Any, news: Silent) -> None:
            told_of.add((news.subject, news.key))

        client.agent = stack.enter_context(agent)
        with server.running("worker", "chores"):
            # Nobody types anything here: requests that were under way are answered.
            client.await_outcomes(open_ones)
            back_at = monotonic()
            wait_until(lambda: {one.key[1] for one in agent.persons.behind()} == {ALICE, BOB}, "behind", 60.0)
            behind = {("ledger", (DEBTOR, one)) for one in (ALICE, BOB)}
            wait_until(lambda: told_of >= behind, "the news of it", 60.0)
            agent.persons.close_tails()
            wait_until(partial(agree, server, client), "ledgers again", PATIENCE_SECONDS)
            assert (client.missing(ALICE), client.missing(BOB)) == (len(lost), -len(lost))
            # A commit that the server has lost is repeated when it reminds of the lock.
            code, told, why = server.run(
                "chores", "--once", "--only", "send reminders", REMINDER_INTERVAL="0.1"
            )
            assert code == 0, told + why
            wait_until(lambda: server.rows("SELECT count(*) FROM prepared_transfer") == [(0,)], "commits")
            client.pay("new")
            client.await_outcomes(["new"])
            wait_until(partial(agree, server, client), "ledgers at the end", PATIENCE_SECONDS)
            wait_until(lambda: find_violations(server.postgres_url) == [], "quiet", 60.0)
            code, told, why = server.run("verify")
            assert code == 0, told + why
        after = count(server, client, [*kept, *late, *gone, *reserved, *open_ones, "new"])
        stays_lost = [key for key in lost if key not in locked]
        assert after == {key: int(key not in stays_lost) for key in after}
        assert list(agent.persons.letters()) == []
        # What the application can see of it: these it was told of as paid, and can ask for again by new keys.
        assert all(client.transfer(key).outcome == "OK" for key in stays_lost)
    with capsys.disabled():
        print(
            f"\n{len(after)} payments; {len(lost)} of them were lost with the machine, and"
            f" {len(locked)} of these, whose locks were kept, made after a reminder; the database was back"
            f" {recovered_at - lost_at:.1f} s after the loss, and all requests that were under way were"
            f" answered {back_at - lost_at:.1f} s after it"
        )
