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

from swpt_accounts.runtime import clock
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import DAY
from tests.backstage.commands import SERVER, Command, running, said
from tests.backstage.mailbox import EVENTS, Mailbox
from tests.backstage.server import Server, kill
from tests.backstage.waiting import wait_until

ONCE: Final = (*SERVER, "chores", "--once")
STANDING: Final = (*SERVER, "chores")

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

# Rates change at other moments in another run.  So interest is compared at the moment of the change, where it
# must agree to the last digits; a payment of interest moves it to the principal, and changes no balance.
# Who was deleted before a new rate came by has never got it.
STATE: Final = """
SELECT debtor_id, creditor_id, principal, created_at, deleted, overflown,
    round(((principal + interest) * exp(ln(1 + interest_rate / 100)
        * (last_interest_rate_change_ts - last_change_ts) / 31557600e6))::numeric, 9) AS balance,
    last_config_ts, last_config_seqnum, last_config_applied_at, config_flags, negligible_amount,
    last_transfer_number, last_transfer_id, total_locked_amount, pending_transfers_count,
    update_pending_since, last_capitalization_ts > 0, last_deletion_ts > 0,
    CASE WHEN NOT deleted THEN interest_rate END, CASE WHEN NOT deleted THEN previous_interest_rate END,
    CASE WHEN NOT deleted THEN last_interest_rate_change_ts > 0 END,
    CASE WHEN NOT deleted THEN concat_ws('|', iri, content_type, sha256) END
FROM account LEFT JOIN debtor_info USING (debtor_info_id) ORDER BY debtor_id, creditor_id
"""

TRANSFERS: Final = """
SELECT debtor_id, creditor_id, transfer_id, locked_amount, prepared_at, deadline,
    last_reminder_ts > prepared_at AS is_reminded
FROM prepared_transfer ORDER BY debtor_id, creditor_id, transfer_id
"""

PAYMENTS: Final = """
SELECT debtor_id, coordinator_type, sender_creditor_id, recipient_creditor_id, amount, count(*)
FROM journal GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""

# What is announced at moments of its own, or as often as the work is interrupted.
CHANGING: Final = {
    "ts",
    "committed_at",
    "last_change_ts",
    "interest",
    "last_interest_rate_change_ts",
    "last_transfer_committed_at",
}

# What the last AccountUpdate of an account shows; who may be deleted may never get a new rate.
SHOWN: Final = ("principal", "creation_date", "config_flags", "negligible_amount", "last_transfer_number")
SHOWN_BY_OTHERS: Final = (
    "interest_rate",
    "debtor_info_iri",
    "debtor_info_content_type",
    "debtor_info_sha256",
)


class Outcome(NamedTuple):
    """What a run has left and announced."""

    state: list[Any]
    transfers: list[Any]
    payments: list[Any]
    messages: Counter[Any]
    """Everything that was announced, but for AccountUpdates of root accounts, which count what others do."""

    last_words: dict[tuple[int, int], list[Any]]
    """What the last AccountUpdate of each account has shown."""

    def events(self) -> set[Any]:
        """What was announced at least once, besides AccountUpdates, of which there may be more or fewer."""
        return {message for message in self.messages if ("type", "AccountUpdate") not in message}


@pytest.fixture
def places(postgres, rabbitmq) -> Iterator[list[tuple[str, str]]]:
    """Two databases and two virtual hosts."""
    names = [(postgres.create_database(), rabbitmq.take_vhost()) for _ in range(2)]
    yield [(postgres.database_url(name), rabbitmq.vhost_url(vhost)) for name, vhost in names]
    for name, vhost in names:
        rabbitmq.give_back_vhost(vhost)
        postgres.drop_database(name)


@contextmanager
def populated(place: tuple[str, str], accounts: int, now: Moment) -> Iterator[tuple[Server, Mailbox]]:
    """A server with accounts that all need something, and somebody who listens."""
    server = Server(*place)
    server.execute(POPULATE.format(now=now, day=DAY, count=accounts).replace("%%", "%"))
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
    events = mailbox.events[:-1]
    messages = Counter(
        tuple(sorted((name, value) for name, value in event.items() if name not in CHANGING))
        for event in events
        if event["creditor_id"] != 0
    )
    updates = [event for event in events if event["type"] == "AccountUpdate"]
    updates.sort(key=lambda event: (event["last_change_seqnum"], event["ts"]))
    last_words = {(event["debtor_id"], event["creditor_id"]): shown(event) for event in updates}
    return Outcome(server.rows(STATE), server.rows(TRANSFERS), server.rows(PAYMENTS), messages, last_words)


def shown(update: dict[str, Any]) -> list[Any]:
    """What an AccountUpdate shows that must agree."""
    names = SHOWN if update["config_flags"] else (*SHOWN, *SHOWN_BY_OTHERS)
    return [update[name] for name in names]


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


def kill_at_random(server: Server, words: tuple[str, ...], times: int, luck: random.Random) -> int:
    """Start the chores and kill them once they have announced something; how often they were alive."""
    killed = 0
    for _ in range(times):
        with running(words, server.environ) as chores:
            wait_until(partial(has_begun, server, last_emitted(server), chores), "the first message")
            Event().wait(luck.uniform(0.0, 0.05))
            killed += chores.process.poll() is None
            kill(chores)
    return killed


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("words", "kills", "accounts"),
    [
        pytest.param(ONCE, 3, 1500, id="some"),
        pytest.param(ONCE, 20, 6000, id="many", marks=pytest.mark.chaos),
        pytest.param(STANDING, 20, 6000, id="standing", marks=pytest.mark.chaos),
    ],
)
def test_chores_that_are_killed_leave_what_others_leave(places, words, kills, accounts):
    """The same accounts, the same payments once, and every message at least once."""
    now = clock.utcnow()
    with populated(places[0], accounts, now) as (server, mailbox):
        calm = finish(server, mailbox)
    seed = secrets.randbits(32)
    print(f"seed {seed}")
    with populated(places[1], accounts, now) as (server, mailbox):
        killed = kill_at_random(server, words, kills, random.Random(seed))
        assert killed == kills, "there was work for all of them"
        hard = finish(server, mailbox)
    assert hard.state == calm.state
    assert hard.transfers == calm.transfers
    assert all(is_reminded for *_, is_reminded in calm.transfers)
    assert hard.payments == calm.payments
    assert {count for *_, count in hard.payments} == {1}, "no payment happened twice"
    assert len(hard.payments) == 2 * accounts // 5
    assert set(calm.messages.values()) == {1}
    assert hard.events() == calm.events()
    if words == ONCE:  # The chores of a standing process take turns, so that one update may show two changes.
        assert hard.messages.keys() == calm.messages.keys()
    assert hard.last_words == calm.last_words
    assert {key: principal for key, (principal, *_) in hard.last_words.items()} == {
        (debtor_id, creditor_id): principal for debtor_id, creditor_id, principal, *_ in hard.state
    }
    assert sum(row[2] for row in hard.state) == 0
