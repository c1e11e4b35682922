"""A client in memory: it reads only what the core asks for, and keeps what the core hands over."""

from collections.abc import Iterable
from typing import Any

import msgspec

from swpt_client import core
from swpt_client.inputs import BeginBundle, DismissBundle, Due, Input, Refusal, Sent
from swpt_client.messages import ConfigureAccount, encode
from swpt_client.moments import DAY, Moment, to_datetime
from swpt_client.news import News
from swpt_client.policy import Policy, Timers
from swpt_client.records import (
    Account,
    AccountKey,
    Bundle,
    Entry,
    LedgerKey,
    RequestKey,
    StoredTransfer,
    Transfer,
)
from swpt_client.step import Outgoing
from swpt_client.store import packing
from swpt_client.store.reading import records_of

from .server_codec import Malformed, decode_by_server

SUBNET = 0x0000010000000000
ALICE = SUBNET + 1
BOB = SUBNET + 2
DEBTOR = -1
START: Moment = 20_000 * DAY
"""Any day will do."""
TODAY = to_datetime(START).date()

POLICY = Policy(
    subnet=SUBNET,
    debtor_ids=frozenset({DEBTOR}),
    other_types=frozenset({"test"}),
    timers=Timers(jitter=0.0),
)


ROWS = frozenset(
    {
        "AccountPurge, no record",
        "AccountPurge, of a former account",
        "AccountTransfer, known",
        "AccountTransfer, no record",
        "AccountTransfer, of a former account",
        "AccountUpdate, expired",
        "AccountUpdate, known",
        "AccountUpdate, of a former account",
        "FinalizedTransfer, late",
        "FinalizedTransfer, no record",
        "FinalizedTransfer, of a surplus",
        "PreparedTransfer, no record",
        "PreparedTransfer, the decision is on its way",
        "RejectedConfig, does not fit",
        "RejectedTransfer, late",
        "RejectedTransfer, no record",
    }
)
"""The names under which a message that changes nothing is counted: operators see them in metrics."""


def _check_stored(records: Iterable[Any]) -> None:
    """What is handed to a store comes back from it."""
    readers: dict[type, Any] = {
        Account: packing.read_account,
        Transfer: packing.read_transfer,
        Bundle: packing.read_bundle,
        Entry: packing.read_entry,
        StoredTransfer: packing.read_stored,
    }
    for record in records:
        assert readers.get(type(record), packing.read_news)(packing.to_text(record)) == record


def _check_sent(outgoing: Iterable[Outgoing], now: Moment) -> None:
    """The server takes it; its moment is not ahead; its copy is known by the record's key."""
    for leaving in outgoing:
        message = leaving.message
        name = type(message).__name__
        assert not isinstance(decode_by_server(encode(message), "application/json", name), Malformed)
        assert message.ts <= now or isinstance(message, ConfigureAccount)
        if leaving.ref is not None:
            assert leaving.ref.kind == ("account" if isinstance(message, ConfigureAccount) else "transfer")


def _check_refusal(one: Any, refusal: Refusal, records: core.Records) -> None:
    """A refusal names what was refused, and the state in which it is, if there is a record of it."""
    if refusal.code == "LEDGER_IS_BEHIND":
        return
    assert refusal.key == one.key
    if isinstance(one.key, str) and refusal.code != "BAD_FIELD":
        is_about_bundle = isinstance(one, BeginBundle | DismissBundle) or getattr(one, "kind", "") == "bundle"
        table: Any = records.bundles if is_about_bundle else records.transfers
        assert refusal.state == (table[one.key].state if one.key in table else "")


class Client:
    """Records, outbox and news, all at hand; time stands still until it is moved."""

    def __init__(self, policy: Policy = POLICY, now: Moment = START) -> None:
        self.policy = policy
        self.now = now
        self.chance = 1
        self.accounts: dict[AccountKey, Account] = {}
        self.transfers: dict[str, Transfer] = {}
        self.bundles: dict[str, Bundle] = {}
        self.stored: dict[tuple[LedgerKey, int], StoredTransfer] = {}
        self.entries: list[Entry] = []
        self.outbox: list[Outgoing] = []
        self.sent: list[Any] = []
        """All messages that were ever put into the outbox."""
        self.news: list[News] = []
        self.ignored: dict[str, int] = {}

    def feed(self, *inputs: Input) -> core.Result:
        """Fold some inputs in one batch."""
        records = self._read(core.needs(inputs))
        wanted = core.needs_stored(inputs, records, self.now)
        stored = {key: self._stored_of(key) for key in wanted}
        records = msgspec.structs.replace(records, stored=stored)
        self.chance += 1
        result = core.fold(inputs, records, self.now, self.chance, self.policy)
        for one, answer in zip(inputs, result.answers, strict=True):
            if isinstance(answer, Refusal):
                _check_refusal(one, answer, records)
        assert records.glimpsed.isdisjoint(result.accounts), "only what is locked is changed"
        self._write(result)
        return result

    def call(self, one: Input) -> Any:
        """Fold one call, and give its answer."""
        return self.feed(one).answers[0]

    def _read(self, needs: core.Needs) -> core.Records:
        requests = {one.request_key: one.key for one in self.transfers.values()}
        return records_of(needs, requests, self.accounts, self.transfers, self.bundles)

    def _stored_of(self, key: AccountKey) -> list[StoredTransfer]:
        ledger = self.accounts[key].ledger
        assert ledger is not None
        wanted = LedgerKey(key, ledger.creation_date)
        return [one for (of, _), one in self.stored.items() if of == wanted]

    def _write(self, result: core.Result) -> None:
        self.accounts |= result.accounts
        self.transfers |= result.transfers
        self.bundles |= result.bundles
        for key in result.deleted_accounts:
            del self.accounts[key]
        for name in result.deleted_transfers:
            del self.transfers[name]
        for name in result.deleted_bundles:
            del self.bundles[name]
        for ledger, last in result.unstored.items():
            self.stored = {key: one for key, one in self.stored.items() if key[0] != ledger or key[1] > last}
        for one in result.stored:
            message = one.transfer
            account = AccountKey(message.debtor_id, message.creditor_id)
            self.stored.setdefault((LedgerKey(account, message.creation_date), message.transfer_number), one)
        self.entries += result.entries
        self.outbox += result.outgoing
        self.sent += [one.message for one in result.outgoing]
        _check_sent(result.outgoing, self.now)
        for records in (result.accounts, result.transfers, result.bundles):
            _check_stored(records.values())
        _check_stored([*result.entries, *result.stored, *result.news])
        self.news += result.news
        assert ROWS.issuperset(result.ignored)
        for row, count in result.ignored.items():
            self.ignored[row] = self.ignored.get(row, 0) + count
        requests: list[RequestKey] = [one.request_key for one in self.transfers.values()]
        assert len(requests) == len(set(requests))

    def confirm(self) -> None:
        """The broker has all that is in the outbox."""
        inputs = [Sent(ref=one.ref, at=self.now) for one in self.outbox if one.ref is not None]
        self.outbox.clear()
        self.feed(*inputs)

    def tick(self) -> None:
        """Look at all that is due; afterwards nothing is, or a timer would spin."""
        self.feed(*self._due())
        assert list(self._due()) == []

    def _due(self) -> Iterable[Due]:
        for kind, records in (
            ("account", self.accounts),
            ("transfer", self.transfers),
            ("bundle", self.bundles),
        ):
            for key, record in records.items():
                if record.due_at is not None and record.due_at <= self.now:
                    yield Due(kind=kind, key=key)

    def wait(self, duration: int) -> None:
        """Let time pass, and look at what is due, moment by moment; the outbox stays where it is."""
        end = self.now + duration
        for _ in range(10_000):
            moments = [
                record.due_at
                for records in (self.accounts, self.transfers, self.bundles)
                for record in records.values()
                if record.due_at is not None
            ]
            if not moments or min(moments) > end:
                break
            self.now = max(self.now, min(moments))
            self.tick()
        else:
            raise AssertionError("something is due again and again")
        self.now = end

    def flush(self) -> list[Any]:
        """The messages that were sent since the last time."""
        messages, self.sent = self.sent, []
        return messages

    def hear(self) -> list[News]:
        """The news since the last time."""
        news, self.news = self.news, []
        return news
