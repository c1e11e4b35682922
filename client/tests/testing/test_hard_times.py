"""A week without the other side, a restored backup, and a long queue, on a clock that the tests move."""

from collections import Counter

import pytest

from swpt_client.inputs import Begin, CloseTail, Configure, Park, Refusal, Resume
from swpt_client.limits import ROOT_CREDITOR_ID
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.records import Account, AccountKey, Decision, EntryKind, Terms, Transfer
from swpt_client.testing.client import Memory
from swpt_client.testing.network import PERFECT, Odds
from swpt_client.testing.worlds.invariants import check_end, check_ledgers
from swpt_client.testing.worlds.plan import CREDITORS, DEBTOR, SUBNET, Payment, request_of
from swpt_client.testing.worlds.world import World

ALICE, BOB = CREDITORS[:2]


def a_world(seed: int) -> World:
    """Nobody dies, nothing is lost, nobody lacks money; accounts are open, and all has ended."""
    world = World(seed, crash_odds=0.0)
    world.to_server.odds = world.to_client.odds = PERFECT
    world.open()
    for _ in range(60):
        world.step()
    assert {one.outcome for one in world.client.memory.transfers.values()} == {"OK"}
    return world


def pay(world: World, key: str, sender: int = ALICE, recipient: int = BOB) -> Transfer | Refusal:
    """Begin a payment of 100."""
    decision = Decision(committed_amount=100, transfer_note=key)
    request = request_of(sender, recipient, 0, Terms())
    answer = world.client.call(Begin(key=key, request=request, decision=decision))
    assert isinstance(answer, Transfer | Refusal)
    return answer


def paid(world: World) -> Counter[str]:
    """How often the server has paid each note."""
    return Counter(entry.transfer_note for entry in world.server.tables.journal)


@pytest.mark.parametrize("who", ["broker", "server"])
def test_after_a_week_without_the_other_side_everything_goes_on_by_itself(who):
    """Accounts open and transfers end, although the server ignores configurations of a week ago."""
    world = a_world(1)
    newcomer = SUBNET + 99
    world.to_server.is_cut = world.to_client.is_cut = True
    for day in range(8):
        if day == 0:
            key = AccountKey(DEBTOR, newcomer)
            assert isinstance(world.client.call(Configure(key=key)), Account)
        assert isinstance(pay(world, f"day {day}"), Transfer), "who only stores goes on"
        for _ in range(24):
            world.clock.advance(HOUR)
            world.client.tick()
            if who == "server":
                world.client.send(world._put_to_server)
    assert world.client.memory.outbox or who == "server"
    world.to_server.is_cut = world.to_client.is_cut = False
    world.settle()
    assert [paid(world)[f"day {day}"] for day in range(8)] == [1] * 8
    opened = world.client.memory.accounts[AccountKey(DEBTOR, newcomer)]
    assert opened.configuration.state == "effectual"
    assert world.server.principal(DEBTOR, newcomer) == 0
    check_ledgers(world)


def restore(world: World, backup: Memory) -> None:
    """The application's database is what it was, and an operator says so."""
    memory = world.client.memory = backup.backup()
    memory.outbox = [one for one in memory.outbox if one.ref is None or one.ref.kind != "transfer"]
    for key, transfer in list(memory.transfers.items()):
        if transfer.finished_at is None:
            world.client.call(Park(kind="transfer", key=key))


def test_what_a_restored_backup_holds_is_not_paid_twice():
    """A transfer that it says to be under way, and that has ended since, stays parked."""
    world = a_world(2)
    pay(world, "under way")
    backup = world.client.memory.backup()
    for _ in range(30):
        world.step()
    assert paid(world)["under way"] == 1
    restore(world, backup)
    for _ in range(20):
        world.step()
        world.clock.advance(DAY)
    assert world.client.memory.transfers["under way"].state == "parked"
    assert paid(world)["under way"] == 1


def test_what_a_former_life_has_prepared_is_evidence_for_a_parked_transfer():
    """A reminder comes, a person resumes it, and it is paid once."""
    world = a_world(3)
    pay(world, "under way")
    backup = world.client.memory.backup()
    world.to_client.is_cut = True
    for _ in range(10):
        world.step()
    assert world.server.locked_count() == 1
    restore(world, backup)
    world.to_client.is_cut = False
    for _ in range(10):
        world.step()
    assert world.client.memory.transfers["under way"].evidence
    assert isinstance(world.client.call(Resume(kind="transfer", key="under way")), Transfer)
    for _ in range(30):
        world.step()
    assert world.client.memory.transfers["under way"].outcome == "OK"
    assert paid(world)["under way"] == 1


def test_an_account_whose_ledger_is_behind_takes_nothing_new_until_its_tail_is_closed():
    """What the backup does not hold cannot be parked: the ledger tells that something is missing."""
    world = a_world(4)
    backup = world.client.memory.backup()
    pay(world, "not in the backup")
    for _ in range(30):
        world.step()
    assert paid(world)["not in the backup"] == 1
    restore(world, backup)
    world.clock.advance(8 * DAY)
    world.work()
    for _ in range(5):
        world.attend()
        world.serve()
    world.clock.advance(2 * MINUTE)
    answer = pay(world, "again")
    assert isinstance(answer, Refusal)
    assert answer.code == "LEDGER_IS_BEHIND"
    assert isinstance(world.client.call(CloseTail(key=AccountKey(DEBTOR, ALICE))), Account)
    assert isinstance(pay(world, "again"), Transfer)
    for _ in range(30):
        world.step()
    assert (paid(world)["not in the backup"], paid(world)["again"]) == (1, 1)
    assert [one.kind for one in world.client.memory.entries].count(EntryKind.MISSING) == 1


def test_a_long_queue_is_taken_in_batches_after_a_restart():
    """Thousands of events wait, each comes twice and in any order, and all are applied once."""
    world = a_world(5)
    count = 1000
    for number in range(count):
        world.begin(
            Payment(f"many {number}", request_of(ROOT_CREDITOR_ID, ALICE, 0, Terms()), 1 + number % 7)
        )
        if number % 100 == 99:
            world.client.send(world._put_to_server)
    while len(world.to_server):
        world.serve()
    while len(world.to_client):
        world.client.receive(world.to_client)
    world.client.send(world._put_to_server)
    world.to_client.odds = Odds(doubled=1.0, is_shuffled=True)
    while len(world.to_server):
        world.serve()
    waiting = len(world.to_client)
    assert waiting >= 4 * count
    taken = 0
    while len(world.to_client):
        taken += world.client.receive(world.to_client)
    assert taken == waiting
    assert all(one.outcome == "OK" for one in world.client.memory.transfers.values())
    world.settle()
    check_end(world)
    check_ledgers(world)
