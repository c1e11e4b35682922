"""Faults that are planted into the server, which some world must break by."""

from itertools import count

import pytest

from simulation import broker, running
from simulation.running import Case, play
from swpt_accounts.roles.chores import foreign_rows
from swpt_accounts.rules import deciding
from swpt_accounts.rules.facts import request_key
from swpt_accounts.shards import queries, waiting
from swpt_accounts.storage.outbox import publishing
from swpt_accounts.storage.outbox.rows import FORGET_ROWS
from swpt_accounts.transactions import storing
from swpt_accounts.transactions.waiting import take_waiting
from tests.properties.test_planted_faults import plant


def acknowledge_before_commit(monkeypatch):
    """Messages are acknowledged when they are taken."""
    take = broker.Queue.take

    def take_and_acknowledge(self, most):
        deliveries = take(self, most)
        self.ack([one.tag for one in deliveries])
        return deliveries

    monkeypatch.setattr(broker.Queue, "take", take_and_acknowledge)


def skip_a_delete(monkeypatch):
    """The newest row that is confirmed is not removed from the outbox."""
    monkeypatch.setattr(
        publishing,
        "FORGET_ROWS",
        "DELETE FROM outbox WHERE outbox_id = ANY(%s) AND outbox_id < (SELECT max(outbox_id) FROM outbox)",
    )


def forget_what_is_left(monkeypatch):
    """A row leaves the outbox although the broker did not take all of it."""

    def forget(self, cursor, work):
        cursor.execute(FORGET_ROWS, [[work.outbox_id]])

    monkeypatch.setattr(publishing.Outbox, "_keep_leftovers", forget)


def comment_out_a_guard(monkeypatch):
    """A request that is repeated is taken for a new one (P2)."""
    plant(monkeypatch, deciding, deciding._prepare, "if repeated is not None:", "if False:")


def forget_applied_credits(monkeypatch):
    """A credit from another shard is applied, and not written into the registry."""
    monkeypatch.setattr(storing, "_store_credits", lambda pen, book: None)


def give_up_without_an_answer(monkeypatch):
    """A request is forgotten when the other shard gives no answer."""

    def give_up(self, dues, pause_seconds):
        keys = [request_key(due.request) for due in dues]

        def change(context):
            with self._connection, self._connection.cursor() as cursor:
                take_waiting(cursor, keys)

        self._transact(change)
        self._release(keys)

    monkeypatch.setattr(waiting.WaitingRoom, "_put_off", give_up)


def say_no_now_and_then(monkeypatch):
    """Each third answer of a shard to another one is that nobody can be paid."""
    turn = count(1)

    def sometimes(answer, no):
        return lambda *asked: answer(*asked) if next(turn) % 3 else no

    monkeypatch.setattr(queries, "is_reachable", sometimes(queries.is_reachable, no=False))
    monkeypatch.setattr(queries, "reachable_together", sometimes(queries.reachable_together, no=set()))


def take_money_along(monkeypatch):
    """Accounts that go to the sibling of a split leave no trace of their money."""
    monkeypatch.setattr(
        foreign_rows, "_REMOVE_ACCOUNTS", foreign_rows._REMOVE_ACCOUNTS.replace("sum(principal), 0", "0, 0")
    )


def break_a_world(fault, seeds, monkeypatch, database, *, shards=1):
    """Plant a fault, and play until a world breaks; says how."""
    fault(monkeypatch)
    for seed in seeds:
        played = play(Case(seed=seed, acts=4, shards=shards), database)
        if played.error:
            print(f"{fault.__name__}: seed {seed}, {played.steps} steps, {played.error[:200]}")
            return played.error
    raise AssertionError("no world has broken")


def test_an_acknowledgement_before_the_commit_is_found(monkeypatch, world_database):
    """Somebody waits for ever for an answer, because a message went with its worker."""
    error = break_a_world(acknowledge_before_commit, [3], monkeypatch, world_database)
    assert "without an answer" in error


@pytest.mark.timeout(300)
def test_a_credit_that_is_applied_twice_is_found(monkeypatch, world_database):
    """It is in the journal of its shard twice, and more money has come than has left the other one."""
    error = break_a_world(forget_applied_credits, [8], monkeypatch, world_database, shards=2)
    assert "in the journal 2 times" in error


@pytest.mark.timeout(300)
def test_a_wrong_no_is_found(monkeypatch, world_database):
    """A recipient is called unreachable who could be paid at every moment since the request has come."""
    error = break_a_world(say_no_now_and_then, [5], monkeypatch, world_database, shards=2)
    assert "a wrong no: RECIPIENT_IS_UNREACHABLE" in error


FAULTS = {
    skip_a_delete: range(3, 6),
    forget_what_is_left: range(3, 13),
    comment_out_a_guard: range(4, 8),
}
"""Each with the seeds of which one finds it."""


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_planted_fault_is_found(fault, monkeypatch, world_database):
    """One of a few worlds breaks by it."""
    assert break_a_world(fault, FAULTS[fault], monkeypatch, world_database)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_request_that_another_shard_does_not_answer_for_is_missed(monkeypatch, world_database):
    """Somebody waits for ever for an answer."""
    error = break_a_world(give_up_without_an_answer, range(3, 9), monkeypatch, world_database, shards=2)
    assert "without an answer" in error


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_money_that_goes_with_a_split_unseen_is_found(monkeypatch, world_database):
    """A child has less than has come to it."""
    error = break_a_world(take_money_along, [30], monkeypatch, world_database, shards=2)
    assert "V3" in error


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_world_that_broke_is_made_smaller_and_kept(monkeypatch, world_database, tmp_path):
    """What is kept breaks as well, with fewer faults, and is read again as it was."""
    monkeypatch.setattr(running, "SEEDS", tmp_path / "seeds")
    acknowledge_before_commit(monkeypatch)
    broken = play(Case(seed=3, acts=2, shards=1), world_database)
    assert broken.error
    *_, smallest = running.shrink(broken, world_database)
    assert smallest.case.without
    running.save(smallest)
    (kept,) = running.saved()
    assert kept.without == smallest.case.without
    assert kept.why == smallest.error.split("\n")[0][:200]
    assert play(kept, world_database).error
