"""Waiting for accounts needs no loop of the caller's, and is bounded."""

import asyncio
from threading import Timer
from typing import Any

import pytest

from swpt_client import aio, configuration
from swpt_client.errors import NotFound, StoreAway
from swpt_client.inputs import Begin, Dismiss
from swpt_client.records import AccountKey, ConfigurationState, TransferState
from swpt_client.store.memory import MemoryStore
from swpt_client.waiting import Waiters
from tests.bench import ALICE, DEBTOR
from tests.server_messages import (
    account_transfer,
    account_update,
    finalized_transfer,
    prepared_transfer,
    rejected_config,
)
from tests.store.teller import REQUEST, Teller

from .conftest import Office
from .wire import Wire

KEY = AccountKey(DEBTOR, ALICE)


def update_of(office, **values):
    """The server shows the configuration that we want."""
    wanted = office.store.account(KEY).configuration
    return account_update(last_config_ts=wanted.last_ts, last_config_seqnum=wanted.last_seqnum, **values)


def later(work, *args):
    """Something happens while somebody waits."""
    timer = Timer(0.05, work, args)
    timer.daemon = True
    timer.start()


def test_an_account_is_waited_for_until_it_can_be_used(office):
    """Then it has its public identifier."""
    with office.agent as agent:
        with pytest.raises(NotFound):
            agent.wait_for_account(DEBTOR, ALICE, 10)
        agent.open_account(DEBTOR, ALICE)
        assert not agent.wait_for_account(DEBTOR, ALICE, 0.05).is_effectual
        later(office.wire.deliver, update_of(office))
        account = agent.wait_for_account(DEBTOR, ALICE, 30)
        assert (account.is_effectual, account.account_id) == (True, str(ALICE))


def test_an_account_that_is_refused_is_not_waited_for(office):
    """It is somebody's turn."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.wait_for("ConfigureAccount")
        wanted = configuration.message_of(KEY, office.store.account(KEY).configuration)
        later(office.wire.deliver, rejected_config(wanted))
        assert agent.wait_for_account(DEBTOR, ALICE, 30).state is ConfigurationState.REJECTED


def test_a_ledger_is_waited_for(office):
    """Until what the caller says is so."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.deliver(update_of(office))
        agent.wait_for_account(DEBTOR, ALICE, 30)
        later(office.wire.deliver, account_transfer(1, 300, 300))
        found = agent.wait_for_account(DEBTOR, ALICE, 30, until=lambda account: account.principal >= 300)
        assert found.principal == 300


def test_accounts_are_awaited(office):
    """Without a thread that waits."""

    async def story():
        async with aio.Agent(office.agent) as agent:
            await agent.open_account(DEBTOR, ALICE)
            assert not (await agent.wait_for_account(DEBTOR, ALICE, 0.01)).is_effectual
            later(office.wire.deliver, update_of(office))
            assert (await agent.wait_for_account(DEBTOR, ALICE, 30)).is_effectual
            with pytest.raises(NotFound):
                await agent.wait_for_account(DEBTOR, ALICE + 1, 30)

    asyncio.run(story())


def test_who_waits_while_the_store_is_away_gets_what_is_known():
    """Nothing raises that has been read once."""
    store = MemoryStore()
    office = Office(store, Wire())
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        later(setattr, store, "is_away", True)
        assert agent.wait_for_account(DEBTOR, ALICE, 1.2).state is ConfigurationState.SENT
        assert store.is_away
        with pytest.raises(StoreAway) as caught:
            agent.wait_for_account(DEBTOR, ALICE, 0.1)
        assert caught.value.key == (DEBTOR, ALICE)
        store.is_away = False


def test_who_waits_is_told_what_was_stored():
    """Each change as it is then, and nothing of other keys, nor after the waiting."""
    heard: list[Any] = []
    waiters = Waiters()
    store = MemoryStore()
    teller = Teller(store)
    with waiters.watch("a", heard.append):
        begun = teller.feed(*(Begin(key=key, request=REQUEST) for key in ("a", "b")))
        waiters.tell(begun)
        dismissed = teller.feed(Dismiss(key="a"))
        waiters.tell(dismissed)
    waiters.tell(begun)
    assert heard == [begun.transfers["a"], dismissed.transfers["a"]]
    assert heard[-1] == store.transfer("a")


def test_nobody_is_woken_by_a_step_on_the_way(office):
    """A wait for the end gives the end, not what was in between."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.deliver(update_of(office))
        office.pay("k")
        later(office.wire.deliver, prepared_transfer(office.store.transfer("k")))
        assert agent.wait("k", 0.3).outcome == ""
        office.wire.wait_for("FinalizeTransfer")
        later(office.wire.deliver, finalized_transfer(office.store.transfer("k")))
        assert agent.wait("k", 30) == office.store.transfer("k")
        assert agent.wait("k", 0).outcome == "OK"


def test_who_watches_for_the_end_hears_of_nothing_else(office):
    """Steps on the way wake nobody; the end does, and is at hand."""
    woken: list[int] = []
    with office.agent as agent, agent.watch_end("k", lambda: woken.append(1)) as look:
        agent.open_account(DEBTOR, ALICE)
        office.wire.deliver(update_of(office))
        begun = office.pay("k")
        assert look(None) == begun
        office.wire.deliver(prepared_transfer(begun))
        office.wire.wait_for("FinalizeTransfer")
        assert woken == []
        office.wire.deliver(finalized_transfer(office.store.transfer("k")))
        office.wire.wait_until(lambda: woken)
        assert look(None) == office.store.transfer("k")
        assert look(None).outcome == "OK"


def test_who_has_decided_is_not_told_of_the_time_before(office):
    """What was prepared when it was told may be decided since: that is read anew."""
    with office.agent as agent, agent.watch_end("k", lambda: None) as look:
        begun = office.reserve("k")
        office.wire.deliver(prepared_transfer(begun, locked_amount=60))
        office.wire.wait_until(lambda: office.store.transfer("k").state is TransferState.PREPARED)
        agent.commit("k", 10)
        assert look(None).state is TransferState.SETTLED
