"""A store that is away, and what cannot be processed."""

import pytest
from sqlalchemy import text

from swpt_client.agent import Agent
from swpt_client.errors import (
    StoreAway,
)
from swpt_client.store.memory import MemoryStore
from tests.bench import ALICE, DEBTOR
from tests.server_messages import (
    account_transfer,
    rejected_transfer,
)

from .wire import Wire


def test_the_store_may_be_away():
    """Calls say so and name their key; what has arrived is acknowledged when it is stored, and not before."""
    store, wire = MemoryStore(), Wire()
    agent = Agent(store, wire, subnet=ALICE, poll_seconds=0.02)
    with agent:
        agent.open_account(DEBTOR, ALICE)
        wire.wait_for("ConfigureAccount")
        store.is_away = True
        with pytest.raises(StoreAway) as caught:
            agent.transfer("k", debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=1)
        assert caught.value.key == "k"
        tag = wire.deliver(account_transfer(1, 5, 5))
        wire.wait_until(lambda: agent._worker._away_since is not None, "the agent notices")
        assert not any(one >= tag for _, one in wire.acked)
        store.is_away = False
        wire.wait_for_ack(tag)
        account = agent.account(DEBTOR, ALICE)
        assert account is not None
        assert account.principal == 5


def test_an_agent_starts_while_the_store_is_away():
    """It waits, and begins when the store is there."""
    store, wire = MemoryStore(), Wire()
    store.is_away = True
    with Agent(store, wire, subnet=ALICE, poll_seconds=0.02) as agent:
        wire.wait_until(lambda: agent._worker._away_since is not None, "the agent notices")
        store.is_away = False
        wire.wait_until(lambda: agent._worker._away_since is None, "the agent goes on")
        agent.open_account(DEBTOR, ALICE)
        wire.wait_for("ConfigureAccount")


@pytest.mark.parametrize("office", ["sqlite"], indirect=True)
def test_what_cannot_be_processed_is_found_by_bisection(office):
    """One message fails in the store, whatever is done: it alone becomes a dead letter."""
    with office.agent as agent:
        transfers = [office.pay(key) for key in ("a", "b", "poison", "d", "e")]
        office.wire.wait_for("PrepareTransfer", 5)
        office.wire.wait_until(lambda: office.store.count_outbox() == 0)
        with office.store.engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE TRIGGER poison BEFORE UPDATE ON smp_transfer WHEN NEW.key = 'poison'"
                    " BEGIN SELECT RAISE(ABORT, 'poison'); END"
                )
            )
        tag = office.wire.deliver(*(rejected_transfer(one) for one in transfers))
        office.wire.wait_for_ack(tag)
        outcomes = [agent.find_transfer(one.key).outcome for one in transfers]
        assert [bool(one) for one in outcomes] == [True, True, False, True, True]
        (letter,) = agent.persons.letters()
        assert letter.reason == "internal_error"
        with office.store.engine.begin() as connection:
            connection.execute(text("DROP TRIGGER poison"))
        agent.persons.put_back(letter.id)
        assert agent.wait("poison", 10).outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"
