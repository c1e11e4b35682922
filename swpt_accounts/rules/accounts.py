"""Accounts: their state, and what configurations, settings and credits do to it.

Pure decisions on frozen values (rules.md#accounts).
Functions that change an account return a new value; none of them emits anything.
"""

import math

import msgspec

from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.messages import ConfigureAccount
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY, T0, Moment, is_astray, is_over
from swpt_accounts.wire.numbers import is_later_number, next_number

from .balances import accumulated_interest, bound_interest, contain, due_interest, whole_balance
from .currency import NO_DEBTOR_INFO, CurrencySettings, DebtorInfo
from .policy import Policy

replace = msgspec.structs.replace


class Account(msgspec.Struct, frozen=True, gc=False):
    """The state of an account (rules.md#accounts).  The fields stand as in its table.

    `update_pending_since` is T0 when nothing waits to be announced.
    """

    debtor_id: int
    creditor_id: int
    created_at: Moment
    interest_rate: float
    previous_interest_rate: float
    last_interest_rate_change_ts: Moment
    last_capitalization_ts: Moment
    last_config_ts: Moment
    last_config_seqnum: int
    last_config_applied_at: Moment
    negligible_amount: float
    config_flags: int
    debtor_info: DebtorInfo
    last_deletion_ts: Moment
    announced_settings: int
    is_deleted: bool
    is_overflown: bool
    last_change_seqnum: int
    last_change_ts: Moment
    principal: int
    interest: float
    last_transfer_number: int
    last_transfer_committed_at: Moment
    last_transfer_id: int
    total_locked_amount: int
    pending_transfers_count: int
    last_update_ts: Moment
    last_delayed_update_ts: Moment
    update_pending_since: Moment

    @property
    def is_root(self) -> bool:
        return self.creditor_id == numbers.ROOT_CREDITOR_ID

    @property
    def is_scheduled_for_deletion(self) -> bool:
        return bool(self.config_flags & codes.SCHEDULED_FOR_DELETION_FLAG)


def new_account(debtor_id: int, creditor_id: int, now: Moment) -> Account:
    """An account at its creation, before its first step is numbered (rules.md#accounts)."""
    return Account(
        debtor_id=debtor_id,
        creditor_id=creditor_id,
        created_at=now,
        interest_rate=0.0,
        previous_interest_rate=0.0,
        last_interest_rate_change_ts=T0,
        last_capitalization_ts=T0,
        last_config_ts=T0,
        last_config_seqnum=0,
        last_config_applied_at=T0,
        negligible_amount=0.0,
        config_flags=0,
        debtor_info=NO_DEBTOR_INFO,
        last_deletion_ts=T0,
        announced_settings=0,
        is_deleted=False,
        is_overflown=False,
        last_change_seqnum=0,
        last_change_ts=now,
        principal=0,
        interest=0.0,
        last_transfer_number=0,
        last_transfer_committed_at=T0,
        last_transfer_id=(now // MICROSECONDS_PER_DAY) << 40,
        total_locked_amount=0,
        pending_transfers_count=0,
        last_update_ts=now,
        last_delayed_update_ts=T0,
        update_pending_since=T0,
    )


# -- reading an account ------------------------------------------------------------------------


def interest_at(account: Account, now: Moment) -> float:
    """The accumulated interest at `now`; a root account has none (rules.md#interest-on-a-balance)."""
    if account.creditor_id == numbers.ROOT_CREDITOR_ID:
        return 0.0
    return accumulated_interest(
        account.principal, account.interest, account.interest_rate, account.last_change_ts, now
    )


def balance_at(account: Account, now: Moment) -> int:
    """W: the balance at `now` in whole units (rules.md#whole-balance)."""
    return whole_balance(account.principal, interest_at(account, now))


def available_at(account: Account, now: Moment) -> int:
    """The balance at `now` minus everything that is locked; may be negative."""
    return balance_at(account, now) - account.total_locked_amount


def min_balance(account: Account, settings: CurrencySettings | None) -> int:
    """How far the balance may fall: 0, or minus the issuing limit (rules.md#what-can-be-locked).

    A limit that can not be read permits nothing.
    """
    if not account.is_root or settings is None:
        return 0
    return -min(settings.issuing_limit, contain(math.floor(account.negligible_amount)))


def is_reachable(account: Account | None) -> bool:
    """Whether an ordinary account of this shard accepts transfers (rule P4)."""
    return account is not None and not account.is_deleted and not account.is_scheduled_for_deletion


# -- changing an account -----------------------------------------------------------------------


def begin_change(account: Account, now: Moment) -> Account:
    """Number a meaningful change, with interest brought up to date first (rules S4, S5 and V8)."""
    return replace(
        account,
        interest=interest_at(account, now),
        last_change_ts=max(account.last_change_ts, now),
        last_change_seqnum=next_number(account.last_change_seqnum),
    )


def judge_configuration(
    account: Account | None, message: ConfigureAccount, is_valid: bool, policy: Policy, now: Moment
) -> str:
    """Which rule of rules.md#configurations a configuration meets: C1, C2, C3 or C4."""
    if account is not None and not _is_later_configuration(message, account):
        return "C1"
    if (account is None or account.is_deleted) and now - message.ts > policy.max_config_delay:
        return "C2"
    if not is_valid:
        return "C3"
    return "C4"


def _is_later_configuration(message: ConfigureAccount, account: Account) -> bool:
    """See protocol.rst#order-of-configurations."""
    if message.ts != account.last_config_ts:
        return message.ts > account.last_config_ts
    return is_later_number(message.seqnum, account.last_config_seqnum)


def configured(account: Account, message: ConfigureAccount, now: Moment) -> Account:
    """The account with a new configuration; a deleted one is revived (rule C4)."""
    return replace(
        account,
        is_deleted=False,
        config_flags=message.config_flags,
        negligible_amount=message.negligible_amount,
        last_config_ts=message.ts,
        last_config_seqnum=message.seqnum,
        last_config_applied_at=now,
    )


def moved(account: Account, amount: int, committed_at: Moment, is_announced: bool, now: Moment) -> Account:
    """The account after a transfer: one meaningful change, whose announcement is pending.

    `amount` is what the account acquires, maybe negative, with the interest that is due since
    `committed_at`; `is_announced` says whether an AccountTransfer takes the next number (S4, S5,
    V8, rules.md#a-credit).  The sticky mark `is_overflown` is set if the principal had
    to be contained.
    """
    interest = interest_at(account, now)
    exact = account.principal + amount
    principal = contain(exact)
    if committed_at < now and account.creditor_id != numbers.ROOT_CREDITOR_ID:
        due = due_interest(
            amount,
            committed_at,
            now,
            account.interest_rate,
            account.previous_interest_rate,
            account.last_interest_rate_change_ts,
        )
        interest = bound_interest(interest + due)
    return replace(
        account,
        last_change_seqnum=next_number(account.last_change_seqnum),
        last_change_ts=max(account.last_change_ts, now),
        principal=principal,
        interest=interest,
        is_overflown=account.is_overflown or principal != exact,
        last_transfer_number=account.last_transfer_number + is_announced,
        last_transfer_committed_at=committed_at if is_announced else account.last_transfer_committed_at,
        update_pending_since=account.update_pending_since or now,
    )


def settings_changes(
    account: Account, settings: CurrencySettings, policy: Policy, now: Moment
) -> dict[str, object]:
    """The fields that the settings of the currency change (rules.md#rate-and-info-of-an-account).

    There are none if the settings are in effect already.  The settings are taken as read at
    `now`: who keeps them for longer has to check their age (R2).
    """
    changes: dict[str, object] = {}
    if account.is_root or account.is_deleted:  # R1
        return changes
    if settings.debtor_info != account.debtor_info:
        changes["debtor_info"] = settings.debtor_info
    target = settings.interest_rate
    if not math.isfinite(target):  # R3
        return changes
    target = min(numbers.MAX_INTEREST_RATE, max(numbers.MIN_INTEREST_RATE, target))  # R4
    if target == account.interest_rate:  # R5
        return changes
    if not is_over(account.last_interest_rate_change_ts, policy.rate_change_min_interval, now):  # R6
        return changes
    changes["previous_interest_rate"] = account.interest_rate  # R7
    changes["interest_rate"] = target
    # It never decreases, and every change has a later one, also after the clock was set back (V8).
    changes["last_interest_rate_change_ts"] = max(now, account.last_interest_rate_change_ts + 1)
    return changes


def update_due_at(account: Account, policy: Policy, now: Moment) -> Moment:
    """When the pending AccountUpdate has to be sent (rules.md#balance-changes).

    Moments that lie ahead of the clock `now` hold it up no longer.
    """
    delay, min_interval = policy.account_update_delay, policy.account_update_min_interval
    since, last = account.update_pending_since, account.last_delayed_update_ts
    due_at = now if is_astray(since, delay, now) else since + delay
    return due_at if is_astray(last, min_interval, now) else max(due_at, last + min_interval)


def announced(account: Account, policy: Policy, now: Moment) -> Account:
    """The account right after an AccountUpdate: nothing is pending (rules.md#balance-changes)."""
    return replace(
        account, last_update_ts=now, update_pending_since=T0, announced_settings=policy.settings_version
    )


def is_negligible(account: Account, coordinator_type: str, acquired_amount: int) -> bool:
    """Whether a transfer is too small to be announced to its recipient (protocol.rst#negligible-transfers).

    Python compares an int with a float exactly, as the protocol demands.
    """
    return coordinator_type != codes.CT_AGENT and 0 < acquired_amount <= account.negligible_amount
