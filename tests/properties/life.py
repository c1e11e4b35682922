"""Two shards that do their periodic work, and what must be true of them after every step."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from swpt_accounts import events as out
from swpt_accounts.rules.accounts import Account, balance_at
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.deciding import answer_waiting, decide
from swpt_accounts.rules.facts import AccountKey, CreditKey, Entry, Facts, RequestKey
from swpt_accounts.rules.policy import Periods
from swpt_accounts.rules.upkeep import announce_pending, remind, tend
from swpt_accounts.wire.messages import Message, PendingBalanceChange
from swpt_accounts.wire.moments import Moment
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID
from tests.backstage.builders import DAY, NOW, currency

from .world import Auditor, Shard, World

LONGEST_WAY: Final = 14 * DAY
"""INTERNAL_MAX_DELAY: later no credit arrives for the first time."""


class Totals:
    """The journals of all shards, added up: what every account must hold, and what is on its way."""

    def __init__(self) -> None:
        self.principals: Counter[AccountKey] = Counter()
        self.halves: Counter[tuple[int, int, int, str]] = Counter()

    def enter(self, entry: Entry) -> None:
        """Add the sides of a transfer that this shard knows."""
        sides = (
            (entry.sender_principal, entry.sender_creditor_id, -entry.amount, "sender"),
            (entry.recipient_principal, entry.recipient_creditor_id, entry.amount, "recipient"),
        )
        for principal, creditor_id, amount, side in sides:
            if principal is not None:
                self.principals[entry.debtor_id, creditor_id] += amount
                if entry.coordinator_type not in ("interest", "delete"):
                    self.halves[entry.debtor_id, entry.sender_creditor_id, entry.transfer_id, side] += 1


class LivingShard(Shard):
    """A shard that does all its periodic work; no model runs beside it, but every step is judged."""

    def __init__(self, binding_key: str, totals: Totals) -> None:
        super().__init__(binding_key)
        self.totals = totals
        self.created: dict[AccountKey, Moment] = {}
        self.applied: set[CreditKey] = set()
        self.latest: Moment = NOW
        self.deletions = self.purges = self.revivals = self.interest_payments = 0

    # -- steps ---------------------------------------------------------------------------------

    def run(self, batch: Sequence[Message], now: Moment, foreign: set[AccountKey]) -> list[out.Event]:
        """Process a batch of messages."""
        book = Book(self._gather(batch, now, foreign))
        for message in batch:
            decide(book, message)
        return self._keep(book, dust=0)

    def hear(self, answers: Mapping[RequestKey, bool], now: Moment) -> list[out.Event]:
        """Go on with requests that have waited for the other shard."""
        book = self._book(now)
        for key, says_yes in answers.items():
            answer_waiting(book, self.waiting.pop(key), is_reachable=says_yes)
        return self._keep(book, dust=0)

    def tend(self, now: Moment, periods: Periods, most: int) -> list[out.Event]:
        """A step of the chore: the accounts in their order, `most` of them in one transaction."""
        events: list[out.Event] = []
        keys = sorted(self.accounts)
        for start in range(0, len(keys), most):
            book = self._book(now)
            for key in keys[start : start + most]:
                tend(book, key, periods)
            events += self._keep(book, periods.deletion_dust_amount)
        return events

    def remind(self, now: Moment, periods: Periods) -> list[out.Event]:
        """Announce prepared transfers again."""
        book = self._book(now)
        for key in sorted(self.prepared):
            remind(book, key, periods)
        self.prepared |= {key: book.prepared[key] for key in book.reminded_transfers}
        return self._keep(book, dust=0)

    def announce(self, now: Moment) -> list[out.Event]:
        """Announce changed balances that are due."""
        book = self._book(now)
        for key in sorted(self.accounts):
            announce_pending(book, key)
        return self._keep(book, dust=0)

    def clean(self, now: Moment) -> None:
        """Forget credits of which no duplicate can be applied."""
        old = now - self.policy.credit_safe_age - DAY
        self.credits = {key: credit for key, credit in self.credits.items() if credit.committed_at >= old}

    def _book(self, now: Moment) -> Book:
        facts = Facts(
            now=now,
            policy=self.policy,
            accounts=dict(self.accounts),
            prepared=dict(self.prepared),
            currencies=dict(self.currencies),
            incoming=self._awaited(now),
        )
        return Book(facts)

    def _awaited(self, now: Moment) -> set[AccountKey]:
        return {(p.debtor_id, p.recipient_creditor_id) for p in self.prepared.values() if p.deadline >= now}

    # -- what a step leaves --------------------------------------------------------------------

    def _keep(self, book: Book, dust: int) -> list[out.Event]:
        before = dict(self.accounts)
        self.latest = max(self.latest, book.now)
        for key in book.purged_accounts:
            self._check_purge(before[key], book.now)
            del self.accounts[key]
            if key[1] == ROOT_CREDITOR_ID:
                del self.currencies[key[0]]
        for account in book.created_accounts():
            self._check_creation(account)
            self.accounts[account.debtor_id, account.creditor_id] = account
            if account.is_root:
                self.currencies[account.debtor_id] = currency()
        for old, new in book.changed_accounts():
            self._check_change(old, new, book, dust)
            self.accounts[new.debtor_id, new.creditor_id] = new
        self.waiting |= book.new_waiting
        self._balance(book)
        for transfer in book.removed_transfers:
            del self.prepared[transfer]
        self.prepared |= book.new_transfers
        self.credits |= book.new_credits
        self.applied |= book.new_credits.keys()
        self.currencies |= {debtor: currency(data) for debtor, data in book.root_configurations.items()}
        for refused in book.refused_credits:
            message = refused.message
            key3 = message.debtor_id, message.other_creditor_id, message.change_id
            assert key3 in self.applied, "only what was applied long ago is too old"
        for entry in book.entries:
            self.totals.enter(entry)
            self.interest_payments += entry.coordinator_type == "interest"
        self._check_state()
        return book.events

    def _check_change(self, old: Account, new: Account, book: Book, dust: int) -> None:
        assert new.created_at == old.created_at
        assert new.last_change_ts >= old.last_change_ts, "V8"
        assert new.last_interest_rate_change_ts >= old.last_interest_rate_change_ts, "V8"
        assert new.last_transfer_id >= old.last_transfer_id
        assert new.last_transfer_number >= old.last_transfer_number
        if new.is_deleted and not old.is_deleted:
            self.deletions += 1
            self._check_deletion(old, book, dust)
        if new.last_capitalization_ts != old.last_capitalization_ts and not new.is_deleted:
            assert balance_at(new, book.now) == balance_at(old, book.now), "interest is paid, and not made"
            assert 0.0 <= new.interest <= 1.0
        self.revivals += old.is_deleted and not new.is_deleted

    def _check_deletion(self, old: Account, book: Book, dust: int) -> None:
        """Nothing that matters to the owner is ever taken away."""
        now = book.now
        if old.is_root:
            # Those who left before it, in the same transaction, may have made it empty.
            paid = sum(
                entry.amount * ((entry.recipient_creditor_id == 0) - (entry.sender_creditor_id == 0))
                for entry in book.entries
                if entry.debtor_id == old.debtor_id
            )
            assert old.principal + paid == 0, "only an empty root account is deleted"
        else:
            assert balance_at(old, now) <= max(old.negligible_amount, dust), "money that matters is lost"
        assert old.config_flags & 1
        assert old.pending_transfers_count == 0
        assert (old.debtor_id, old.creditor_id) not in self._awaited(now), "a transfer to it can be committed"
        assert now - old.last_config_applied_at >= 7 * DAY
        assert now - old.created_at >= DAY

    def _check_purge(self, old: Account, now: Moment) -> None:
        self.purges += 1
        assert old.is_deleted
        assert now - old.last_change_ts > 106 * DAY
        assert (old.debtor_id, old.creditor_id) not in self._awaited(now)

    def _check_creation(self, account: Account) -> None:
        key = account.debtor_id, account.creditor_id
        assert self.realm.owns(*key)
        if key in self.created:
            assert account.created_at // DAY > self.created[key] // DAY, "a later creation date"
        self.created[key] = account.created_at

    def _check_state(self) -> None:
        """V1, V2, V5, V6, V7, and that the journal explains every principal."""
        prepared = defaultdict(list)
        for transfer in self.prepared.values():
            prepared[transfer.debtor_id, transfer.creditor_id].append(transfer)
        assert prepared.keys() <= self.accounts.keys()
        for key, account in self.accounts.items():
            mine = prepared[key]
            assert account.total_locked_amount == sum(p.locked_amount for p in mine), "V1"
            assert account.pending_transfers_count == len(mine), "V2"
            if account.is_deleted:
                assert (account.principal, account.interest, len(mine)) == (0, 0.0, 0), "V5"
            assert all(p.transfer_id <= account.last_transfer_id for p in mine), "V6"
            if account.is_root:
                assert (account.interest_rate, account.last_transfer_number) == (0.0, 0), "V7"
            assert account.principal == self.totals.principals[key]
        owned = {key for key in self.totals.principals if self.realm.owns(*key)}
        assert not any(self.totals.principals[key] for key in owned - self.accounts.keys())


class LifeAuditor(Auditor):
    """Also sees that no transfer id names two transfers, and that nobody speaks after a purge."""

    def __init__(self) -> None:
        super().__init__()
        self.purged: dict[AccountKey, str] = {}

    def see(self, event: out.Event) -> None:
        """Judge an event by all that were seen before."""
        if isinstance(event, out.PreparedTransfer):
            known = self.transfers.get((event.debtor_id, event.creditor_id, event.transfer_id))
            assert known is None or msgspec.structs.replace(known, ts=event.ts) == event, "ids never repeat"
        elif isinstance(event, out.AccountPurge):
            self.purged[event.debtor_id, event.creditor_id] = event.creation_date
        elif isinstance(event, out.AccountUpdate | out.AccountTransfer):
            last = self.purged.get((event.debtor_id, event.creditor_id), "")
            assert event.creation_date > last, "purged for good"
        super().see(event)


class Life(World):
    """The world, with two living shards."""

    def __init__(self) -> None:
        super().__init__()
        self.totals = Totals()
        self.living = [LivingShard("0.#", self.totals), LivingShard("1.#", self.totals)]
        self.shards = [*self.living]
        self.auditor = LifeAuditor()
        self.changes: dict[CreditKey, PendingBalanceChange] = {}

    def emit(self, events: Iterable[out.Event]) -> None:
        """Remember the credits that are on their way."""
        sent = len(self.to_shards)
        super().emit(events)
        for message in self.to_shards[sent:]:
            assert isinstance(message, PendingBalanceChange)
            key = message.debtor_id, message.other_creditor_id, message.change_id
            assert key not in self.changes, "change ids never repeat"
            self.changes[key] = message

    def move_clock(self, jump: int) -> None:
        """Move the clock; credits that would come later than they may come now."""
        self.now += jump
        self.latest = max(self.latest, self.now)
        late = [
            message
            for message in self.to_shards
            if isinstance(message, PendingBalanceChange) and message.committed_at < self.now - LONGEST_WAY
        ]
        self.now -= jump
        if late:
            self.deliver(late)
        self.now += jump

    def tend(self, periods: Periods, most: int = 1000) -> None:
        """All accounts of both shards are tended."""
        for shard in self.living:
            self.emit(shard.tend(self.now, periods, most))
        self.balance()

    def housekeep(self, periods: Periods) -> None:
        """All other periodic work."""
        for shard in self.living:
            self.emit(shard.remind(self.now, periods))
            self.emit(shard.announce(self.now))
            shard.clean(self.now)

    def announce_updates(self) -> None:
        """Pending updates leave when they are due."""
        for shard in self.living:
            self.emit(shard.announce(self.now))

    def balance(self) -> None:
        """V3: the principals and the credits on their way add up to zero, currency by currency."""
        sums: Counter[int] = Counter()
        applied = set().union(*(shard.applied for shard in self.living))
        for shard in self.living:
            for account in shard.accounts.values():
                sums[account.debtor_id] += account.principal
                assert not account.is_overflown
        for key, message in self.changes.items():
            if key not in applied:
                sums[message.debtor_id] += message.principal_delta
        assert not any(sums.values()), sums

    def audit(self) -> None:
        """When nothing is on its way, every commit has been booked once on both sides."""
        assert not [m for m in self.to_shards if isinstance(m, PendingBalanceChange)]
        assert self.changes.keys() == set().union(*(shard.applied for shard in self.living))
        self.balance()
        expected = Counter(
            {(*name, side): 1 for name in self.auditor.committed for side in ("sender", "recipient")}
        )
        assert self.totals.halves == expected
