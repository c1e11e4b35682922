"""The accounts of a batch while it is decided, and the money that moves between them.

Pure: what the rules ask for comes in as `Facts`; what they change and emit is collected here
(rules.md#credits-and-payments, rules.md#announcements).
"""

from collections import Counter

import msgspec

from swpt_accounts.events import Event
from swpt_accounts.wire.messages import PrepareTransfer
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from . import accounts, announcements
from .accounts import Account, replace
from .balances import INTEREST_BOUND
from .currency import Currency
from .facts import (
    AccountKey,
    Credit,
    CreditKey,
    Entry,
    Facts,
    Payment,
    RefusedCredit,
    RequestKey,
    TransferKey,
    account_key,
    request_key,
)
from .flows import Flow, slot_of
from .refusals import Refusal
from .transfers import PreparedTransfer


class Alarm(msgspec.Struct, frozen=True, gc=False):
    """What an operator must hear, and the account that it is about."""

    what: str
    account: AccountKey | None = None

    def __str__(self) -> str:
        return (
            self.what
            if self.account is None
            else f"{self.what} on account {self.account[0]}/{self.account[1]}"
        )


class Book:
    """The state of a batch; afterwards its results are read off the attributes."""

    def __init__(self, facts: Facts) -> None:
        self.now = facts.now
        self.policy = facts.policy
        self.accounts = facts.accounts
        self.originals = dict(facts.accounts)
        self.prepared = facts.prepared
        self.incoming = facts.incoming
        self.requests = {request_key(transfer): transfer for transfer in facts.prepared.values()}
        self.reachable = facts.reachable
        self.currencies = facts.currencies
        self.credits = facts.credits
        self.waiting = facts.waiting

        self.events: list[Event] = []
        self.entries: list[Entry] = []
        self.new_transfers: dict[TransferKey, PreparedTransfer] = {}
        self.removed_transfers: list[TransferKey] = []
        self.reminded_transfers: list[TransferKey] = []
        self.emitted_credits: Counter[Flow] = Counter()
        self.applied_credits: Counter[Flow] = Counter()
        self.new_waiting: dict[RequestKey, PrepareTransfer] = {}
        self.purged_accounts: list[AccountKey] = []
        self.new_credits: dict[CreditKey, Credit] = {}
        self.root_configurations: dict[int, str] = {}
        self.refused_credits: list[RefusedCredit] = []
        self.refusals: list[Refusal] = []
        self.ignored: list[tuple[str, str]] = []
        self.alarms: list[Alarm] = []
        self.overflows = 0
        self.debts_forgiven = 0

    # -- results -------------------------------------------------------------------------------

    def created_accounts(self) -> list[Account]:
        """The accounts that did not exist before, in the order in which they have to be inserted."""
        if len(self.accounts) == len(self.originals):  # nearly always: `originals` are among them
            return []
        return [self.accounts[key] for key in sorted(self.accounts.keys() - self.originals.keys())]

    def changed_accounts(self) -> list[tuple[Account, Account]]:
        """The accounts that changed, each before and after."""
        current = self.accounts
        return [
            (old, new)
            for key, old in self.originals.items()
            if (new := current.get(key)) is not None and new is not old
        ]

    def interest_alarms(self) -> list[Alarm]:
        """One for each account whose interest had to be cut (rules.md#numbers-and-time)."""
        return [
            Alarm("interest out of bounds", key)
            for key, new in self.accounts.items()
            if abs(new.interest) >= INTEREST_BOUND
            and (old := self.originals.get(key)) is not None
            and abs(old.interest) < INTEREST_BOUND
        ]

    # -- changes -------------------------------------------------------------------------------

    def initialized(self, account: Account) -> Account:
        """A created or revived account with the settings of its currency.

        See rules.md#new-and-revived-accounts.
        """
        currency = self.currencies.get(account.debtor_id)
        if currency is None or currency.settings is None:
            return account
        changes = accounts.settings_changes(account, currency.settings, self.policy, self.now)
        return replace(account, **changes) if changes else account

    def announce(self, account: Account) -> Account:
        """Emit the AccountUpdate of the account at once, and store it (rules.md#at-once).

        A step does so once at most, at its end (rule S6).
        """
        config_data = self.currencies[account.debtor_id].config_data if account.is_root else ""
        self.events.append(announcements.account_update(account, config_data, self.policy, self.now))
        account = accounts.announced(account, self.policy, self.now)
        self.store(account)
        return account

    def store(self, account: Account) -> None:
        """Make this the state of the account for what follows."""
        self.accounts[account_key(account)] = account

    def remove(self, account: Account) -> None:
        """Purge the account.  A later step of this batch may create it again, as a new one."""
        key = account_key(account)
        del self.accounts[key]
        del self.originals[key]
        self.purged_accounts.append(key)
        if account.is_root:
            self.currencies.pop(account.debtor_id, None)

    # -- money ---------------------------------------------------------------------------------

    def credit(
        self, debtor_id: int, creditor_id: int, amount: int, other_creditor_id: int, payment: Payment
    ) -> Account | None:
        """Credit an account, or send the credit to its shard (rules.md#a-credit).

        Returns the credited account, or None if it is on another shard.
        """
        if not self.policy.realm.owns(debtor_id, creditor_id):
            self.emitted_credits[debtor_id, slot_of(payment.committed_at)] += amount
            self.events.append(
                announcements.pending_balance_change(
                    debtor_id, creditor_id, amount, other_creditor_id, payment
                )
            )
            return None
        account = self.accounts.get((debtor_id, creditor_id))
        is_new = account is None or account.is_deleted
        if account is None:
            account = accounts.new_account(debtor_id, creditor_id, self.now)
            if account.is_root:
                self.currencies[debtor_id] = Currency()
        return self.change(account, amount, other_creditor_id, payment, announce=is_new)

    def change(
        self, account: Account, amount: int, other_creditor_id: int, payment: Payment, *, announce: bool
    ) -> Account:
        """Change the principal, and announce the transfer to its owner.

        See rules.md#transfers-that-are-announced.

        `announce` says that the account is new or revived: it takes the settings of its
        currency, and its AccountUpdate is emitted at once instead of later.
        """
        if announce:
            # The new rate may come before the interest is brought up to date, because a new or
            # deleted account has neither principal nor interest.
            account = self.initialized(replace(account, is_deleted=False))
        assert amount != 0, "every transfer moves something"
        is_announced = _is_announced(account, amount, payment)
        after = accounts.moved(account, amount, payment.committed_at, is_announced, self.now)
        if after.principal != account.principal + amount:
            self.overflows += 1
            self.alarms.append(Alarm("principal overflow", account_key(account)))
        if is_announced:
            self.events.append(
                announcements.account_transfer(
                    after, account.last_transfer_number, amount, other_creditor_id, payment, self.now
                )
            )
        if announce:
            return self.announce(after)
        self.store(after)
        return after

    def enter(
        self,
        sender: Account | None,
        recipient: Account | None,
        keys: tuple[int, int, int],
        amount: int,
        payment: Payment,
    ) -> None:
        """Write a transfer into the journal, right after both parties of this shard were changed.

        `keys` are debtor, sender and recipient; a party that is None is on another shard.
        """
        debtor_id, sender_id, recipient_id = keys
        assert amount > 0, "from the sender to the recipient"
        assert sender is not None or recipient is not None, "a transfer between others is none of ours"
        self.entries.append(
            Entry(
                applied_at=self.now,
                debtor_id=debtor_id,
                sender_creditor_id=sender_id,
                recipient_creditor_id=recipient_id,
                amount=amount,
                sender_principal=None if sender is None else sender.principal,
                recipient_principal=None if recipient is None else recipient.principal,
                sender_created_at=None if sender is None else sender.created_at,
                recipient_created_at=None if recipient is None else recipient.created_at,
                sender_transfer_number=_announced_number(sender, -amount, payment),
                recipient_transfer_number=_announced_number(recipient, amount, payment),
                committed_at=payment.committed_at,
                transfer_id=payment.transfer_id,
                coordinator_id=payment.coordinator_id,
                coordinator_request_id=payment.coordinator_request_id,
                coordinator_type=payment.coordinator_type,
                transfer_note_format=payment.transfer_note_format,
                transfer_note=payment.transfer_note,
            )
        )


def _announced_number(account: Account | None, amount: int, payment: Payment) -> int:
    """The number of the AccountTransfer that the account has just got; 0 if it was suppressed."""
    if account is None or not _is_announced(account, amount, payment):
        return 0
    return account.last_transfer_number


def _is_announced(account: Account, amount: int, payment: Payment) -> bool:
    """Whether an AccountTransfer is sent to this party (rules.md#transfers-that-are-announced)."""
    if account.creditor_id == ROOT_CREDITOR_ID:
        return False
    return not accounts.is_negligible(account, payment.coordinator_type, amount)
