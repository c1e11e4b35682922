from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from examples.guide import ask_for, follow_orders, order, orders, tables  # the application
from swpt_client.moments import SECOND
from swpt_client.records import Transfer, TransferState
from swpt_client.store.sql import SqlStore
from swpt_client.testing.bench import DEBTOR_ID, SUBNET, Bench

ALICE, BOB = SUBNET + 1, SUBNET + 2


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    engine = create_engine(f"sqlite:///{tmp_path / 'application.db'}")
    tables.create_all(engine)
    bench = Bench(store=SqlStore(engine))
    follow_orders(bench.agent, [])  # handlers, before the agent is started
    yield bench
    engine.dispose()


def give_money(bench: Bench) -> str:
    """Alice has 100; gives the public identifier of Bob's account."""
    agent = bench.agent
    agent.open_account(DEBTOR_ID, 0, negligible_amount=1e30)
    for one in (ALICE, BOB):
        agent.open_account(DEBTOR_ID, one)
    bench.settle(
        lambda: all(agent.wait_for_account(DEBTOR_ID, one, 0).is_effectual for one in (0, ALICE, BOB))
    )
    alice, bob = (agent.wait_for_account(DEBTOR_ID, one, 0).account_id for one in (ALICE, BOB))
    agent.issue("gift", debtor_id=DEBTOR_ID, recipient=alice, amount=100)
    bench.settle(lambda: agent.wait_for_account(DEBTOR_ID, ALICE, 0).principal == 100)
    return bob


def test_an_order_is_paid_after_an_outage(bench: Bench) -> None:
    with bench:
        bob = give_money(bench)
        bench.network.cut()
        order(bench.agent, 7, DEBTOR_ID, ALICE, bob, 30)
        bench.network.mend()
        bench.settle(lambda: bench.agent.wait_for_account(DEBTOR_ID, BOB, 0).principal == 30)
        with bench.agent.begin() as session:
            assert session.execute(select(orders.c.outcome)).scalars().all() == ["OK"]


def test_what_nobody_decides_is_dismissed(bench: Bench) -> None:
    def seats() -> Transfer:
        found = bench.agent.find_transfer("seats")
        assert found is not None
        return found

    with bench:
        ask_for(bench.agent, "seats", DEBTOR_ID, ALICE, give_money(bench), 60)
        bench.settle(lambda: seats().state is TransferState.PREPARED)
        bench.clock.advance(601 * SECOND)
        assert bench.agent.catch_up(10)  # all that is due by then is done
        assert seats().reason == "DECIDE_BY"
