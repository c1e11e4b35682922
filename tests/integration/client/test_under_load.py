"""The worker is killed while customers pay: one row of the table in docs/reliability.md, made small."""

import msgspec
import pytest
from sqlalchemy import text

from tests.chaos.table.customers import CUSTOMERS
from tests.chaos.table.playing import play_on
from tests.chaos.table.process_faults import WORKER_KILLED
from tests.chaos.table.scene import scene_on
from tests.chaos.table.verdict import what_is_wrong


@pytest.fixture
def scene(postgres_url, empty_postgres_url, amqp_url):
    """Worker and chores, and customers who pay."""
    with scene_on(postgres_url, amqp_url, empty_postgres_url, roles=("worker", "chores"), rate=40.0) as scene:
        yield scene


def test_a_worker_is_killed_twice_under_load(scene):
    """Each payment has one outcome, ledgers are the journal, nothing waits; what is not so would be told."""
    played = play_on(scene, msgspec.structs.replace(WORKER_KILLED, seconds=0.0))
    assert played.wrong == []
    assert len(played.recovered) == 2
    assert played.outcomes.keys() == {"OK", "DISMISSED", "INSUFFICIENT_AVAILABLE_AMOUNT"}
    with scene.customers.agent.begin() as session:
        session.execute(text("INSERT INTO told VALUES ('payment 1')"))
    scene.server.execute(
        "UPDATE journal SET amount = amount + 1 WHERE journal_id = (SELECT max(journal_id) FROM journal);"
        f" UPDATE account SET principal = principal + 1 WHERE creditor_id = {CUSTOMERS[0]}"
    )
    told = "\n".join(what_is_wrong(scene))
    for words in ("payment 1 was told 2 times", "is not the journal", "add up to 1", "V9"):
        assert words in told
