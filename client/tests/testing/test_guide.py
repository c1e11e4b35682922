"""The guide does what is written there: its programs run, beside a server in memory."""

import ast
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from examples import guide
from swpt_client.errors import NotFound
from swpt_client.moments import DAY, to_datetime
from swpt_client.store.sql import SqlStore
from swpt_client.testing.bench import DEBTOR_ID, SUBNET, Bench

CLIENT = Path(__file__).parents[2]
ALICE, BOB, CAROL = SUBNET + 1, SUBNET + 2, SUBNET + 3


@pytest.fixture
def store(tmp_path):
    """The store of an application, with its own table."""
    engine = create_engine(f"sqlite:///{tmp_path / 'application.db'}")
    guide.tables.create_all(engine)
    yield SqlStore(engine)
    engine.dispose()


@contextmanager
def running(bench):
    """Somebody carries messages while the programs wait for them."""
    is_over = threading.Event()

    def carry():
        while not is_over.is_set():
            try:
                bench.settle(is_over.is_set)
            except TimeoutError:
                continue

    carrier = threading.Thread(target=carry)
    with bench:
        carrier.start()
        try:
            yield bench.agent
        finally:
            is_over.set()
            carrier.join()


def accounts(agent, *creditor_ids):
    """Open accounts; their identifiers."""
    for one in creditor_ids:
        agent.open_account(DEBTOR_ID, one)
    return [agent.wait_for_account(DEBTOR_ID, one, 30).account_id for one in creditor_ids]


def holds(amount):
    """What a ledger says."""
    return lambda account: account.principal == amount


def parts(code):
    """The statements of a module, without its docstring; how they are set apart does not count."""
    body = ast.parse(code).body
    return {ast.unparse(one): one for one in body if not isinstance(one, ast.Expr)}


def test_what_the_guide_shows_is_what_runs():
    """It is the file that the tests call, whole: nobody looks elsewhere for an import or a constant."""
    shown = re.findall(r"```python\n(.*?)```", (CLIENT / "GUIDE.md").read_text(), re.DOTALL)
    code = parts((CLIENT / "examples" / "guide.py").read_text())
    assert parts("\n".join(shown)).keys() == code.keys()
    imports = [one for one, node in code.items() if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [one for one in parts(shown[0]) if one in imports] == imports


def test_a_currency_is_issued(store):
    """With its settings; bad ones are refused, and an order is paid once."""
    with running(Bench(store=store)) as agent:
        with pytest.raises(ValueError, match=r"the server refuses these settings: [A-Z_]+"):
            guide.open_currency(agent, DEBTOR_ID, 100.5, "urn:example:gold")
        guide.open_currency(agent, DEBTOR_ID, 2.0, "urn:example:gold")
        (alice,) = accounts(agent, ALICE)
        for _ in range(2):
            guide.pay_out(agent, "7", DEBTOR_ID, alice, 100)
        assert agent.wait("payout 7", 30).outcome == "OK"
        assert agent.wait_for_account(DEBTOR_ID, ALICE, 30, until=holds(100)).principal == 100
        root = agent.wait_for_account(DEBTOR_ID, 0, 30, until=lambda one: one.record.data.principal)
        assert guide.issued(agent, DEBTOR_ID) == -root.record.data.principal == 100
        assert root.balance_at(to_datetime(root.record.data.last_change_ts)) == -100.0
        assert (root.principal, agent.entries(DEBTOR_ID, 0)) == (0, [])


def test_wages_are_paid_once(store):
    """All in one call; the same call again gives the same transfers."""
    with running(Bench(store=store)) as agent:
        guide.open_currency(agent, DEBTOR_ID, 0.0, "urn:example:gold")
        alice, bob = accounts(agent, ALICE, BOB)
        guide.pay_out(agent, "1", DEBTOR_ID, alice, 1000)
        agent.wait_for_account(DEBTOR_ID, ALICE, 30, until=holds(1000))
        wages = {bob: 30, "0": 5}
        first = guide.pay_wages(agent, "May", DEBTOR_ID, ALICE, wages)
        again = guide.pay_wages(agent, "May", DEBTOR_ID, ALICE, wages)
        assert [one.key for one in first] == [one.key for one in again]
        agent.wait_for_account(DEBTOR_ID, BOB, 30, until=holds(30))
        agent.wait_for_account(DEBTOR_ID, ALICE, 30, until=holds(965))


def test_creditors_are_served(store):
    """The order and its payment are one; the outcome is told; the statement has all pages."""
    bench = Bench(store=store)
    announced: list[tuple[int, int]] = []
    guide.follow_orders(bench.agent, announced)
    with running(bench) as agent:
        guide.open_currency(agent, DEBTOR_ID, 0.0, "urn:example:gold")
        alice, bob = accounts(agent, ALICE, BOB)
        guide.pay_out(agent, "1", DEBTOR_ID, alice, 1000)
        agent.wait_for_account(DEBTOR_ID, ALICE, 30, until=holds(1000))
        for number in range(1, 6):
            guide.order(agent, number, DEBTOR_ID, ALICE, bob, 10)
        for number in range(1, 6):
            assert agent.wait(f"order {number}", 30).outcome == "OK"
        assert agent.wait_for_account(DEBTOR_ID, BOB, 30, until=holds(50)).principal == 50
        with store.engine.connect() as connection:
            assert set(connection.execute(select(guide.orders.c.outcome)).scalars()) == {"OK"}
        assert announced.count((BOB, 10)) == 5
        entries = list(guide.statement(agent, DEBTOR_ID, BOB))
        assert [one.principal for one in entries] == [50, 40, 30, 20, 10]


def test_a_transfer_is_coordinated(store):
    """It is committed up to the price, or dismissed; what has left cannot be cancelled."""
    bench = Bench(store=store)
    guide.decide_by_price(bench.agent, {"dear": 60, "cheap": 40})
    with running(bench) as agent:
        guide.open_currency(agent, DEBTOR_ID, 0.0, "urn:example:gold")
        alice, bob = accounts(agent, ALICE, BOB)
        guide.pay_out(agent, "1", DEBTOR_ID, alice, 50)
        agent.wait_for_account(DEBTOR_ID, ALICE, 30, until=holds(50))
        guide.ask_for(agent, "dear", DEBTOR_ID, ALICE, bob, 60)
        assert ended(agent, "dear") == "DISMISSED"
        guide.ask_for(agent, "cheap", DEBTOR_ID, ALICE, bob, 60)
        assert ended(agent, "cheap") == "OK"
        assert not guide.cancel(agent, "cheap")
        assert guide.cancel(agent, "dear")
        with pytest.raises(NotFound):
            guide.cancel(agent, "unknown")


def ended(agent, key):
    """The outcome; `wait` may see it prepared before the handler has decided."""
    for _ in range(100):
        found = agent.wait(key, 30)
        if found.outcome:
            return found.outcome
    raise AssertionError(found)


def test_amounts_are_moved_together(store):
    """Both legs, or none."""
    with running(Bench(store=store)) as agent:
        guide.open_currency(agent, DEBTOR_ID, 0.0, "urn:example:gold")
        alice, bob = accounts(agent, ALICE, BOB)
        for number, one in enumerate((alice, bob)):
            guide.pay_out(agent, str(number), DEBTOR_ID, one, 1000)
        for one in (ALICE, BOB):
            agent.wait_for_account(DEBTOR_ID, one, 30, until=holds(1000))
        legs = [guide.leg(DEBTOR_ID, ALICE, bob, 300), guide.leg(DEBTOR_ID, BOB, alice, 500)]
        assert guide.exchange(agent, "deal", legs) == "done"
        agent.wait_for_account(DEBTOR_ID, ALICE, 30, until=holds(1200))
        legs = [guide.leg(DEBTOR_ID, ALICE, bob, 300), guide.leg(DEBTOR_ID, BOB, alice, 5000)]
        assert guide.exchange(agent, "too much", legs) == "dismissed"
        assert agent.find_bundle("too much").reason == "INSUFFICIENT_AVAILABLE_AMOUNT"
        assert {one.failure for one in agent.find_bundle("too much").status} == {""}
        # In a chain the second leg has nothing to lock yet.
        agent.open_account(DEBTOR_ID, CAROL)
        carol = agent.wait_for_account(DEBTOR_ID, CAROL, 30).account_id
        legs = [guide.leg(DEBTOR_ID, ALICE, carol, 300), guide.leg(DEBTOR_ID, CAROL, bob, 300)]
        assert guide.exchange(agent, "chain", legs) == "dismissed"
        assert agent.find_bundle("chain").reason == "INSUFFICIENT_AVAILABLE_AMOUNT"


def test_a_restored_application_comes_back(store):
    """What was under way is parked; what has evidence goes on, the rest waits for a person."""
    bench = Bench(store=store)
    alarms: list[str] = []
    guide.raise_alarms(bench.agent, alarms)
    with running(bench) as agent:
        guide.open_currency(agent, DEBTOR_ID, 0.0, "urn:example:gold")
        (alice,) = accounts(agent, ALICE)
    network = bench.network
    network.cut()
    bench.agent.issue("late", debtor_id=DEBTOR_ID, recipient=alice, amount=5)
    network.mend()
    later = Bench(store=store)
    assert guide.come_back(later.agent) == 1
    with running(later) as agent:
        assert guide.look_after(agent) == ["late"]
        agent.persons.abandon("late")
        assert agent.wait("late", 30).outcome == "CANCELLED"
    bench.clock.advance(DAY)
    assert alarms == []
