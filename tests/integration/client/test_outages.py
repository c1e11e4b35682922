"""A part is away for a while: calls go on where they can, and everything goes on by itself."""

import pytest
from sqlalchemy import text

from swpt_client.store.base import StoreAway
from tests.backstage.server import vhost_of
from tests.backstage.waiting import wait_until
from tests.integration.client.conftest import ALICE, BOB, DEBTOR, engine_of, open_accounts, principal


def begin(agent, recipient, numbers):
    """Payments of 1."""
    for number in numbers:
        agent.transfer(f"{number}", debtor_id=DEBTOR, sender=ALICE, recipient=recipient, amount=1)


def check(agent, count):
    """All have happened, once."""
    assert {agent.wait(f"{number}", 40).outcome for number in range(count)} == {"OK"}
    wait_until(lambda: principal(agent, BOB) == count, "the ledger")
    wait_until(lambda: principal(agent, ALICE) == 1000 - count, "the other ledger")


def fill(agent):
    """Alice gets 1000; the identifiers of both."""
    ids = open_accounts(agent, ALICE, BOB)
    agent.issue("issue", debtor_id=DEBTOR, recipient=ids[ALICE], amount=1000)
    assert agent.wait("issue", 20).outcome == "OK"
    return ids


def test_the_database_of_the_client_is_away(bank, restartable_postgres):
    """It is killed with payments under way: calls say so, and later all payments end as they should."""
    url = restartable_postgres.url()
    bank.engine = engine_of(url)
    with bank.engine.connect() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        connection.commit()
    try:
        with bank.agent() as agent:
            ids = fill(agent)
            begin(agent, ids[BOB], range(30))
            restartable_postgres.kill()
            with pytest.raises(StoreAway):
                begin(agent, ids[BOB], [30])
            with pytest.raises(StoreAway):
                agent.wait("0", 0.1)
            restartable_postgres.start()
            wait_until(lambda: agent._store.transfer("0"), "the database")
            begin(agent, ids[BOB], range(30, 40))
            check(agent, 40)
    finally:
        bank.engine.dispose()


def test_the_broker_cuts_all_connections(bank, rabbitmqctl):
    """Payments go on being stored, and end when the broker is there again."""
    with bank.agent() as agent:
        ids = fill(agent)
        vhost = vhost_of(bank.server.amqp_url)
        for place in range(0, 60, 20):
            begin(agent, ids[BOB], range(place, place + 20))
            rabbitmqctl("-q", "close_all_connections", "-p", vhost, "a test")
        check(agent, 60)
        bank.server.wait_until_done()
        assert bank.server.rows("SELECT count(*) FROM prepared_transfer") == [(0,)]
