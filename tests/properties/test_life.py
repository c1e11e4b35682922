"""The race of deletion: whatever comes late, twice or not at all, no money that matters is lost."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from swpt_accounts.rules.accounts import balance_at
from swpt_accounts.wire.messages import ConfigureAccount, Message, PrepareTransfer
from swpt_accounts.wire.moments import T_FAR
from swpt_accounts.wire.numbers import MAX_DELAY, u64
from tests.backstage.builders import AGENT_ALICE, AGENT_BOB, DAY, HOUR, PERIODS

from .life import Life

DEBTORS = [1, 2]
CREDITORS = [0, 1001, 1002, -7, AGENT_ALICE, AGENT_BOB]
RATES = ["", '{"rate":100}', '{"rate":-50}', '{"rate":7.5,"info":{"iri":"x"}}']
JUMPS = [HOUR, DAY, 3 * DAY, 8 * DAY, 15 * DAY, 40 * DAY, 92 * DAY, 110 * DAY, -HOUR]
TURNS = ("deletions", "revivals", "purges", "interest_payments")
DUSTY = msgspec.structs.replace(PERIODS, deletion_dust_amount=2)

debtors = st.sampled_from(DEBTORS)
creditors = st.sampled_from(CREDITORS)
picks = st.lists(st.integers(0, 10**6), min_size=1, max_size=12)
copies = st.integers(1, 2)

PROGRAMS: Counter[str] = Counter()
"""In how many programs each turn of fate has happened."""


class Lives(RuleBasedStateMachine):
    """Accounts are opened, used, scheduled, deleted, revived, purged and opened again."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.requests = 0

    @initialize(
        data=st.sampled_from(RATES),
        fortune=st.sampled_from([3, 1000, 10**9]),
        doomed=st.sets(st.tuples(debtors, creditors, st.sampled_from([0.0, 40.0, 1e30])), max_size=6),
    )
    def issue(self, data: str, fortune: int, doomed: set[tuple[int, int, float]]) -> None:
        """Two currencies whose customers have some money, but the last one nothing; some give up soon."""
        for debtor_id in DEBTORS:
            self._configure(debtor_id, 0, negligible_amount=1e30, config_data=data)
            for creditor_id in CREDITORS[1:]:
                self._configure(debtor_id, creditor_id)
        self._settle()
        for debtor_id in DEBTORS:
            for creditor_id in CREDITORS[1:-1]:
                self._want(debtor_id, 0, creditor_id, fortune, MAX_DELAY)
        self._settle()
        for name in self.life.client.undecided():
            self.life.client.decide(name, fortune, "", self.life.now)
        self._settle()
        for debtor_id, creditor_id, negligible_amount in sorted(doomed):
            self._configure(debtor_id, creditor_id, config_flags=1, negligible_amount=negligible_amount)
        self._settle()

    # -- what clients send --

    def _configure(self, debtor_id: int, creditor_id: int, **fields: Any) -> None:
        values: dict[str, Any] = {"negligible_amount": 0.0, "config_flags": 0, "config_data": ""}
        values |= {"ts": self.life.now, "seqnum": len(self.life.to_shards)}
        message = ConfigureAccount(debtor_id=debtor_id, creditor_id=creditor_id, **(values | fields))
        self.life.to_shards.append(message)

    @rule(
        debtor_id=debtors,
        creditor_id=creditors,
        negligible_amount=st.sampled_from([0.0, 0.5, 2.0, 40.0, 1e30]),
        flags=st.sampled_from([0, 1, 1]),
        age=st.sampled_from([0, 0, HOUR, 6 * DAY, 9 * DAY]),
        times=copies,
    )
    def configure(
        self, debtor_id: int, creditor_id: int, negligible_amount: float, flags: int, age: int, times: int
    ) -> None:
        """An owner opens, schedules or reopens an account; the message may be old, or come twice."""
        for _ in range(times):
            self._configure(
                debtor_id,
                creditor_id,
                negligible_amount=negligible_amount,
                config_flags=flags,
                ts=self.life.now - age,
            )

    @rule(debtor_id=debtors, data=st.sampled_from(RATES), flags=st.sampled_from([0, 0, 1]))
    def set_currency(self, debtor_id: int, data: str, flags: int) -> None:
        """An issuer changes the rate, or gives up."""
        self._configure(debtor_id, 0, config_data=data, negligible_amount=1e30, config_flags=flags)

    def _want(self, debtor_id: int, creditor_id: int, recipient_id: int, amount: int, delay: int) -> None:
        self.requests += 1
        is_agent = {creditor_id, recipient_id} == {AGENT_ALICE, AGENT_BOB}
        kind = "issuing" if creditor_id == 0 else "agent" if is_agent else "direct"
        self.life.client.want(
            PrepareTransfer(
                debtor_id=debtor_id,
                creditor_id=creditor_id,
                coordinator_type=kind,
                coordinator_id=debtor_id if creditor_id == 0 else creditor_id,
                coordinator_request_id=self.requests,
                min_locked_amount=0,
                max_locked_amount=amount,
                recipient=str(u64(recipient_id)),
                final_interest_rate_ts=T_FAR,
                max_commit_delay=delay,
                ts=self.life.now,
            )
        )

    @rule(
        debtor_id=debtors,
        creditor_id=creditors,
        recipient_id=creditors,
        amount=st.sampled_from([0, 1, 2, 3, 40, 1000]),
        delay=st.sampled_from([MAX_DELAY, 20 * 86400, 0]),
        is_delivered=st.booleans(),
    )
    def want(
        self, debtor_id: int, creditor_id: int, recipient_id: int, amount: int, delay: int, is_delivered: bool
    ) -> None:
        """Somebody wants a transfer."""
        self._want(debtor_id, creditor_id, recipient_id, amount, delay)
        if is_delivered:
            self._settle()

    @precondition(lambda self: self.life.client.undecided())
    @rule(pick=st.integers(0, 10**6), amount=st.sampled_from([None, 0, 1, 2, 40]), times=copies)
    def decide(self, pick: int, amount: int | None, times: int) -> None:
        """A client commits (by default what is locked at most) or dismisses, maybe long after."""
        names = self.life.client.undecided()
        name = names[pick % len(names)]
        record = self.life.client.records[name]
        chosen = record.request.max_locked_amount if amount is None else amount
        self.life.client.decide(name, chosen, "", self.life.now)
        assert record.decision is not None
        self.life.to_shards.extend([record.decision] * (times - 1))

    # -- what the network does --

    def _settle(self) -> None:
        life = self.life
        for _ in range(3):
            batch, life.to_shards[:] = list(life.to_shards), []
            life.deliver(batch)
            for answer in life.to_client:
                life.client.hear(answer, life.now)
            life.to_client.clear()

    @precondition(lambda self: self.life.to_shards)
    @rule(chosen=picks, again=st.integers(0, 7))
    def deliver(self, chosen: list[int], again: int) -> None:
        """Some messages arrive in a batch, in any order; one of them will arrive again."""
        batch: list[Message] = []
        waiting = self.life.to_shards
        for number, pick in enumerate(chosen):
            if waiting:
                index = pick % len(waiting)
                batch.append(waiting[index] if number == again else waiting.pop(index))
        self.life.deliver(batch)

    @rule()
    def settle(self) -> None:
        """Everything arrives."""
        self._settle()

    # -- what time does --

    @rule(jump=st.sampled_from(JUMPS))
    def move_clock(self, jump: int) -> None:
        """Days pass, or the clock is set back by an hour."""
        self.life.move_clock(jump)

    @rule(is_dusty=st.booleans(), most=st.sampled_from([1, 3, 1000]))
    def tend(self, is_dusty: bool, most: int) -> None:
        """All accounts are tended, some of them in one transaction."""
        self.life.tend(DUSTY if is_dusty else PERIODS, most)

    @rule()
    def housekeep(self) -> None:
        """Reminders, updates, cleaning."""
        self.life.housekeep(PERIODS)

    def _abandon(self, debtor_id: int, creditor_id: int, negligible_amount: float, waiting: int) -> None:
        self._configure(debtor_id, creditor_id, config_flags=1, negligible_amount=negligible_amount)
        self.life.deliver([self.life.to_shards.pop()])
        self.life.move_clock(waiting)
        self.life.tend(PERIODS)

    @rule(
        debtor_id=debtors,
        creditor_id=creditors,
        what=st.sampled_from(["nothing", "all but one", "everything", "anything"]),
        waiting=st.sampled_from([DAY, 6 * DAY, 8 * DAY, 20 * DAY]),
        is_purged=st.booleans(),
    )
    def abandon(self, debtor_id: int, creditor_id: int, what: str, waiting: int, is_purged: bool) -> None:
        """An owner gives up an account and what is on it, and waits; other messages stay on their way."""
        self._abandon(debtor_id, creditor_id, self._amount(debtor_id, creditor_id, what), waiting)
        if is_purged:
            self.life.move_clock(110 * DAY)
            self.life.tend(PERIODS)

    def _amount(self, debtor_id: int, creditor_id: int, what: str) -> float:
        """So much of the money on an account, as a negligible amount."""
        account = self.life.shard_of((debtor_id, creditor_id)).accounts.get((debtor_id, creditor_id))
        balance = 0 if account is None else max(0, balance_at(account, self.life.now))
        amounts = {"nothing": 0.0, "all but one": max(0, balance - 1), "everything": balance}
        return float(amounts.get(what, 1e30))

    @rule(
        debtor_id=debtors,
        parties=st.permutations(CREDITORS),
        amount=st.sampled_from([1, 2, 3]),
        waiting=st.sampled_from([HOUR, 85 * DAY, 100 * DAY]),
        is_committed=st.booleans(),
    )
    def commit_late(
        self, debtor_id: int, parties: list[int], amount: int, waiting: int, is_committed: bool
    ) -> None:
        """Money is promised to an owner who gives up; it arrives when the account may be gone."""
        sender_id, recipient_id, *_ = parties
        self._settle()
        self._want(debtor_id, sender_id, recipient_id, amount, MAX_DELAY)
        name = next(reversed(self.life.client.records))
        self._settle()
        self._abandon(debtor_id, recipient_id, 1e30, 8 * DAY)
        self.life.move_clock(waiting)
        self.life.tend(PERIODS)
        if is_committed and name in self.life.client.undecided():
            self.life.client.decide(name, amount, "", self.life.now)
            self._settle()
            self.life.tend(PERIODS)

    def end(self) -> Counter[str]:
        """After a quiet year the books balance, and every commit has moved its money once; what happened."""
        for days in (8, 20, 110, 230):
            self.life.move_clock(days * DAY)
            self.life.tend(PERIODS)
        self.life.quiesce()
        self.life.audit()
        return Counter({what: sum(getattr(shard, what) for shard in self.life.living) for what in TURNS})

    def teardown(self) -> None:
        """The end of a program."""
        for what in +self.end():
            event(what)
            PROGRAMS[what] += 1


def test_no_life_loses_money_that_matters():
    """Whatever happens in a program, the books are right; and in many of them accounts end and come back."""
    PROGRAMS.clear()
    # A program is quick, and much has to come together before something is lost.
    most = max(200, settings().max_examples)
    run_state_machine_as_test(Lives, settings=settings(stateful_step_count=40, max_examples=most))
    assert min(PROGRAMS[what] for what in TURNS) > most // 10, PROGRAMS


@pytest.mark.parametrize("debtor_id", DEBTORS)
def test_an_account_can_be_deleted_revived_and_purged(debtor_id):
    """The rules are enough for a whole life: deleted with money on it, revived, deleted again and purged."""
    lives = Lives()
    lives.issue(data='{"rate":100}', fortune=1000, doomed=set())
    lives.move_clock(jump=HOUR)
    alice = {"debtor_id": debtor_id, "creditor_id": 1001}
    lives.abandon(**alice, what="anything", waiting=8 * DAY, is_purged=False)
    assert sum(shard.deletions for shard in lives.life.living) == 1
    lives.configure(**alice, negligible_amount=0.0, flags=0, age=0, times=2)
    lives.settle()
    assert sum(shard.revivals for shard in lives.life.living) == 1
    lives.move_clock(jump=HOUR)
    lives.abandon(**alice, what="nothing", waiting=20 * DAY, is_purged=True)
    assert sum(shard.purges for shard in lives.life.living) == 1
    happened = lives.end()
    assert happened >= Counter(deletions=2, revivals=1, purges=1, interest_payments=1)
    assert (debtor_id, 1001) not in {key for shard in lives.life.living for key in shard.accounts}


@pytest.mark.parametrize("shards", [DEBTORS])
def test_the_currencies_cover_both_cases(shards):
    """Root accounts and customers are on the same shard, and on different ones."""
    life = Life()
    pairs = {(life.shard_of((d, 0)) is life.shard_of((d, c))) for d in shards for c in CREDITORS[1:]}
    assert pairs == {True, False}
