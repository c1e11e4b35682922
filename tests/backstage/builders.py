"""Builders of accounts, messages and batches: tests name only the fields that their story needs."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, TypeVar

from swpt_accounts.events import Event
from swpt_accounts.rules.accounts import Account, new_account, replace
from swpt_accounts.rules.book import Book
from swpt_accounts.rules.currency import Currency
from swpt_accounts.rules.deciding import decide
from swpt_accounts.rules.facts import Credit, CreditKey, Facts
from swpt_accounts.rules.policy import Periods, Policy
from swpt_accounts.rules.root_config import parse_root_config
from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.wire.messages import (
    ConfigureAccount,
    FinalizeTransfer,
    Message,
    PendingBalanceChange,
    PrepareTransfer,
)
from swpt_accounts.wire.moments import T_FAR, Moment, from_datetime, render_timestamp, utc_date
from swpt_accounts.wire.numbers import MAX_DELAY, MAX_INT64, ROOT_CREDITOR_ID, u64
from swpt_accounts.wire.routing import Realm

MICROSECOND: Final = 1
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
YEAR: Final = 31_557_600 * SECOND

TODAY: Final = date.fromisoformat(os.environ.setdefault("TESTS_TODAY", datetime.now(UTC).date().isoformat()))
"""The day of this run, for all of its processes: they inherit it, also when midnight passes."""

NOW: Final = from_datetime(datetime.combine(TODAY - timedelta(days=1), time(10), UTC))
"""Yesterday at 10:00:00Z, the moment at which most stories happen.

It moves with the calendar, because a real server or database goes by its own clock.
What has to be a certain day says so itself.
"""

FIRST_TRANSFER_ID: Final = (NOW // DAY << 40) + 1
"""Of an account that is created on the day of `NOW` (rules.md#ids-of-transfers)."""

DEBTOR: Final = 7
ALICE: Final = 1001
BOB: Final = 1002
ROOT: Final = ROOT_CREDITOR_ID
AGENT_ALICE: Final = 0x000001FFFFFFFFFF
AGENT_BOB: Final = 0x0000010000001234

POLICY: Final = Policy()
SHARD: Final = Realm.parse("0.#")
"""One of two shards, for accounts whose neighbours live elsewhere."""

PERIODS: Final = Periods(
    heartbeat_interval=7 * DAY,
    reminder_interval=7 * DAY,
    capitalization_min_interval=14 * DAY,
    capitalization_min_ratio=0.0001,
    deletion_min_age=DAY,
    deletion_quiet_time=7 * DAY,
    deletion_retry_interval=14 * DAY,
    deletion_dust_amount=0,
    purge_delay=106 * DAY,
    purge_min_age=3 * DAY,
)
"""The defaults of rules.md#settings-of-the-server."""

E = TypeVar("E", bound=Event)
T = TypeVar("T")


def account(creditor_id: int = ALICE, **fields: Any) -> Account:
    """An account of `DEBTOR` that was created, and announced with number 1, a day before `NOW`."""
    born = new_account(fields.pop("debtor_id", DEBTOR), creditor_id, fields.pop("created_at", NOW - DAY))
    seen: dict[str, Any] = {"last_change_seqnum": 1, "announced_settings": POLICY.settings_version}
    return replace(born, **(seen | fields))


def rich(principal: int = 1000, creditor_id: int = ALICE, **fields: Any) -> Account:
    """An account with money on it."""
    return account(creditor_id, principal=principal, **fields)


def root(**fields: Any) -> Account:
    """A root account that may issue without limit, unless its story says otherwise."""
    return account(ROOT, **({"negligible_amount": 1e30} | fields))


def deleted(creditor_id: int = ALICE, **fields: Any) -> Account:
    """An account that is marked as deleted: empty, and still scheduled for deletion."""
    state: dict[str, Any] = {"is_deleted": True, "config_flags": 1, "last_deletion_ts": NOW - DAY}
    return account(creditor_id, **(state | fields))


def scheduled(creditor_id: int = ALICE, **fields: Any) -> Account:
    """An account that waits for its deletion, a month old and quiet for long."""
    state: dict[str, Any] = {
        "config_flags": 1,
        "created_at": NOW - 30 * DAY,
        "last_config_applied_at": NOW - 20 * DAY,
    }
    return account(creditor_id, **(state | fields))


def buried(creditor_id: int = ALICE, **fields: Any) -> Account:
    """An account that was deleted so long ago that it can be purged."""
    long_ago = NOW - 107 * DAY
    state: dict[str, Any] = {
        "created_at": long_ago - DAY,
        "last_change_ts": long_ago,
        "last_deletion_ts": long_ago,
    }
    return deleted(creditor_id, **(state | fields))


def configure(creditor_id: int = ALICE, **fields: Any) -> ConfigureAccount:
    """A configuration without wishes, sent now."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": creditor_id,
        "negligible_amount": 0.0,
        "config_flags": 0,
        "config_data": "",
        "ts": NOW,
        "seqnum": 0,
    }
    return ConfigureAccount(**(values | fields))


def request(creditor_id: int = ALICE, recipient_id: int = BOB, **fields: Any) -> PrepareTransfer:
    """A request to lock at most 100, from `creditor_id` to `recipient_id`, without further conditions."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": creditor_id,
        "coordinator_type": "direct",
        "coordinator_id": creditor_id,
        "coordinator_request_id": 1,
        "min_locked_amount": 0,
        "max_locked_amount": 100,
        "recipient": str(u64(recipient_id)),
        "final_interest_rate_ts": T_FAR,
        "max_commit_delay": MAX_DELAY,
        "ts": NOW,
    }
    return PrepareTransfer(**(values | fields))


def prepared(creditor_id: int = ALICE, recipient_id: int = BOB, **fields: Any) -> PreparedTransfer:
    """A prepared transfer over 100 that was made just now, and can be committed for a long time."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": creditor_id,
        "transfer_id": FIRST_TRANSFER_ID,
        "coordinator_type": "direct",
        "coordinator_id": creditor_id,
        "coordinator_request_id": 1,
        "recipient_creditor_id": recipient_id,
        "locked_amount": 100,
        "prepared_at": NOW,
        "deadline": T_FAR,
        "final_interest_rate_ts": T_FAR,
    }
    return PreparedTransfer(**(values | fields))


def finalize(transfer: PreparedTransfer, committed_amount: int = 0, **fields: Any) -> FinalizeTransfer:
    """A commit of `committed_amount`, or by default a dismissal, that fits the prepared transfer."""
    values: dict[str, Any] = {
        "debtor_id": transfer.debtor_id,
        "creditor_id": transfer.creditor_id,
        "transfer_id": transfer.transfer_id,
        "coordinator_type": transfer.coordinator_type,
        "coordinator_id": transfer.coordinator_id,
        "coordinator_request_id": transfer.coordinator_request_id,
        "committed_amount": committed_amount,
        "transfer_note": "",
        "transfer_note_format": "",
        "ts": NOW,
    }
    return FinalizeTransfer(**(values | fields))


def credit(creditor_id: int = BOB, principal_delta: int = 100, **fields: Any) -> PendingBalanceChange:
    """A credit from ALICE, whose account is on another shard."""
    values: dict[str, Any] = {
        "debtor_id": DEBTOR,
        "creditor_id": creditor_id,
        "change_id": 1,
        "coordinator_type": "direct",
        "transfer_note": "",
        "transfer_note_format": "",
        "committed_at": NOW,
        "principal_delta": principal_delta,
        "other_creditor_id": ALICE,
    }
    return PendingBalanceChange(**(values | fields))


def with_locks(owner: Account, *transfers: PreparedTransfer) -> Account:
    """The account as it looks while these transfers are prepared."""
    return replace(
        owner,
        total_locked_amount=min(MAX_INT64, sum(transfer.locked_amount for transfer in transfers)),
        pending_transfers_count=len(transfers),
        last_transfer_id=max([owner.last_transfer_id, *(transfer.transfer_id for transfer in transfers)]),
    )


def currency(config_data: str = "") -> Currency:
    """What the root configuration `config_data` means for its currency."""
    settings = parse_root_config(config_data)
    assert settings is not None
    return Currency(config_data, settings)


def batch(
    *accounts: Account,
    now: Moment = NOW,
    prepared: Iterable[PreparedTransfer] = (),
    reachable: Iterable[int] = (),
    root_config: str | None = None,
    known_credits: dict[CreditKey, Credit] | None = None,
    policy: Policy = POLICY,
) -> Book:
    """A book that knows these accounts of `DEBTOR`.

    The currency has settings if there is a root account among them, or `root_config` is given.
    """
    knows_root = root_config is not None or any(owner.is_root for owner in accounts)
    facts = Facts(
        now=now,
        policy=policy,
        accounts={(owner.debtor_id, owner.creditor_id): owner for owner in accounts},
        prepared={(p.debtor_id, p.creditor_id, p.transfer_id): p for p in prepared},
        reachable={(DEBTOR, creditor_id) for creditor_id in reachable},
        currencies={DEBTOR: currency(root_config or "")} if knows_root else {},
        credits=known_credits or {},
    )
    return Book(facts)


def applied(book: Book, *messages: Message) -> Book:
    """The same book, after these messages were decided."""
    for message in messages:
        decide(book, message)
    return book


def emitted(book: Book, kind: type[E]) -> list[E]:
    """The events of one kind, in the order of their emission."""
    return [event for event in book.events if isinstance(event, kind)]


def only(things: Sequence[T]) -> T:
    """The one that has to be there."""
    assert len(things) == 1, things
    return things[0]


def kinds(book: Book) -> list[str]:
    """The names of all events, in the order of their emission."""
    return [type(event).__name__ for event in book.events]


def owner(book: Book, creditor_id: int) -> Account:
    """The account as the batch leaves it."""
    return book.accounts[DEBTOR, creditor_id]


def text(moment: Moment) -> str:
    """The moment as the messages write it."""
    return render_timestamp(moment)


def day_of(moment: Moment) -> str:
    """The day of the moment, in UTC, as the messages write it."""
    return utc_date(moment).isoformat()


def month_later(months: int) -> Moment:
    """The first moment of a month: 0 is the month of `NOW`, 1 the one after it."""
    day = utc_date(NOW)
    years, month = divmod(day.month - 1 + months, 12)
    return from_datetime(datetime(day.year + years, month + 1, 1, tzinfo=UTC))


def journal_of(moment: Moment) -> str:
    """The partition of the journal in which transfers of that moment stand."""
    return f"journal_{utc_date(moment):%Y_%m}"


def foreign_creditor(realm: Realm = SHARD, start: int = 2000) -> int:
    """A creditor id whose account with `DEBTOR` is on another shard."""
    return next(number for number in range(start, start + 1000) if not realm.owns(DEBTOR, number))


def local_creditor(realm: Realm = SHARD, start: int = 1000) -> int:
    """A creditor id whose account with `DEBTOR` is on this shard."""
    return next(number for number in range(start, start + 1000) if realm.owns(DEBTOR, number))
