"""Money is conserved, whatever the network, the clock and the clients do.

Programs of random wishes, configurations, deliveries, clock jumps and periodic work run on two
shards.  Every batch is compared with a naive model of the rules, and at the end,
when everything has arrived, the books have to balance.
"""

from copy import deepcopy
from itertools import permutations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from swpt_accounts.events import AccountUpdate, Event
from swpt_accounts.rules.accounts import replace
from swpt_accounts.wire.messages import ConfigureAccount, FinalizeTransfer, Message, PrepareTransfer
from swpt_accounts.wire.moments import T_FAR
from swpt_accounts.wire.numbers import MAX_DELAY, MAX_INT64, u64
from tests.backstage.builders import (
    AGENT_ALICE,
    AGENT_BOB,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    SECOND,
    configure,
    credit,
    finalize,
    request,
)

from .world import Shard, World

DEBTORS = [1, 2]
CREDITORS = [0, 1001, 1002, 1003, AGENT_ALICE, AGENT_BOB]
ROOT_CONFIGS = [
    "",
    '{"rate":100}',
    '{"rate":-50.0,"info":{"iri":"x"}}',
    '{"limit":900,"rate":7.5}',
    "nonsense",
]
JUMPS = [1, SECOND, MINUTE, HOUR, DAY, 3 * DAY, 9 * DAY, -SECOND, -HOUR]

debtors = st.sampled_from(DEBTORS)
creditors = st.sampled_from(CREDITORS)
parties = st.sampled_from([*permutations(CREDITORS, 2), (0, 0), (1001, 1001)])
amounts = st.one_of(
    st.integers(0, 300),
    st.integers(0, 1200),
    st.sampled_from([10**11, 2**53 + 1, 2**59, MAX_INT64 // 2, MAX_INT64]),
)
picks = st.lists(st.integers(0, 10**6), min_size=1, max_size=12)
copies = st.integers(1, 3)


def _kind(parties: tuple[int, int], special: bool) -> str:
    """The coordinator type of a transfer between these two."""
    if parties[0] == 0:
        return "issuing"
    if special and set(parties) == {AGENT_ALICE, AGENT_BOB}:
        return "agent"
    return "exotic" if special else "direct"


class Chaos(RuleBasedStateMachine):
    """A currency of two shards under everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.requests = 0

    @initialize(
        fortune=st.sampled_from([1000, 10**12, 2**60]), config_data=st.sampled_from(ROOT_CONFIGS[:-1])
    )
    def issue(self, fortune: int, config_data: str) -> None:
        """The customers of two currencies start with some money, but the last one with nothing."""
        for debtor_id in DEBTORS:
            self._configure(debtor_id, 0, negligible_amount=1e30, config_data=config_data)
        self._deliver_all()
        for debtor_id in DEBTORS:
            for creditor_id in CREDITORS[1:]:
                self._configure(debtor_id, creditor_id)
        self._deliver_all()
        for debtor_id in DEBTORS:
            for creditor_id in CREDITORS[1:-1]:
                self._want(debtor_id, 0, creditor_id, "issuing", 0, fortune, MAX_DELAY, T_FAR)
        self._deliver_all()
        for name in self.world.client.undecided():
            self.world.client.decide(name, 900 if "900" in config_data else fortune, "issued", self.world.now)
        self._deliver_all()

    # -- what clients send --

    def _configure(self, debtor_id: int, creditor_id: int, **fields: Any) -> None:
        values: dict[str, Any] = {
            "debtor_id": debtor_id,
            "creditor_id": creditor_id,
            "negligible_amount": 0.0,
            "config_flags": 0,
            "config_data": "",
            "ts": self.world.now,
            "seqnum": 0,
        }
        self.world.to_shards.append(ConfigureAccount(**(values | fields)))

    @rule(
        debtor_id=debtors,
        creditor_id=creditors,
        negligible_amount=st.sampled_from([0.0, 0.5, 40.0, 1e30]),
        flags=st.sampled_from([0, 0, 1, -2]),
        age=st.sampled_from([0, 0, 0, 1, HOUR, 9 * DAY, -DAY]),
        seqnum=st.integers(-2, 2),
        times=copies,
    )
    def configure(
        self,
        debtor_id: int,
        creditor_id: int,
        negligible_amount: float,
        flags: int,
        age: int,
        seqnum: int,
        times: int,
    ) -> None:
        """An owner changes the configuration."""
        for _ in range(times):
            self._configure(
                debtor_id,
                creditor_id,
                negligible_amount=1e30 if creditor_id == 0 else negligible_amount,
                config_flags=flags,
                ts=self.world.now - age,
                seqnum=seqnum,
            )

    @rule(debtor_id=debtors, creditor_id=st.sampled_from([0, 0, 0, 1001]), data=st.sampled_from(ROOT_CONFIGS))
    def set_currency(self, debtor_id: int, creditor_id: int, data: str) -> None:
        """A debtor changes rate, limit and info."""
        self._configure(debtor_id, creditor_id, config_data=data, negligible_amount=1e30)

    def _want(
        self,
        debtor_id: int,
        creditor_id: int,
        recipient_id: int,
        kind: str,
        minimum: int,
        maximum: int,
        delay: int,
        final: int,
    ) -> PrepareTransfer:
        self.requests += 1
        wanted = PrepareTransfer(
            debtor_id=debtor_id,
            creditor_id=creditor_id,
            coordinator_type=kind,
            coordinator_id=debtor_id if kind == "issuing" else creditor_id,
            coordinator_request_id=self.requests,
            min_locked_amount=min(minimum, maximum),
            max_locked_amount=max(minimum, maximum),
            recipient=str(u64(recipient_id)),
            final_interest_rate_ts=final,
            max_commit_delay=delay,
            ts=self.world.now,
        )
        self.world.client.want(wanted)
        return wanted

    @rule(
        debtor_id=debtors,
        parties=parties,
        minimum=st.one_of(st.just(0), st.just(0), amounts),
        maximum=amounts,
        delay=st.sampled_from([MAX_DELAY, MAX_DELAY, 86400, 0]),
        final=st.sampled_from([T_FAR, T_FAR, NOW, 0]),
        special=st.booleans(),
        times=copies,
    )
    def want(
        self,
        debtor_id: int,
        parties: tuple[int, int],
        minimum: int,
        maximum: int,
        delay: int,
        final: int,
        special: bool,
        times: int,
    ) -> None:
        """Somebody wants a transfer."""
        kind = _kind(parties, special)
        wanted = self._want(debtor_id, *parties, kind, minimum, maximum, delay, final)
        self.world.to_shards.extend([wanted] * (times - 1))

    @rule(debtor_id=debtors, parties=parties, lock=amounts, amount=amounts, age=st.sampled_from(JUMPS))
    def pay(self, debtor_id: int, parties: tuple[int, int], lock: int, amount: int, age: int) -> None:
        """Somebody wants a transfer, gets it prepared, and commits a while later."""
        wanted = self._want(debtor_id, *parties, _kind(parties, True), 0, lock, MAX_DELAY, T_FAR)
        self._deliver_all()
        name = wanted.coordinator_type, wanted.coordinator_id, wanted.coordinator_request_id
        self.world.move_clock(age)
        if name in self.world.client.undecided():
            self.world.client.decide(name, amount, "paid", self.world.now)

    @precondition(lambda self: self.world.client.undecided())
    @rule(pick=st.integers(0, 10**6), amount=st.one_of(st.none(), amounts), times=copies)
    def decide(self, pick: int, amount: int | None, times: int) -> None:
        """The client commits (by default what is locked at most) or dismisses."""
        names = self.world.client.undecided()
        name = names[pick % len(names)]
        record = self.world.client.records[name]
        chosen = record.request.max_locked_amount if amount is None else amount
        self.world.client.decide(name, chosen, "note", self.world.now)
        decision = self.world.client.records[name].decision
        assert decision is not None
        self.world.to_shards.extend([decision] * (times - 1))

    @precondition(lambda self: any(shard.prepared for shard in self.world.shards))
    @rule(
        pick=st.integers(0, 10**6),
        amount=amounts,
        twist=st.sampled_from([{}, {"coordinator_request_id": 0}, {"coordinator_id": 5}, {"transfer_id": 1}]),
    )
    def meddle(self, pick: int, amount: int, twist: dict[str, int]) -> None:
        """A client that knows no rules finalizes somebody's transfer."""
        transfers = [p for shard in self.world.shards for p in shard.prepared.values()]
        transfer = transfers[pick % len(transfers)]
        self.world.commits.add((transfer.debtor_id, transfer.creditor_id, transfer.transfer_id))
        message: FinalizeTransfer = replace(finalize(transfer, amount), **twist)
        self.world.to_shards.append(message)

    @precondition(lambda self: self.world.client.records)
    @rule(pick=st.integers(0, 10**6))
    def repeat_request(self, pick: int) -> None:
        """The client asks again, since no answer has come for a while."""
        records = self.world.client.records
        record = records[sorted(records)[pick % len(records)]]
        if record.status == "initiated":
            self.world.to_shards.append(replace(record.request, ts=self.world.now))

    # -- what the network does --

    def _deliver_all(self) -> None:
        world = self.world
        batch, world.to_shards[:] = list(world.to_shards), []
        world.deliver(batch)
        world.ask_all()
        for event in world.to_client:
            world.client.hear(event, world.now)
        world.to_client.clear()

    @precondition(lambda self: self.world.to_shards)
    @rule(chosen=picks, again=st.integers(0, 7))
    def deliver(self, chosen: list[int], again: int) -> None:
        """Some messages arrive in a batch, in any order; some of them will arrive again."""
        world = self.world
        batch: list[Message] = []
        for number, pick in enumerate(chosen):
            if world.to_shards:
                index = pick % len(world.to_shards)
                message = world.to_shards[index] if number == again else world.to_shards.pop(index)
                batch.append(message)
        world.deliver(batch)

    @precondition(lambda self: self.world.to_shards)
    @rule()
    def deliver_all(self) -> None:
        """Everything arrives at once."""
        self._deliver_all()

    @precondition(lambda self: any(shard.waiting for shard in self.world.shards))
    @rule(chosen=picks)
    def hear_from_other_shards(self, chosen: list[int]) -> None:
        """The shards of some recipients answer (behaviour 70)."""
        self.world.ask(chosen)

    @precondition(lambda self: self.world.to_client)
    @rule(chosen=picks, again=st.integers(0, 7))
    def answer(self, chosen: list[int], again: int) -> None:
        """Some answers reach the client, in any order, some of them not for the last time."""
        world = self.world
        for number, pick in enumerate(chosen):
            if world.to_client:
                index = pick % len(world.to_client)
                event = world.to_client[index] if number == again else world.to_client.pop(index)
                world.client.hear(event, world.now)

    # -- what time does --

    @rule(jump=st.sampled_from(JUMPS))
    def move_clock(self, jump: int) -> None:
        """Time passes, or the clock is set back."""
        self.world.move_clock(jump)

    @rule()
    def announce_updates(self) -> None:
        """Pending updates leave when they are due."""
        self.world.announce_updates()

    @rule()
    def propagate(self) -> None:
        """The settings of the currencies reach their accounts."""
        self.world.propagate()

    @rule()
    def capitalize(self) -> None:
        """Interest is paid where it is worth it."""
        self.world.capitalize()

    @rule()
    def delete(self) -> None:
        """Accounts that are scheduled for it, and hold nothing that matters, are deleted."""
        self.world.delete()

    @rule(debtor_id=debtors, creditor_id=st.sampled_from([0, 1003, AGENT_BOB, AGENT_BOB]))
    def abandon(self, debtor_id: int, creditor_id: int) -> None:
        """An owner schedules an account for deletion, and waits long enough."""
        self._configure(debtor_id, creditor_id, config_flags=1, negligible_amount=1e30)
        self._deliver_all()
        self.world.move_clock(9 * DAY)
        self.world.delete()

    def teardown(self) -> None:
        """When everything has arrived, the books balance."""
        self.world.quiesce()
        self.world.audit()


TestChaos = Chaos.TestCase
TestChaos.settings = settings(stateful_step_count=40)


# -- batches -----------------------------------------------------------------------------------

# Debtor 1 on one shard: who has a transfer prepared to whom, how much is locked, and since when.
# AGENT_BOB does not exist yet.
LOCKS = [
    (1001, 1002, 100, 0),
    (1001, 1003, 50, DAY),
    (1001, 0, 0, HOUR),
    (1002, 1001, 10, 0),
    (0, 1001, 500, DAY),
    (AGENT_ALICE, AGENT_BOB, 30, 0),
    (AGENT_ALICE, AGENT_BOB, 30, SECOND),
]


def _request(sender: int, recipient: int, number: int, amounts: tuple[int, int]) -> PrepareTransfer:
    kinds = {0: "issuing", AGENT_ALICE: "agent"}
    return request(
        sender,
        recipient,
        debtor_id=1,
        coordinator_type=kinds.get(sender, "direct"),
        coordinator_id=1 if sender == 0 else sender,
        coordinator_request_id=number,
        min_locked_amount=min(amounts),
        max_locked_amount=max(amounts),
    )


def _shard_with_locks() -> Shard:
    """A shard where some customers have 200 each, and seven transfers are prepared."""
    shard = Shard("#")
    for creditor_id in (0, 1001, 1002, 1003, AGENT_ALICE):
        amount = 1e30 if creditor_id == 0 else 5.0
        shard.run(
            [configure(creditor_id, debtor_id=1, negligible_amount=amount, ts=NOW - DAY)], NOW - DAY, set()
        )
    for creditor_id in (1001, 1002, AGENT_ALICE):
        shard.run([_request(0, creditor_id, 100, (200, 200))], NOW - DAY, set())
        (transfer,) = shard.prepared.values()
        shard.run([finalize(transfer, 200)], NOW - DAY, set())
    for number, (sender, recipient, lock, age) in enumerate(LOCKS):
        shard.run([_request(sender, recipient, number, (lock, lock))], NOW - age, set())
    assert len(shard.prepared) == len(LOCKS)
    return shard


SHARD = _shard_with_locks()
TRANSFERS = list(SHARD.prepared.values())

small = st.integers(0, 120)
customers = st.sampled_from([0, 1001, 1002, 1003, AGENT_ALICE, AGENT_BOB])
messages = st.one_of(
    st.builds(finalize, st.sampled_from(TRANSFERS), small),
    st.builds(_request, customers, customers, st.integers(0, 8), st.tuples(small, small)),
    st.builds(
        configure,
        customers,
        debtor_id=st.just(1),
        config_flags=st.sampled_from([0, 1]),
        config_data=st.sampled_from(["", "", '{"limit":600,"rate":9.5}']),
        negligible_amount=st.sampled_from([0.0, 50.0, 1e30]),
        seqnum=st.integers(1, 9),
    ),
    st.builds(
        credit,
        customers,
        st.sampled_from([5, 50, -20]),
        debtor_id=st.just(1),
        change_id=st.integers(1, 4),
        committed_at=st.sampled_from([NOW, NOW - DAY]),
    ),
)


@given(batch=st.lists(messages, max_size=25))
def test_a_batch_does_what_its_messages_do_one_by_one(batch: list[Message]):
    """With the same moment, only the numbers of runs of credits and commits may differ (S7)."""
    together, apart = deepcopy(SHARD), deepcopy(SHARD)
    events = together.run(batch, NOW, set())
    singles = [event for message in batch for event in apart.run([message], NOW, set())]

    assert _numberless(events) == _numberless(singles)
    assert together.prepared == apart.prepared
    assert together.currencies == apart.currencies
    assert together.accounts.keys() == apart.accounts.keys()
    for key, account in together.accounts.items():
        twin = apart.accounts[key]
        assert replace(account, last_change_seqnum=twin.last_change_seqnum) == twin


def _numberless(events: list[Event]) -> list[Event]:
    """The events in their order, without what S7 leaves open."""
    return [replace(e, last_change_seqnum=0) if isinstance(e, AccountUpdate) else e for e in events]
