"""Decides messages: finds the rung of its ladder, and gives the book what follows from it.

Each message sees what the earlier ones of its batch did (rule S7).
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
from .facts import (
    Credit,
    Payment,
    RefusedCredit,
    RequestKey,
    account_key,
    credit_key,
    request_key,
    transfer_key,
)
from .flows import slot_of
from .refusals import refused_commit, refused_config, refused_transfer
from .root_config import settings_of
from .transfers import PreparedTransfer, Rejection


def decide(book: Book, message: Message) -> None:
    """Decide one message, and remember what it changes and emits for those that follow (rule S7)."""
    if isinstance(message, PrepareTransfer):
        _prepare(book, message)
    elif isinstance(message, FinalizeTransfer):
        _finalize(book, message)
    elif isinstance(message, ConfigureAccount):
        _configure(book, message)
    else:
        _apply_credit(book, message)


def _ignore(book: Book, message: Message, rule: str) -> None:
    book.ignored.append((type(message).__name__, rule))


# -- ConfigureAccount ---------------------------------------------------------------------------


def _configure(book: Book, message: ConfigureAccount) -> None:
    """See rules.md#configurations."""
    key = account_key(message)
    account = book.accounts.get(key)
    is_root = message.creditor_id == numbers.ROOT_CREDITOR_ID
    settings = settings_of(message.config_data) if is_root else None
    is_valid = settings is not None if is_root else message.config_data == ""
    rule = accounts.judge_configuration(account, message, is_valid, book.policy, book.now)
    if rule in ("C1", "C2"):
        _ignore(book, message, rule)
        return
    if rule == "C3":
        book.events.append(announcements.rejected_config(message, book.now))
        book.refusals.append(refused_config(message))
        return
    if is_root:
        assert settings is not None, "rule C3 has refused the others"
        book.currencies[message.debtor_id] = Currency(message.config_data, settings)
        book.root_configurations[message.debtor_id] = message.config_data
    needs_settings = account is None or account.is_deleted
    account = account or accounts.new_account(*key, book.now)
    account = accounts.configured(accounts.begin_change(account, book.now), message, book.now)
    if needs_settings:
        account = book.initialized(account)
    book.announce(account)


# -- PrepareTransfer ----------------------------------------------------------------------------


def _prepare(book: Book, message: PrepareTransfer) -> None:
    """See rules.md#preparing-a-transfer."""
    request = request_key(message)
    if request in book.waiting:  # P1
        _ignore(book, message, "P1")
        return
    repeated = book.requests.get(request)
    if repeated is not None:  # P2
        book.events.append(announcements.prepared_transfer(repeated, book.now))
        return
    recipient = transfers.parse_recipient(message.recipient)
    is_reachable = False if recipient is None else _is_reachable(book, message, recipient)
    if is_reachable is None:
        book.waiting[request] = book.new_waiting[request] = message
        return
    _lock(book, message, recipient, is_reachable=is_reachable)


def answer_waiting(book: Book, request: PrepareTransfer, *, is_reachable: bool) -> None:
    """Go on with a request that has waited for another shard, by what that has said (rules P4 to P11)."""
    recipient = transfers.parse_recipient(request.recipient)
    assert recipient is not None, "rule P3 has refused the others"
    assert book.policy.realm.owns(*account_key(request)), "requests of other shards are theirs"
    _lock(book, request, recipient, is_reachable=is_reachable)


def _lock(book: Book, message: PrepareTransfer, recipient: int | None, *, is_reachable: bool) -> None:
    """Prepare a transfer, or say why not."""
    request = request_key(message)
    sender = book.accounts.get(account_key(message))
    min_balance = _min_balance(book, sender)
    answer = transfers.prepare(
        sender,
        message,
        recipient,
        is_reachable,
        min_balance,
        book.policy,
        book.now,
    )
    if isinstance(answer, Rejection):
        book.events.append(announcements.rejected_transfer(message, answer, book.now))
        book.refusals.append(refused_transfer(message, answer, sender, min_balance, book.policy, book.now))
        return
    assert sender is not None, "rule P5 has refused the others"
    book.store(transfers.locked(sender, answer))
    _remember(book, answer, request)
    book.events.append(announcements.prepared_transfer(answer, book.now))


def _is_reachable(book: Book, message: PrepareTransfer, creditor_id: int) -> bool | None:
    """Rule P4; None if another shard has to be asked.  Accounts of this batch are seen as it left them."""
    if creditor_id == numbers.ROOT_CREDITOR_ID:
        return True
    key = message.debtor_id, creditor_id
    if not book.policy.realm.owns(*key):
        # Nobody asks for an agent; and no shard says no by not having been asked.
        return True if key in book.reachable or message.coordinator_type == codes.CT_AGENT else None
    account = book.accounts.get(key)
    return key in book.reachable if account is None else accounts.is_reachable(account)


def _min_balance(book: Book, account: Account | None) -> int:
    if account is None or account.creditor_id != numbers.ROOT_CREDITOR_ID:
        return 0
    currency = book.currencies.get(account.debtor_id)
    return accounts.min_balance(account, currency.settings if currency is not None else None)


def _remember(book: Book, transfer: PreparedTransfer, request: RequestKey) -> None:
    key = transfer_key(transfer)
    book.prepared[key] = transfer
    book.new_transfers[key] = transfer
    book.requests[request] = transfer


def _forget(book: Book, transfer: PreparedTransfer, request: RequestKey) -> None:
    key = transfer_key(transfer)
    del book.prepared[key]
    del book.requests[request]
    if book.new_transfers.pop(key, None) is None:
        book.removed_transfers.append(key)


# -- FinalizeTransfer ---------------------------------------------------------------------------


def _finalize(book: Book, message: FinalizeTransfer) -> None:
    """See rules.md#finalizing-a-transfer."""
    transfer = book.prepared.get(transfer_key(message))
    request = request_key(message)
    if transfer is None or book.requests.get(request) is not transfer:  # F1
        _ignore(book, message, "F1")
        return
    sender = book.accounts[account_key(message)]
    min_balance = _min_balance(book, sender)
    status = transfers.finalize(sender, transfer, message, min_balance, book.policy, book.now)
    finalized_at = max(book.now, transfer.prepared_at)
    amount = message.committed_amount if status == codes.OK else 0
    sender = transfers.unlocked(sender, transfer)
    book.store(sender)
    _forget(book, transfer, request)
    total_locked = sender.total_locked_amount
    book.events.append(announcements.finalized_transfer(transfer, status, amount, total_locked, finalized_at))
    if status != codes.OK:
        book.refusals.append(
            refused_commit(transfer, message, status, sender, min_balance, book.policy, book.now)
        )
    if amount > 0:
        _move(book, sender, transfer, amount, message, finalized_at)


def _move(
    book: Book,
    sender: Account,
    transfer: PreparedTransfer,
    amount: int,
    message: FinalizeTransfer,
    finalized_at: Moment,
) -> None:
    """Debit the sender and credit the recipient (rule F7)."""
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
    sender = book.change(sender, -amount, recipient_id, payment, announce=False)
    recipient = book.credit(debtor_id, recipient_id, amount, sender_id, payment)
    book.enter(sender, recipient, (debtor_id, sender_id, recipient_id), amount, payment)


# -- PendingBalanceChange -----------------------------------------------------------------------


def _apply_credit(book: Book, message: PendingBalanceChange) -> None:
    """See rules.md#credits-from-other-shards."""
    key = credit_key(message)
    credit = Credit(message.creditor_id, message.principal_delta, message.committed_at)
    known = book.credits.get(key)
    if known == credit:  # B1
        _ignore(book, message, "B1")
    elif known is not None:  # B2
        book.refused_credits.append(RefusedCredit(message, "credit_conflict"))
    elif message.committed_at < book.now - book.policy.credit_safe_age:  # B3
        book.refused_credits.append(RefusedCredit(message, "credit_too_old"))
    else:  # B4
        book.credits[key] = book.new_credits[key] = credit
        _credit_from_afar(book, message)


def _credit_from_afar(book: Book, message: PendingBalanceChange) -> None:
    """Rule B4: the sender is on another shard, so that the journal knows one party only."""
    delta = message.principal_delta
    book.applied_credits[message.debtor_id, slot_of(message.committed_at)] += delta
    payment = Payment(
        message.coordinator_type,
        message.committed_at,
        message.transfer_note,
        message.transfer_note_format,
        message.change_id,
    )
    debtor_id, this, other = message.debtor_id, message.creditor_id, message.other_creditor_id
    account = book.credit(debtor_id, this, delta, other, payment)
    assert account is not None, "the account belongs to this shard"
    if delta > 0:
        book.enter(None, account, (debtor_id, other, this), delta, payment)
    else:
        book.enter(account, None, (debtor_id, this, other), -delta, payment)
