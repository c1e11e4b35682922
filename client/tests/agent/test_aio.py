"""The awaited agent is the same agent."""

import asyncio
import threading
from typing import Any

import pytest

from swpt_client import aio
from swpt_client.errors import KeyConflict, NotFound
from swpt_client.records import Transfer, TransferState
from tests.bench import ALICE, DEBTOR
from tests.server_messages import rejected_transfer

ONE: Any = {"debtor_id": DEBTOR, "sender": ALICE, "recipient": "2", "amount": 1}


def test_calls_are_awaited(office):
    """They store, refuse and wait as the calls of threads do."""

    async def story():
        async with aio.Agent(office.agent) as agent:
            account = await agent.open_account(DEBTOR, ALICE)
            found = await agent.account(DEBTOR, ALICE)
            assert found is not None
            assert found.key == account.key
            transfer = await agent.transfer("k", debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=1)
            with pytest.raises(KeyConflict):
                await agent.transfer("k", debtor_id=DEBTOR, sender=ALICE, recipient="2", amount=2)
            assert (await agent.wait("k", 0.01)).state is TransferState.INITIATED
            with pytest.raises(NotFound):
                await agent.wait("unknown", 10)
            office.wire.deliver(rejected_transfer(transfer))
            ended = await agent.wait("k", 20)
            assert isinstance(ended, Transfer)
            assert ended.outcome == "INSUFFICIENT_AVAILABLE_AMOUNT"

    asyncio.run(story())


def test_waiting_holds_no_thread(office):
    """Hundreds may wait at once, and the loop goes on."""

    async def story():
        async with aio.Agent(office.agent) as agent:

            def begin(session):
                return [office.reserve(f"{number}", session=session) for number in range(200)]

            transfers = await agent.run(begin)
            waiting = [asyncio.create_task(agent.wait(one.key, 30)) for one in transfers]
            await asyncio.sleep(0)
            assert threading.active_count() < 50
            office.wire.deliver(*(rejected_transfer(one) for one in transfers))
            assert {one.state for one in await asyncio.gather(*waiting)} == {TransferState.FINISHED}

    asyncio.run(story())


def test_a_transaction_is_awaited(office):
    """What raises is undone."""

    async def story():
        async with aio.Agent(office.agent) as agent:

            def fail(session):
                office.pay("k", session=session)
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await agent.run(fail)
            assert await agent.find_transfer("k") is None

    asyncio.run(story())


def test_calls_within_an_awaited_transaction_are_one(office):
    """All are committed at the end, or undone by what raises, and the session has one thread."""

    async def story():
        async with aio.Agent(office.agent) as agent:
            with pytest.raises(ZeroDivisionError):
                async with agent.begin() as session:
                    await agent.transfer("a", **ONE, session=session)
                    assert await agent.find_transfer("a", session=session) is not None
                    raise ZeroDivisionError
            assert await agent.find_transfer("a") is None
            async with agent.begin() as session:
                places = [await agent.run_within(session, threading.get_ident) for _ in range(3)]
                assert len({*places, threading.get_ident()}) == 2
                with pytest.raises(NotFound):
                    await agent.commit("unknown", 1, session=session)
                for key in ("b", "c"):
                    await agent.transfer(key, **ONE, session=session)
            for key in ("b", "c"):
                assert await agent.find_transfer(key) is not None
            office.wire.wait_for("PrepareTransfer", 2)

    asyncio.run(story())


def test_a_cancelled_transaction_is_undone(office):
    """Nothing of it is stored, and nothing of it holds a lock."""

    async def story():
        async with aio.Agent(office.agent) as agent:
            is_there = asyncio.Event()

            async def work():
                async with agent.begin() as session:
                    await agent.transfer("a", **ONE, session=session)
                    is_there.set()
                    await asyncio.Event().wait()

            task = asyncio.create_task(work())
            await is_there.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for _ in range(20):
                begun = asyncio.create_task(work())
                await asyncio.sleep(0)
                begun.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await begun
            assert await asyncio.wait_for(agent.find_transfer("a"), 30) is None
            await asyncio.wait_for(agent.transfer("a", **ONE), 30)

    asyncio.run(story())
