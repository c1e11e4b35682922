"""Two shards in memory, their clients, and a network that repeats, reorders and delays.

A `Shard` does with dictionaries what the procedures do with tables: it gathers the facts of a
batch, decides it in a book, and stores the results.  Beside it runs the naive model, one
message at a time, and after every batch both have to be in the same state.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from swpt_accounts import events as out
from swpt_accounts.rules import policy, upkeep
from swpt_accounts.rules.accounts import Account, replace
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.currency import Currency
from swpt_accounts.rules.deciding import answer_waiting, decide
from swpt_accounts.rules.facts import AccountKey, Credit, CreditKey, Entry, Facts, RequestKey, TransferKey
from swpt_accounts.rules.policy import Policy
from swpt_accounts.rules.transfers import PreparedTransfer, parse_recipient
from swpt_accounts.wire import messages
from swpt_accounts.wire.messages import FinalizeTransfer, Message, PendingBalanceChange, PrepareTransfer
from swpt_accounts.wire.moments import MICROSECONDS, Moment
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import DAY, NOW, currency

from .model import Model, Row

RequestName: TypeAlias = tuple[str, int, int]

# A run of finalizations and credits in one batch may share one number (rule S7).
NUMBER: Final = "last_change_seqnum"


class Shard:
    """One server with its database, watched by the model."""

    def __init__(self, binding_key: str) -> None:
        self.realm = Realm.parse(binding_key)
        self.policy = Policy(realm=self.realm)
        self.accounts: dict[AccountKey, Account] = {}
        self.prepared: dict[TransferKey, PreparedTransfer] = {}
        self.credits: dict[CreditKey, Credit] = {}
        self.waiting: dict[RequestKey, PrepareTransfer] = {}
        self.currencies: dict[int, Currency] = {}
        self.in_transit: Counter[int] = Counter()
        self.refused: list[str] = []
        self.payments: list[Entry] = []
        self.model = Model(self.realm)

    def accepts_transfers(self, key: AccountKey) -> bool:
        """What its HTTP interface answers to other shards."""
        account = self.accounts.get(key)
        is_open = account is not None and not account.is_deleted and account.config_flags % 2 == 0
        return key[1] == 0 or is_open

    def run(self, batch: Sequence[Message], now: Moment, foreign: set[AccountKey]) -> list[out.Event]:
        """Process a batch, and compare everything with the model that takes it in single steps.

        `foreign` are accounts of other shards that have said yes a moment ago.
        """
        book = Book(self._gather(batch, now, foreign))
        for message in batch:
            decide(book, message)
        expected = [event for message in batch for event in self.model.step(message, now, foreign)]
        return self._settle(book, expected, exact_numbers=len(batch) == 1)

    def hear(self, answers: Mapping[RequestKey, bool], now: Moment) -> list[out.Event]:
        """Go on with requests that have waited, by what the shards of their recipients say."""
        touched = {key[:2] for key in answers}
        accounts = {key: self.accounts[key] for key in touched if key in self.accounts}
        facts = Facts(now=now, policy=self.policy, accounts=accounts, currencies=dict(self.currencies))
        book = Book(facts)
        expected = []
        for key, says_yes in answers.items():
            answer_waiting(book, self.waiting.pop(key), is_reachable=says_yes)
            expected += self.model.answer(key, now, says_yes=says_yes)
        return self._settle(book, expected, exact_numbers=len(answers) == 1)

    def work(
        self,
        key: AccountKey,
        now: Moment,
        step: Callable[[Book, AccountKey], object],
        expected: list[Row],
        settings: Currency | None = None,
    ) -> list[out.Event]:
        """A step of periodic work on one account."""
        currencies = dict(self.currencies)
        if settings is not None:
            currencies[key[0]] = settings
        touched = [name for name in (key, (key[0], 0)) if name in self.accounts]
        awaited = {
            (p.debtor_id, p.recipient_creditor_id) for p in self.prepared.values() if p.deadline >= now
        }
        facts = Facts(
            now=now,
            policy=self.policy,
            accounts={name: self.accounts[name] for name in touched},
            currencies=currencies,
            incoming=awaited,
        )
        book = Book(facts)
        step(book, key)
        self.payments += book.entries
        return self._settle(book, expected, exact_numbers=True)

    def _gather(self, batch: Sequence[Message], now: Moment, foreign: set[AccountKey]) -> Facts:
        touched = {(m.debtor_id, m.creditor_id) for m in batch}
        transfers = {}
        for m in batch:
            if isinstance(m, FinalizeTransfer):
                key = m.debtor_id, m.creditor_id, m.transfer_id
                if key in self.prepared:
                    transfers[key] = self.prepared[key]
                    touched.add((m.debtor_id, self.prepared[key].recipient_creditor_id))
            elif isinstance(m, PrepareTransfer):
                transfers |= {key: p for key, p in self.prepared.items() if _name(p) == _name(m)}
        asked = {(m.debtor_id, parse_recipient(m.recipient)) for m in batch if isinstance(m, PrepareTransfer)}
        reachable = {key for key in asked - touched if key in self.accounts and self.accepts_transfers(key)}
        return Facts(
            now=now,
            policy=self.policy,
            accounts={key: self.accounts[key] for key in touched if key in self.accounts},
            prepared=transfers,
            reachable=reachable | foreign,
            currencies=dict(self.currencies),
            credits=dict(self.credits),
            waiting=dict(self.waiting),
        )

    def _settle(self, book: Book, expected: list[Row], *, exact_numbers: bool) -> list[out.Event]:
        for old, new in book.changed_accounts():
            assert new.last_change_ts >= old.last_change_ts, "V8"
            assert new.last_interest_rate_change_ts >= old.last_interest_rate_change_ts, "V8"
            assert new.last_transfer_id >= old.last_transfer_id
            self.accounts[new.debtor_id, new.creditor_id] = new
        for account in book.created_accounts():
            assert self.realm.owns(account.debtor_id, account.creditor_id)
            self.accounts[account.debtor_id, account.creditor_id] = account
            if account.is_root:
                self.currencies.setdefault(account.debtor_id, Currency())
        for key in book.removed_transfers:
            del self.prepared[key]
        self.prepared |= book.new_transfers
        self.credits |= book.new_credits
        self.waiting |= book.new_waiting
        self._balance(book)
        self.currencies |= {debtor: currency(data) for debtor, data in book.root_configurations.items()}
        self.refused += [refused.reason for refused in book.refused_credits]
        self._compare(book.events, expected, exact_numbers)
        return book.events

    def _balance(self, book: Book) -> None:
        """At every moment a shard's principals are what has come minus what has left (V3)."""
        for (debtor_id, _), amount in book.emitted_credits.items():
            self.in_transit[debtor_id] += amount
        for (debtor_id, _), amount in book.applied_credits.items():
            self.in_transit[debtor_id] -= amount
        accounts = self.accounts.values()
        for debtor_id in {account.debtor_id for account in accounts}:
            mine = [account for account in accounts if account.debtor_id == debtor_id]
            if not any(account.is_overflown for account in mine):
                assert sum(account.principal for account in mine) + self.in_transit[debtor_id] == 0, "V3"

    def _compare(self, events: list[out.Event], expected: list[Row], exact_numbers: bool) -> None:
        mine = [msgspec.to_builtins(event) for event in events]
        theirs = [dict(event) for event in expected]
        if not exact_numbers:
            for event in [*mine, *theirs]:
                event.pop(NUMBER, None)
        assert sorted(map(_sortable, mine)) == sorted(map(_sortable, theirs))
        assert self.accounts.keys() == self.model.accounts.keys()
        for key, account in self.accounts.items():
            self._compare_account(account, self.model.accounts[key], exact_numbers)
        assert {_terms(p) for p in self.prepared.values()} == {
            (
                *p["key"],
                p["transfer_id"],
                p["recipient_id"],
                p["locked_amount"],
                p["prepared_at"],
                p["deadline"],
            )
            for p in self.model.prepared.values()
        }
        registry = {(*key, *msgspec.structs.astuple(value)) for key, value in self.credits.items()}
        assert self.waiting == self.model.waiting
        assert registry == {(*key, *value) for key, value in self.model.registry.items()}
        assert self.refused == self.model.refused

    def _compare_account(self, account: Account, row: Row, exact_numbers: bool) -> None:
        state = msgspec.structs.asdict(account) | {"iri": account.debtor_info.iri}
        if not exact_numbers:
            # The next step goes on from the server's number.
            row[NUMBER] = state[NUMBER]
        assert {name: state[name] for name in row} == row


def _name(named: Any) -> tuple[int, int, str, int, int]:
    return (
        named.debtor_id,
        named.creditor_id,
        named.coordinator_type,
        named.coordinator_id,
        named.coordinator_request_id,
    )


def _terms(p: PreparedTransfer) -> tuple[object, ...]:
    return (*_name(p), p.transfer_id, p.recipient_creditor_id, p.locked_amount, p.prepared_at, p.deadline)


def _sortable(event: Row) -> list[tuple[str, str]]:
    return sorted((name, repr(value)) for name, value in event.items())


class Record(msgspec.Struct):
    """A running transfer record (protocol.rst#running-transfer-records)."""

    request: PrepareTransfer
    status: str = "initiated"
    transfer: tuple[int, int, int] | None = None
    decision: FinalizeTransfer | None = None


class Client:
    """A coordinator that keeps the rules of its table; the comments name their rows.

    See protocol.rst#running-transfer-records.
    """

    def __init__(self, send: Callable[[Message], None]) -> None:
        self._send = send
        self.records: dict[RequestName, Record] = {}
        self.outcomes: list[tuple[FinalizeTransfer, out.FinalizedTransfer]] = []

    def want(self, request: PrepareTransfer) -> None:
        self.records[_request_name(request)] = Record(request)  # 1
        self._send(request)

    def hear(self, event: out.CoordinatorEvent, now: Moment) -> None:
        name = _request_name(event)
        record = self.records.get(name)
        if isinstance(event, out.PreparedTransfer):
            self._hear_prepared(record, event, now)
        elif record is None:
            pass  # 4, 17
        elif isinstance(event, out.RejectedTransfer):
            if record.status == "initiated":
                del self.records[name]  # 5
        elif record.status == "settled" and record.transfer == _transfer_name(event):
            assert record.decision is not None
            self.outcomes.append((record.decision, event))  # 19
            del self.records[name]

    def _hear_prepared(self, record: Record | None, event: out.PreparedTransfer, now: Moment) -> None:
        if record is None:
            self._send(finalization(event, 0, now))  # 7
        elif record.status == "initiated":
            wanted = record.request
            if (event.debtor_id, event.creditor_id, event.recipient) != (
                wanted.debtor_id, wanted.creditor_id, wanted.recipient,
            ):  # fmt: skip
                self._send(finalization(event, 0, now))  # 8
                return
            assert wanted.min_locked_amount <= event.locked_amount <= wanted.max_locked_amount
            record.status, record.transfer = "prepared", _transfer_name(event)  # 10
            record.decision = finalization(event, 0, now)
        elif record.transfer != _transfer_name(event):
            self._send(finalization(event, 0, now))  # 12, 14
        elif record.status == "settled":
            assert record.decision is not None
            self._send(replace(record.decision, ts=now))  # 13

    def decide(self, name: RequestName, amount: int, note: str, now: Moment) -> None:
        record = self.records[name]
        assert record.decision is not None
        record.status = "settled"  # 15, 16
        record.decision = replace(
            record.decision, committed_amount=amount, transfer_note=note if amount else "", ts=now
        )
        self._send(record.decision)

    def undecided(self) -> list[RequestName]:
        return sorted(name for name, record in self.records.items() if record.status == "prepared")


def _request_name(named: PrepareTransfer | out.CoordinatorEvent) -> RequestName:
    return named.coordinator_type, named.coordinator_id, named.coordinator_request_id


def _transfer_name(event: out.PreparedTransfer | out.FinalizedTransfer) -> tuple[int, int, int]:
    return event.debtor_id, event.creditor_id, event.transfer_id


def finalization(event: out.PreparedTransfer, amount: int, now: Moment) -> FinalizeTransfer:
    """The answer to a PreparedTransfer: a commit, or with 0 a dismissal."""
    return FinalizeTransfer(
        debtor_id=event.debtor_id,
        creditor_id=event.creditor_id,
        transfer_id=event.transfer_id,
        coordinator_type=event.coordinator_type,
        coordinator_id=event.coordinator_id,
        coordinator_request_id=event.coordinator_request_id,
        committed_amount=amount,
        transfer_note="",
        transfer_note_format="",
        ts=now,
    )


class Auditor:
    """Sees all that the shards emit, and adds up on its own."""

    def __init__(self) -> None:
        self.transfers: dict[tuple[int, int, int], out.PreparedTransfer] = {}
        self.finalized: Counter[tuple[int, int, int]] = Counter()
        self.principals: Counter[AccountKey] = Counter()
        self.chains: dict[tuple[int, int, str], list[out.AccountTransfer]] = {}
        self.states: dict[tuple[object, ...], out.AccountUpdate] = {}
        self.committed: dict[tuple[int, int, int], out.FinalizedTransfer] = {}

    def see(self, event: out.Event) -> None:
        match event:
            case out.PreparedTransfer():
                self.transfers[_transfer_name(event)] = event
            case out.FinalizedTransfer():
                self._see_finalized(event)
            case out.AccountTransfer():
                chain = self.chains.setdefault((event.debtor_id, event.creditor_id, event.creation_date), [])
                assert event.transfer_number == len(chain) + 1, "V4"
                assert event.previous_transfer_number == len(chain)
                chain.append(event)
            case out.AccountUpdate():
                self._see_update(event)

    def _see_finalized(self, event: out.FinalizedTransfer) -> None:
        name = _transfer_name(event)
        self.finalized[name] += 1
        assert self.finalized[name] == 1, "one FinalizedTransfer for each prepared transfer"
        if event.committed_amount > 0:
            assert event.status_code == "OK"
            recipient_id = parse_recipient(self.transfers[name].recipient)
            assert recipient_id is not None
            self.principals[event.debtor_id, event.creditor_id] -= event.committed_amount
            self.principals[event.debtor_id, recipient_id] += event.committed_amount
            self.committed[name] = event

    def _see_update(self, event: out.AccountUpdate) -> None:
        account = event.debtor_id, event.creditor_id, event.creation_date
        # Equal triples mean equal states (behaviour 80).
        state = (*account, event.last_change_ts, event.last_change_seqnum)
        bare = replace(event, ts="", ttl=0)
        assert self.states.setdefault(state, bare) == bare
        # What was transferred last has been announced (behaviour 81).
        chain = self.chains.get(account, [])
        if event.last_transfer_number == 0:
            assert event.last_transfer_committed_at == "1970-01-01T00:00:00+00:00"
        else:
            assert event.last_transfer_committed_at == chain[event.last_transfer_number - 1].committed_at


PERIODS: Final = policy.Periods(
    heartbeat_interval=7 * DAY,
    reminder_interval=7 * DAY,
    capitalization_min_interval=2 * DAY,
    capitalization_min_ratio=0.0001,
    deletion_min_age=DAY,
    deletion_quiet_time=7 * DAY,
    deletion_retry_interval=14 * DAY,
    deletion_dust_amount=0,
    purge_delay=106 * DAY,
    purge_min_age=3 * DAY,
)


def _capitalize(book: Book, key: AccountKey) -> bool:
    return upkeep.capitalize(book, key, PERIODS)


def _delete(book: Book, key: AccountKey) -> bool:
    return upkeep.delete(book, key, PERIODS)


class World:
    """Two shards, one client, and everything that is on its way."""

    def __init__(self) -> None:
        self.now: Moment = NOW
        self.latest: Moment = NOW
        self.shards = [Shard("0.#"), Shard("1.#")]
        self.to_shards: list[Message] = []
        self.to_client: list[out.CoordinatorEvent] = []
        self.client = Client(self.to_shards.append)
        self.auditor = Auditor()
        self.commits: set[tuple[int, int, int]] = set()
        self.said_yes: dict[AccountKey, Moment] = {}

    def shard_of(self, key: AccountKey) -> Shard:
        return next(shard for shard in self.shards if shard.realm.owns(*key))

    def deliver(self, batch: Sequence[Message]) -> None:
        """Deliver messages, in this order, to the shards of their accounts: one batch each."""
        for shard in self.shards:
            mine = [m for m in batch if shard.realm.owns(m.debtor_id, m.creditor_id)]
            if mine:
                remembered = {
                    key
                    for key, asked_at in self.said_yes.items()
                    if 0 <= self.now - asked_at < 10 * MICROSECONDS and not shard.realm.owns(*key)
                }
                self.emit(shard.run(mine, self.now, remembered))

    def ask(self, picks: Sequence[int]) -> None:
        """Ask the other shards for some of the requests that wait; one may be asked for twice."""
        for shard in self.shards:
            keys = sorted(shard.waiting)
            chosen = {keys[pick % len(keys)] for pick in picks} if keys else set()
            if chosen:
                self._ask(shard, sorted(chosen))

    def _ask(self, shard: Shard, keys: Sequence[RequestKey]) -> None:
        answers = {}
        for key in keys:
            recipient_id = parse_recipient(shard.waiting[key].recipient)
            assert recipient_id is not None
            recipient = key[0], recipient_id
            answers[key] = self.shard_of(recipient).accepts_transfers(recipient)
            if answers[key]:
                self.said_yes[recipient] = self.now
        self.emit(shard.hear(answers, self.now))

    def ask_all(self) -> None:
        """Ask for everything that waits."""
        for shard in self.shards:
            if shard.waiting:
                self._ask(shard, sorted(shard.waiting))

    def emit(self, events: Iterable[out.Event]) -> None:
        """Put on the wire what a shard has emitted."""
        for event in events:
            self.auditor.see(event)
            if isinstance(event, out.CoordinatorEvent):
                self.to_client.append(event)
            elif isinstance(event, out.PendingBalanceChange):
                decoded = messages.decode(out.encode(event), messages.CONTENT_TYPE, None)
                assert isinstance(decoded, PendingBalanceChange)
                self.to_shards.append(decoded)

    def move_clock(self, jump: int) -> None:
        """Move the clock, but stay within the time that credits have to arrive."""
        self.now = min(self.now + jump, NOW + 80 * DAY)
        self.latest = max(self.latest, self.now)

    # -- periodic work --

    def announce_updates(self) -> None:
        for shard in self.shards:
            for key in sorted(shard.accounts):
                expected = shard.model.announce_pending(key, self.now)
                self.emit(shard.work(key, self.now, upkeep.announce_pending, expected))

    def propagate(self) -> None:
        for shard in self.shards:
            for key in sorted(shard.accounts):
                settings = self.shard_of((key[0], 0)).currencies.get(key[0])
                if settings is not None:
                    expected = shard.model.propagate(key, settings.config_data, self.now)
                    self.emit(shard.work(key, self.now, upkeep.apply_settings, expected, settings))

    def capitalize(self) -> None:
        for shard in self.shards:
            for key in sorted(shard.accounts):
                expected = shard.model.capitalize(key, self.now)
                self.emit(shard.work(key, self.now, _capitalize, expected))

    def delete(self) -> None:
        for shard in self.shards:
            for key in sorted(shard.accounts):
                expected = shard.model.delete(key, self.now)
                self.emit(shard.work(key, self.now, _delete, expected))

    # -- the end --

    def quiesce(self) -> None:
        """Let everything arrive, and the client settle what it has not decided yet."""
        self.now = self.latest
        for _ in range(100):
            while self.to_shards or self.to_client:
                answers, self.to_client[:] = list(self.to_client), []
                for event in answers:
                    self.client.hear(event, self.now)
                batch, self.to_shards[:] = list(self.to_shards), []
                self.deliver(batch)
            self.ask_all()
            undecided = self.client.undecided()
            if not undecided and not self.to_shards and not self.to_client:
                break
            for name in undecided:
                self.client.decide(name, 0, "", self.now)
        self.now += 2 * 60 * MICROSECONDS
        self.announce_updates()

    def audit(self) -> None:
        """What has to hold when nothing is on its way (rules.md#invariants)."""
        accounts = [account for shard in self.shards for account in shard.accounts.values()]
        prepared = [transfer for shard in self.shards for transfer in shard.prepared.values()]
        assert not any(shard.refused for shard in self.shards)
        assert not any(shard.waiting for shard in self.shards), "every request gets its answer"
        principals = Counter(self.auditor.principals)
        for payment in (entry for shard in self.shards for entry in shard.payments):
            principals[payment.debtor_id, payment.sender_creditor_id] -= payment.amount
            principals[payment.debtor_id, payment.recipient_creditor_id] += payment.amount
        overflown = {account.debtor_id for account in accounts if account.is_overflown}
        for debtor_id in {account.debtor_id for account in accounts} - overflown:
            total = sum(account.principal for account in accounts if account.debtor_id == debtor_id)
            assert total == 0, "V3"
        for account in accounts:
            key = account.debtor_id, account.creditor_id
            mine = [p for p in prepared if (p.debtor_id, p.creditor_id) == key]
            assert account.total_locked_amount == sum(p.locked_amount for p in mine), "V1"
            assert account.pending_transfers_count == len(mine), "V2"
            if account.is_deleted:
                assert (account.principal, account.interest, len(mine)) == (0, 0.0, 0), "V5"
            assert all(p.transfer_id <= account.last_transfer_id for p in mine), "V6"
            if account.is_root:
                assert (account.interest_rate, account.last_transfer_number) == (0.0, 0), "V7"
            if account.debtor_id not in overflown:
                assert account.principal == principals[key], "every commit moved its money once"
            assert account.update_pending_since == 0, "everything is announced"
        self._audit_outcomes()

    def _audit_outcomes(self) -> None:
        """What the client was told is what has happened."""
        for decision, outcome in self.client.outcomes:
            if outcome.status_code == "OK" and outcome.committed_amount not in (decision.committed_amount,):
                # Only somebody who meddles can finalize in the client's place.
                assert _transfer_name(outcome) in self.commits
            name = _transfer_name(outcome)
            moved = self.auditor.committed.get(name)
            assert (moved.committed_amount if moved else 0) == outcome.committed_amount
