"""Small worlds in memory: a network that loses, doubles and shuffles, between a client and a server."""

import random

import pytest

from swpt_client.inputs import Begin, BeginBundle, Configure, Refusal, Sent
from swpt_client.messages import ClientMessage, ServerMessage
from swpt_client.moments import DAY, HOUR, MINUTE
from swpt_client.news import BundleFinished, TransferFinished
from swpt_client.policy import UnknownAccounts
from swpt_client.records import AccountKey, Decision, EntryKind, Leg, Request, Terms, Transfer

from .bench import DEBTOR, POLICY, SUBNET, Client
from .naive_server import NaiveServer

CREDITORS = [SUBNET + number for number in range(1, 6)]
LOST, DOUBLED = 0.1, 0.2
COUNT = 40
SINGLES = [str(number) for number in range(COUNT) if number % 4]
"""Of forty payments, three in four go alone, and one is a bundle."""


class World:
    """A client, a server, and what is on its way between them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.client = Client(POLICY)
        self.server = NaiveServer()
        self.to_server: list[ClientMessage] = []
        self.to_client: list[ServerMessage] = []
        self.news: list[object] = []

    def send(self) -> None:
        """The broker takes what is in the outbox; ten in a hundred messages get lost behind it."""
        reports = []
        for one in self.client.outbox:
            if one.ref is not None:
                reports.append(Sent(ref=one.ref, at=self.client.now))
            if self.dice.random() >= LOST:
                self.to_server += [one.message] * (2 if self.dice.random() < DOUBLED else 1)
        self.client.outbox.clear()
        self.client.feed(*reports)

    def step(self) -> None:
        """Some messages arrive, in any order, and some time passes."""
        if self.dice.random() < 0.7:
            self.send()
        for _ in range(self.dice.randrange(8)):
            if self.to_server:
                message = self.to_server.pop(self.dice.randrange(len(self.to_server)))
                for answer in self.server.take(message, self.client.now):
                    self.to_client += [answer] * (2 if self.dice.random() < DOUBLED else 1)
        self.dice.shuffle(self.to_client)
        batch = [self.to_client.pop() for _ in range(min(len(self.to_client), self.dice.randrange(8)))]
        self.client.feed(*batch)
        self.client.wait(self.dice.choice([0, 0, MINUTE, 10 * MINUTE]))
        self.news += self.client.hear()

    def insist(self, call: Begin | BeginBundle) -> None:
        """Call again while a ledger is behind, as an application would."""
        for _ in range(1000):
            answer = self.client.call(call)
            if not isinstance(answer, Refusal):
                return
            assert answer.code == "LEDGER_IS_BEHIND"
            self.step()
        raise AssertionError("a ledger stays behind")

    def settle(self) -> None:
        """Time passes until nothing is on its way any more."""
        for _ in range(60):
            for _ in range(40):
                self.step()
            self.to_client += self.server.remind(self.client.now)
            self.client.wait(DAY)
            self.news += self.client.hear()
        while self.to_client or self.to_server:
            self.step()


def request_of(sender: int, recipient: int, lock: int, **terms: int) -> Request:
    """Asks for a lock of exactly so much."""
    return Request(
        debtor_id=DEBTOR,
        creditor_id=sender,
        recipient=str(recipient),
        min_locked_amount=lock,
        max_locked_amount=lock,
        coordinator_type="direct" if sender else "issuing",
        coordinator_id=sender or DEBTOR,
        terms=Terms(**terms),
    )


def play(seed: int) -> World:
    """Accounts are opened, money is issued, many pay many, alone and in bundles."""
    world = World(seed)
    client, dice = world.client, world.dice
    client.feed(Configure(key=AccountKey(DEBTOR, 0), negligible_amount=1e30))
    for creditor in CREDITORS:
        negligible = dice.choice([0.0, 50.0])
        client.feed(Configure(key=AccountKey(DEBTOR, creditor), negligible_amount=negligible))
    for _ in range(30):
        world.step()
    for creditor in CREDITORS:
        decision = Decision(committed_amount=10_000)
        client.feed(
            Begin(key=f"issue {creditor}", request=request_of(0, creditor, 10_000), decision=decision)
        )
    for number in range(COUNT):
        sender, recipient = dice.sample(CREDITORS, 2)
        amount = dice.randrange(1, 6000)
        if number % 4:
            request = request_of(sender, recipient, 0, **dice.choice([{}, {"give_up_after": 1800}]))
            world.insist(Begin(key=str(number), request=request, decision=Decision(committed_amount=amount)))
        else:
            legs = tuple(leg_of(dice, *dice.sample(CREDITORS, 2)) for _ in range(dice.randrange(1, 4)))
            world.insist(BeginBundle(key=str(number), legs=legs, decide_within=dice.choice([600, 86400])))
        for _ in range(dice.randrange(4)):
            world.step()
    world.settle()
    return world


def leg_of(dice: random.Random, sender: int, recipient: int) -> Leg:
    """Some leave too short a time for a commit, so that they fail after the decision."""
    amount = dice.randrange(1, 6000)
    terms = dice.choice([{}, {"max_commit_delay": 1300}])
    return Leg(
        request=request_of(sender, recipient, amount + 2, **terms),
        committed_amount=amount,
        payback_creditor_id=dice.choice([None, recipient]),
        payback_recipient=str(sender),
    )


def paid(world: World, transfer: Transfer) -> int:
    """What the server has moved for a transfer, in how many decisions whatsoever."""
    return sum(
        one.committed_amount
        for one in world.server.committed
        if one.coordinator_request_id == transfer.coordinator_request_id
    )


@pytest.mark.parametrize("seed", range(10))
def test_a_world_ends_well(seed):
    """No transfer twice, no lock left, no bundle torn without an alarm, ledgers as the server has them."""
    world = play(seed)
    client, server = world.client, world.server
    assert server.prepared == {}
    for transfer in client.transfers.values():
        assert transfer.state in ("finished", "cancelled"), transfer
        moved = 0 if transfer.decision is None else transfer.decision.committed_amount
        if transfer.outcome == "OK":
            assert paid(world, transfer) == moved
        else:
            assert paid(world, transfer) == 0
    check_bundles(world)
    check_ledgers(world)
    told = [one.transfer.key for one in world.news if isinstance(one, TransferFinished)]
    assert sorted(told) == sorted([*(f"issue {one}" for one in CREDITORS), *SINGLES])


def check_bundles(world: World) -> None:
    """All of it, or nothing; else a person knows."""
    told = [one.bundle.key for one in world.news if isinstance(one, BundleFinished)]
    assert sorted(told) == sorted(world.client.bundles)
    for bundle in world.client.bundles.values():
        ours = [one for one in world.client.transfers.values() if one.bundle_key == bundle.key]
        there = sum(paid(world, one) for one in ours if ".back" not in one.key)
        back = sum(paid(world, one) for one in ours if ".back" in one.key)
        whole = sum(leg.committed_amount for leg in bundle.legs)
        if bundle.state == "done":
            assert (there, back) == (whole, 0)
        elif bundle.state in ("dismissed", "failed"):
            assert (there, back) == (0, 0)
        elif bundle.state == "reversed":
            assert 0 < there == back < whole
        else:
            assert bundle.state == "torn"
            assert bundle.is_alarming


def check_ledgers(world: World) -> None:
    """Every announced transfer in its order, and the principals of the server."""
    for key, journal in world.server.journal.items():
        entries = [one for one in world.client.entries if one.ledger.account == key]
        assert [one.transfer for one in entries if one.transfer is not None] == journal
        assert all(one.kind is not EntryKind.MISSING for one in entries)
        account = world.client.accounts[key]
        assert account.configuration.state == "effectual"
        assert account.ledger is not None
        assert account.data is not None
        assert account.ledger.behind_since is None
        assert account.data.principal == world.server.accounts[key].principal
    total = sum(one.principal for one in world.server.accounts.values())
    assert total == 0


def test_a_client_that_has_lost_everything_recovers():
    """It adopts its accounts from the heartbeats, and reminders free what it has forgotten."""
    world = World(1)
    client = world.client
    for creditor in (0, *CREDITORS[:2]):
        client.feed(
            Configure(key=AccountKey(DEBTOR, creditor), negligible_amount=1e30 if not creditor else 0.0)
        )
    for _ in range(60):
        world.step()
    decision = Decision(committed_amount=500)
    client.feed(Begin(key="issue", request=request_of(0, CREDITORS[0], 500), decision=decision))
    for _ in range(60):
        world.step()
    client.feed(Begin(key="forgotten", request=request_of(CREDITORS[0], CREDITORS[1], 400)))
    for _ in range(60):
        world.step()
    assert len(world.server.prepared) == 1
    policy = type(POLICY)(subnet=SUBNET, debtor_ids=POLICY.debtor_ids, unknown_accounts=UnknownAccounts.ADOPT)
    world.client = Client(policy, now=client.now + HOUR)
    world.to_client.clear()
    for _ in range(5):
        world.to_client += world.server.remind(world.client.now)
        for _ in range(20):
            world.step()
    assert world.server.prepared == {}
    assert world.client.accounts.keys() == client.accounts.keys()
    world.client.wait(15 * DAY)
    ledger = world.client.accounts[AccountKey(DEBTOR, CREDITORS[0])].ledger
    assert ledger is not None
    assert ledger.principal == 500
