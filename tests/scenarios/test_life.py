"""The whole life of accounts, on a server whose days are seconds."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg2
import pytest

from tests.services.postgres import Postgres
from tests.services.rabbitmq import Rabbitmq

from .agent import Agent
from .currency import ALICE, BOB, CAROL, MAX_DELAY, ROOT, Currency, instant
from .deployment import Deployment, serving

# A message may be three seconds late, an account is silent for one, and interest is paid all the time.
SETTINGS: dict[str, Any] = {
    "ALLOW_UNSAFE_SETTINGS": "yes",
    "MESSAGE_MAX_DELAY": "3",
    "INTERNAL_MAX_DELAY": "3",
    "COMMIT_PERIOD": "3600",
    "RATE_CHANGE_EXTRA_DELAY": "0",
    "PURGE_EXTRA_DELAY": "0",
    "PURGE_MIN_AGE": "0",
    "ACCOUNT_UPDATE_DELAY": "0.1",
    "ACCOUNT_UPDATE_MIN_INTERVAL": "0.1",
    "HEARTBEAT_INTERVAL": "1",
    "REMINDER_INTERVAL": "1",
    "ACCOUNTS_SCAN_INTERVAL": "0.25",
    "REMINDERS_SCAN_INTERVAL": "0.25",
    "CAPITALIZATION_MIN_INTERVAL": "0",
    "CAPITALIZATION_MIN_RATIO": "0.000000001",
    "DELETION_MIN_AGE": "0",
    "DELETION_RETRY_INTERVAL": "0",
}

QUIET = timedelta(seconds=3)


@pytest.fixture(scope="module")
def deployment(postgres: Postgres, rabbitmq: Rabbitmq) -> Iterator[Deployment]:
    """The server of these stories."""
    database, vhost = postgres.create_empty_database(), rabbitmq.take_vhost()
    try:
        with serving(postgres.database_url(database), rabbitmq.vhost_url(vhost), **SETTINGS) as running:
            yield running
    finally:
        rabbitmq.give_back_vhost(vhost)
        postgres.drop_database(database)


@pytest.fixture(scope="module")
def agent(deployment: Deployment, _kept_properties: None) -> Iterator[Agent]:
    """Sees all that it sends."""
    with closing(Agent(deployment)) as client:
        yield client


@pytest.fixture
def turn_back(deployment: Deployment, currency: Currency):
    """Makes an account look as if everything on it had happened three days earlier."""
    day = "3 * 86400000000::int8"

    def make_older(creditor_id: int) -> None:
        with closing(psycopg2.connect(deployment.postgres_url)) as connection, connection:
            connection.cursor().execute(
                f"UPDATE account SET created_at = created_at - {day}, last_change_ts = last_change_ts - {day}"
                " WHERE debtor_id = %s AND creditor_id = %s",
                [currency.debtor_id, creditor_id],
            )

    return make_older


def test_a_silent_account_is_announced_again_and_again(currency):
    """Each heartbeat is newer, and otherwise identical (behaviour 57)."""
    first = currency.open(ALICE)
    last = first
    for _ in range(3):
        beat = currency.take("AccountUpdate", creditor_id=ALICE)
        assert beat.fields == first.fields | {"ts": beat.ts}
        assert instant(beat.ts) - instant(last.ts) > timedelta(seconds=1)
        last = beat


def test_a_transfer_that_waits_is_announced_again_and_again(currency):
    """Identical but for the moment, also after the deadline (behaviour 58)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    for delay in (0, MAX_DELAY):
        first = currency.prepared(ALICE, BOB, 10, max_commit_delay=delay)
        last = first
        for _ in range(2):
            reminder = currency.take("PreparedTransfer", transfer_id=first.transfer_id)
            assert reminder.fields == first.fields | {"ts": reminder.ts}
            assert instant(reminder.ts) - instant(last.ts) > timedelta(seconds=1)
            last = reminder
        currency.finalize(first, 0)


def test_interest_is_paid_with_a_reason(currency):
    """From the root account, in whole units, and less than one is left (behaviours 41, 47 and 104)."""
    currency.open_root({"rate": 100})
    currency.open(ALICE)
    currency.issue(ALICE, 10**15)
    principal = 10**15
    for number in (2, 3):
        paid = currency.take("AccountTransfer", creditor_id=ALICE, coordinator_type="interest")
        principal += paid.acquired_amount
        assert paid.acquired_amount > 10**6, "about 22 millions in a second"
        assert paid.has(sender="0", recipient=str(ALICE), principal=principal, transfer_number=number)
        assert paid.has(transfer_note="Interest payment", transfer_note_format="")
    update = currency.take("AccountUpdate", lambda event: event.principal >= principal, creditor_id=ALICE)
    assert 0.0 <= update.interest < 1.0
    update = currency.take("AccountUpdate", lambda event: event.principal <= -principal, creditor_id=ROOT)
    assert update.interest == 0.0


def test_interest_is_what_the_formula_says(currency):
    """Between two updates it grows by `b * expm1(k * s)`, to a billionth (rules.md#interest-on-a-balance)."""
    currency.open_root({"rate": 100})
    currency.open(ALICE)
    currency.issue(ALICE, 1000)
    before = currency.take("AccountUpdate", creditor_id=ALICE, principal=1000)
    currency.take("AccountUpdate", creditor_id=ALICE)  # a second later
    after = currency.open(ALICE)
    seconds = (instant(after.last_change_ts) - instant(before.last_change_ts)) / timedelta(seconds=1)
    assert seconds > 1
    growth = math.expm1(math.log1p(100 / 100.0) / 31557600.0 * seconds)
    assert after.interest == pytest.approx(before.interest + (1000 + before.interest) * growth, rel=1e-9)


def test_rates_wait_for_their_time(currency):
    """A second change is put off, and comes by itself; a rate stays as given (behaviours 54 and 91)."""
    currency.open_root({"rate": 3.567891234})
    first = currency.open(ALICE)
    assert first.interest_rate == 3.567891234
    currency.open_root({"rate": -7})
    second = currency.take("AccountUpdate", creditor_id=ALICE, interest_rate=-7.0)
    changed_after = instant(second.last_interest_rate_change_ts) - instant(first.last_interest_rate_change_ts)
    assert changed_after >= QUIET
    beat = currency.take("AccountUpdate", creditor_id=ALICE, interest_rate=-7.0)
    assert beat.last_interest_rate_change_ts == second.last_interest_rate_change_ts


def test_an_account_from_its_opening_to_its_purge_and_beyond(currency, is_reachable, turn_back):
    """The rest is paid, silence follows, and the name is free (behaviours 42, 48, 50, 69 and 104)."""
    currency.rich(ALICE, 2)
    scheduled = currency.open(ALICE, config_flags=1, negligible_amount=2.0)
    assert not is_reachable(currency, ALICE)
    paid = currency.take("AccountTransfer", creditor_id=ALICE)
    assert paid.has(coordinator_type="delete", acquired_amount=-2, principal=0, recipient="0")
    assert paid.transfer_note == "Zeroing out before account deletion"
    assert instant(paid.ts) - instant(scheduled.ts) >= QUIET
    deleted = currency.take("AccountUpdate", creditor_id=ALICE, principal=0)
    assert deleted.has(interest=0.0, config_flags=1, last_change_seqnum=scheduled.last_change_seqnum + 1)
    assert not is_reachable(currency, ALICE)

    # While others have heartbeats, this account is silent.
    currency.open(BOB)
    for _ in range(3):
        currency.take("AccountUpdate", creditor_id=BOB)
    assert [e for e in currency.inbox if e.creditor_id == ALICE and e.ts > deleted.ts] == []

    turn_back(ALICE)
    purge = currency.take("AccountPurge", creditor_id=ALICE)
    born = instant(scheduled.creation_date).date() - timedelta(days=3)
    assert json.loads(purge.body) == {
        "type": "AccountPurge",
        "debtor_id": currency.debtor_id,
        "creditor_id": ALICE,
        "creation_date": born.isoformat(),
        "ts": purge.ts,
    }
    again = currency.open(ALICE)
    assert again.has(last_change_seqnum=1, last_transfer_number=0, principal=0)
    assert again.creation_date > purge.creation_date
    assert is_reachable(currency, ALICE)


def test_a_deleted_account_comes_back(currency, is_reachable):
    """A configuration revives it with its creation date and its numbers (behaviours 49 and 52)."""
    currency.open_root({"rate": 4})
    currency.open(ALICE)
    scheduled = currency.open(ALICE, config_flags=1)
    deleted = currency.take(
        "AccountUpdate", creditor_id=ALICE, last_change_seqnum=scheduled.last_change_seqnum + 1
    )
    revived = currency.open(ALICE)
    assert revived.has(
        creation_date=deleted.creation_date,
        interest_rate=4.0,
        config_flags=0,
        last_change_seqnum=deleted.last_change_seqnum + 1,
    )
    assert is_reachable(currency, ALICE)


def test_money_on_its_way_keeps_its_recipient(currency):
    """Another account is deleted meanwhile; the commit lands, and is announced (behaviours 99 and 106)."""
    currency.rich(ALICE, 100)
    currency.open(BOB)
    prepared = currency.prepared(ALICE, BOB, 60)
    currency.open(BOB, config_flags=1)
    numbers = {BOB: 2, CAROL: 1}
    currency.open(CAROL, config_flags=1)
    currency.take("AccountUpdate", creditor_id=CAROL, last_change_seqnum=numbers[CAROL] + 1)
    currency.take("AccountUpdate", creditor_id=BOB, last_change_seqnum=numbers[BOB])  # a heartbeat
    currency.commit(prepared, 60)
    assert currency.take("AccountTransfer", creditor_id=BOB).has(acquired_amount=60, principal=60)
    beat = currency.take("AccountUpdate", creditor_id=BOB, principal=60)
    assert beat.config_flags == 1
    currency.take("AccountUpdate", creditor_id=BOB, last_change_seqnum=beat.last_change_seqnum)


def test_an_owner_with_money_is_not_deleted(currency):
    """However long it is scheduled: all heartbeats show the balance (behaviours 50, 51 and 98)."""
    currency.rich(ALICE, 2)
    currency.open(ALICE, config_flags=1)
    root = currency.open_root(config_flags=1)
    for _ in range(5):
        assert currency.take("AccountUpdate", creditor_id=ALICE).has(principal=2, config_flags=1)
    beat = currency.take("AccountUpdate", creditor_id=ROOT)
    assert beat.has(principal=-2, last_change_seqnum=root.last_change_seqnum)
