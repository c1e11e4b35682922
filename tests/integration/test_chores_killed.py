"""The chores are killed at random, again and again: what they leave is the same as if they had not been."""

import random
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import Event
from typing import Any, Final, NamedTuple

import pika
import pytest

from swpt_accounts import clock
from tests.backstage.mailbox import EVENTS, Mailbox
from tests.backstage.server import Server, kill
from tests.backstage.waiting import wait_until
from tests.builders import DAY
from tests.commands import SERVER, Command, running, said

SILENT_DEBTOR: Final = 8
ONCE: Final = (*SERVER, "chores", "--once")

# Debtor 7 changes rate and info.  Its accounts, by number: those that have earned interest, that wait for
# their deletion with a rest, that were deleted long ago, and that have a transfer prepared long ago.  The
# accounts of debtor 8 have been silent for long.
POPULATE: Final = """
INSERT INTO account SELECT d, c, now - 200 * day, 0, 0, 0, 0, now - 20 * day, 1, now - 20 * day,
    CASE kind WHEN 1 THEN 2 ELSE 0 END, CASE WHEN kind IN (1, 2) THEN 1 ELSE 0 END, 0,
    CASE kind WHEN 2 THEN now - 150 * day ELSE 0 END, 1, kind = 2, false, 5,
    now - CASE kind WHEN 2 THEN 150 ELSE 10 END * day,
    CASE kind WHEN 0 THEN 1000 WHEN 1 THEN 2 WHEN 3 THEN 100 ELSE 0 END,
    CASE kind WHEN 0 THEN 7.5 ELSE 0 END, 0, 0, 1 + CASE kind WHEN 3 THEN 1 ELSE 0 END,
    CASE kind WHEN 3 THEN 10 ELSE 0 END, CASE kind WHEN 3 THEN 1 ELSE 0 END, now - 10 * day, 0, 0
FROM (SELECT CASE n %% 5 WHEN 4 THEN 8 ELSE 7 END AS d, 1000 + n AS c, n %% 5 AS kind, {now} AS now,
        {day}::int8 AS day FROM generate_series(0, {count} - 1) AS n
    UNION ALL SELECT d, 0, 5, {now}, {day} FROM generate_series(7, 8) AS d) AS made;
UPDATE account SET principal = -(SELECT sum(principal) FROM account) WHERE debtor_id = 7 AND creditor_id = 0;
INSERT INTO prepared_transfer (debtor_id, creditor_id, transfer_id, coordinator_type, coordinator_id,
    coordinator_request_id, recipient_creditor_id, locked_amount, prepared_at, deadline,
    final_interest_rate_ts, last_reminder_ts)
SELECT debtor_id, creditor_id, 2, 'direct', creditor_id, 1, 1000, 10, {now} - 8 * {day}::int8,
    {now} + 80 * {day}::int8, 253402300799000000, 0 FROM account WHERE pending_transfers_count = 1;
INSERT INTO root_configuration VALUES (7, '{{"rate":5,"info":{{"iri":"x"}}}}');
INSERT INTO settings_propagation (debtor_id, requested_at) VALUES (7, {now});
"""

STATE: Final = """
SELECT debtor_id, creditor_id, principal, round(interest::numeric, 2), interest_rate, previous_interest_rate,
    config_flags, negligible_amount, deleted, last_transfer_number, total_locked_amount,
    pending_transfers_count, update_pending_since, coalesce(iri, ''),
    last_interest_rate_change_ts > 0, last_capitalization_ts > 0
FROM account LEFT JOIN debtor_info USING (debtor_info_id) ORDER BY debtor_id, creditor_id
"""

PAYMENTS: Final = """
SELECT debtor_id, coordinator_type, sender_creditor_id, recipient_creditor_id, amount, count(*)
FROM journal GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""

# What is told at moments of its own, or as often as the work is interrupted.
CHANGING: Final = {
    "ts",
    "committed_at",
    "last_change_ts",
    "interest",
    "last_interest_rate_change_ts",
    "last_transfer_committed_at",
    "prepared_at",
    "deadline",
    "creation_date",
    "last_config_ts",
}


class Outcome(NamedTuple):
    """What a run has left and told."""

    state: list[Any]
    payments: list[Any]
    messages: Counter[Any]
    told_roots: dict[int, int]


@pytest.fixture
def places(postgres, rabbitmq) -> Iterator[list[tuple[str, str]]]:
    """Two databases and two virtual hosts."""
    names = [(postgres.create_database(), rabbitmq.take_vhost()) for _ in range(2)]
    yield [(postgres.database_url(name), rabbitmq.vhost_url(vhost)) for name, vhost in names]
    for name, vhost in names:
        rabbitmq.give_back_vhost(vhost)
        postgres.drop_database(name)


@contextmanager
def populated(place: tuple[str, str], accounts: int) -> Iterator[tuple[Server, Mailbox]]:
    """A server with accounts that all need something, and somebody who listens."""
    server = Server(*place)
    server.execute(POPULATE.format(now=clock.utcnow(), day=DAY, count=accounts).replace("%%", "%"))
    with closing(Mailbox(server.amqp_url)) as mailbox:
        yield server, mailbox


def finish(server: Server, mailbox: Mailbox) -> Outcome:
    """Do the chores until nothing is left to do, and read what there is."""
    tables = ("outbox", "account_update_due", "settings_propagation")
    waiting = " UNION ALL ".join(f"SELECT 1 FROM {table}" for table in tables)
    for _ in range(20):
        code, lines = said(ONCE, server.environ)
        assert code == 0, lines
        if not server.rows(waiting):
            break
    assert not server.rows(waiting)
    hear_all(server, mailbox)
    messages: Counter[Any] = Counter()
    told_roots: dict[int, tuple[int, int]] = {}
    for event in mailbox.events[:-1]:
        if event["creditor_id"] == 0:
            number, told = event["last_change_seqnum"], (event["last_change_seqnum"], event["principal"])
            told_roots[event["debtor_id"]] = max(told_roots.get(event["debtor_id"], (number, 0)), told)
        else:
            messages[tuple(sorted((k, v) for k, v in event.items() if k not in CHANGING))] += 1
    last = {debtor_id: principal for debtor_id, (_, principal) in told_roots.items()}
    return Outcome(server.rows(STATE), server.rows(PAYMENTS), messages, last)


def hear_all(server: Server, mailbox: Mailbox) -> None:
    """Return when the mailbox has everything: a queue keeps the order, and ours is the last word."""
    with pika.BlockingConnection(pika.URLParameters(server.amqp_url)) as connection:
        connection.channel().basic_publish("", EVENTS, b'{"type":"TheEnd"}')
    mailbox.wait_for("TheEnd")


def last_emitted(server: Server) -> Any:
    """Some number that grows when a process emits its first message."""
    return server.rows("SELECT last_value FROM outbox_outbox_id_seq")


def has_begun(server: Server, before: Any, chores: Command) -> bool:
    """Whether the process has emitted something, or has ended."""
    return last_emitted(server) != before or chores.process.poll() is not None


def kill_at_random(server: Server, times: int, luck: random.Random) -> int:
    """Start the chores and kill them after they have begun to tell something; how often they were alive."""
    killed = 0
    for _ in range(times):
        with running(ONCE, server.environ) as chores:
            wait_until(partial(has_begun, server, last_emitted(server), chores), "the first message")
            Event().wait(luck.uniform(0.0, 0.05))
            killed += chores.process.poll() is None
            kill(chores)
    return killed


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kills", "accounts"), [(3, 1500), pytest.param(20, 6000, marks=pytest.mark.chaos)], ids=["some", "many"]
)
def test_chores_that_are_killed_leave_what_others_leave(places, kills, accounts):
    """The same accounts, the same payments once, and every message at least once."""
    with populated(places[0], accounts) as (server, mailbox):
        calm = finish(server, mailbox)
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    with populated(places[1], accounts) as (server, mailbox):
        assert kill_at_random(server, kills, random.Random(seed)) == kills, "there was work for all of them"
        hard = finish(server, mailbox)
    assert hard.state == calm.state
    assert hard.payments == calm.payments
    assert {count for *_, count in hard.payments} == {1}, "no payment happened twice"
    assert len(hard.payments) == 2 * accounts // 5
    assert hard.messages.keys() == calm.messages.keys()
    assert set(calm.messages.values()) == {1}
    assert hard.told_roots == calm.told_roots == {7: hard.state[0][2], 8: 0}
    assert sum(row[2] for row in hard.state) == 0
