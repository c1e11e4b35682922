"""A batch: folds the ladders over messages, and collects what they change and emit.

Each message sees what the earlier ones of its batch did (spec: accounting.md S7).
"""

from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.messages import (
    ConfigureAccount,
    FinalizeTransfer,
    Message,
    PendingBalanceChange,
    PrepareTransfer,
)
from swpt_accounts.wire.moments import Moment

from . import accounts, announcements, transfers
from .accounts import Account
from .book import Book
from .currency import Currency
from .facts import Credit, Payment, RefusedCredit, RequestKey, request_key
from .root_config import settings_of
from .transfers import PreparedTransfer, Rejection


class Ledger(Book):
    """A book to which messages are applied, one after the other."""

    def apply(self, message: Message) -> None:
        """Decide one message, and remember what it changes and emits."""
        if isinstance(message, PrepareTransfer):
            self._prepare(message)
        elif isinstance(message, FinalizeTransfer):
            self._finalize(message)
        elif isinstance(message, ConfigureAccount):
            self._configure(message)
        else:
            self._apply_credit(message)

    def _ignore(self, message: Message, rule: str) -> None:
        self.ignored.append((type(message).__name__, rule))

    # -- ConfigureAccount ----------------------------------------------------------------------

    def _configure(self, message: ConfigureAccount) -> None:
        """Spec: accounting.md section 5."""
        key = message.debtor_id, message.creditor_id
        account = self.accounts.get(key)
        is_root = message.creditor_id == numbers.ROOT_CREDITOR_ID
        settings = settings_of(message.config_data) if is_root else None
        is_valid = settings is not None if is_root else message.config_data == ""
        rule = accounts.judge_configuration(account, message, is_valid, self.policy, self.now)
        if rule in ("C1", "C2"):
            self._ignore(message, rule)
            return
        if rule == "C3":
            self.events.append(announcements.rejected_config(message, self.now))
            return
        if is_root:
            assert settings is not None
            self.currencies[message.debtor_id] = Currency(message.config_data, settings)
            self.root_configurations[message.debtor_id] = message.config_data
        needs_settings = account is None or account.is_deleted
        account = account or accounts.new_account(*key, self.now)
        account = accounts.configured(accounts.begin_change(account, self.now), message, self.now)
        if needs_settings:
            account = self.initialized(account)
        self.announce(account)

    # -- PrepareTransfer -----------------------------------------------------------------------

    def _prepare(self, message: PrepareTransfer) -> None:
        """Spec: accounting.md section 6."""
        request = request_key(message)
        repeated = self.requests.get(request)
        if repeated is not None:  # P2
            self.events.append(announcements.prepared_transfer(repeated, self.now))
            return
        sender = self.accounts.get((message.debtor_id, message.creditor_id))
        recipient = transfers.parse_recipient(message.recipient)
        answer = transfers.prepare(
            sender,
            message,
            recipient,
            recipient is not None and self._is_reachable(message.debtor_id, recipient),
            self._min_balance(sender),
            self.policy,
            self.now,
        )
        if isinstance(answer, Rejection):
            self.events.append(announcements.rejected_transfer(message, answer, self.now))
            return
        assert sender is not None
        self.store(transfers.locked(sender, answer))
        self._remember(answer, request)
        self.events.append(announcements.prepared_transfer(answer, self.now))

    def _is_reachable(self, debtor_id: int, creditor_id: int) -> bool:
        """Spec: accounting.md section 6, rule P4.  Accounts of this batch are seen as it left them."""
        if creditor_id == numbers.ROOT_CREDITOR_ID:
            return True
        key = debtor_id, creditor_id
        account = self.accounts.get(key)
        return key in self.reachable if account is None else accounts.is_reachable(account)

    def _min_balance(self, account: Account | None) -> int:
        if account is None or account.creditor_id != numbers.ROOT_CREDITOR_ID:
            return 0
        currency = self.currencies.get(account.debtor_id)
        return accounts.min_balance(account, currency.settings if currency is not None else None)

    def _remember(self, transfer: PreparedTransfer, request: RequestKey) -> None:
        key = transfer.debtor_id, transfer.creditor_id, transfer.transfer_id
        self.prepared[key] = transfer
        self.new_transfers[key] = transfer
        self.requests[request] = transfer

    def _forget(self, transfer: PreparedTransfer, request: RequestKey) -> None:
        key = transfer.debtor_id, transfer.creditor_id, transfer.transfer_id
        del self.prepared[key]
        del self.requests[request]
        if self.new_transfers.pop(key, None) is None:
            self.removed_transfers.append(key)

    # -- FinalizeTransfer ----------------------------------------------------------------------

    def _finalize(self, message: FinalizeTransfer) -> None:
        """Spec: accounting.md section 7."""
        transfer = self.prepared.get((message.debtor_id, message.creditor_id, message.transfer_id))
        request = request_key(message)
        if transfer is None or self.requests.get(request) is not transfer:  # F1
            self._ignore(message, "F1")
            return
        sender = self.accounts[message.debtor_id, message.creditor_id]
        status = transfers.finalize(
            sender, transfer, message, self._min_balance(sender), self.policy, self.now
        )
        finalized_at = max(self.now, transfer.prepared_at)
        amount = message.committed_amount if status == codes.OK else 0
        sender = transfers.unlocked(sender, transfer)
        self.store(sender)
        self._forget(transfer, request)
        total_locked = sender.total_locked_amount
        self.events.append(
            announcements.finalized_transfer(transfer, status, amount, total_locked, finalized_at)
        )
        if amount > 0:
            self._move(sender, transfer, amount, message, finalized_at)

    def _move(
        self,
        sender: Account,
        transfer: PreparedTransfer,
        amount: int,
        message: FinalizeTransfer,
        finalized_at: Moment,
    ) -> None:
        """Debit the sender and credit the recipient (accounting.md section 7, steps 4 to 6)."""
        payment = Payment(
            transfer.coordinator_type,
            finalized_at,
            message.transfer_note,
            message.transfer_note_format,
            transfer.transfer_id,
            transfer.coordinator_id,
            transfer.coordinator_request_id,
        )
        debtor_id, sender_id, recipient_id = (
            sender.debtor_id,
            sender.creditor_id,
            transfer.recipient_creditor_id,
        )
        sender = self.change(sender, -amount, recipient_id, payment, announce=False)
        recipient = self.credit(debtor_id, recipient_id, amount, sender_id, payment, transfer.transfer_id)
        self.enter(sender, recipient, (debtor_id, sender_id, recipient_id), amount, payment)

    # -- PendingBalanceChange ------------------------------------------------------------------

    def _apply_credit(self, message: PendingBalanceChange) -> None:
        """Spec: accounting.md section 8.2."""
        key = message.debtor_id, message.other_creditor_id, message.change_id
        credit = Credit(message.creditor_id, message.principal_delta, message.committed_at)
        known = self.credits.get(key)
        if known == credit:  # B1
            self._ignore(message, "B1")
        elif known is not None:  # B2
            self.refused_credits.append(RefusedCredit(message, "credit_conflict"))
        elif message.committed_at < self.now - self.policy.credit_safe_age:  # B3
            self.refused_credits.append(RefusedCredit(message, "credit_too_old"))
        else:  # B4
            self.credits[key] = self.new_credits[key] = credit
            self._credit_from_afar(message)

    def _credit_from_afar(self, message: PendingBalanceChange) -> None:
        """Rule B4: the sender is on another shard, so that the journal knows one party only."""
        delta = message.principal_delta
        payment = Payment(
            message.coordinator_type,
            message.committed_at,
            message.transfer_note,
            message.transfer_note_format,
            message.change_id,
        )
        debtor_id, this, other = message.debtor_id, message.creditor_id, message.other_creditor_id
        account = self.credit(debtor_id, this, delta, other, payment, message.change_id)
        assert account is not None, "the account belongs to this shard"
        if delta > 0:
            self.enter(None, account, (debtor_id, other, this), delta, payment)
        else:
            self.enter(account, None, (debtor_id, this, other), -delta, payment)
