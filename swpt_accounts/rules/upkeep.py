"""Steps that no message asks for: announcements, settings, interest, deletion, purge, reminders.

Pure, on the same book as the messages (rules.md#periodic-work).  Each step
checks its condition again, because what was due when it was found may be done by now, and says
whether it did anything.
"""

import math

import msgspec

from swpt_accounts.wire import codes, numbers
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY, T0, Moment, is_astray, is_over

from . import accounts, announcements
from .accounts import Account, replace
from .balances import contain
from .book import Book
from .facts import AccountKey, Payment, TransferKey
from .policy import Periods

INTEREST_NOTE = "Interest payment"
DELETE_NOTE = "Zeroing out before account deletion"


def tend(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Do for an account whatever is due, in this order; says whether anything was."""
    done = [
        begin_wait_anew(book, key, periods),
        purge(book, key, periods),
        delete(book, key, periods),
        apply_settings(book, key),
        capitalize(book, key, periods),
        heartbeat(book, key, periods),
    ]
    return any(done)


def begin_wait_anew(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Let the quiet times of an account that is to leave begin now, if they begin ahead of the clock.

    They protect its owner, so they are not cut short; and nobody else hears of these moments.
    """
    account = book.accounts.get(key)
    if account is None or not (account.is_deleted or account.is_scheduled_for_deletion):
        return False
    now, changes = book.now, {}
    if is_astray(account.last_config_applied_at, periods.deletion_quiet_time, now):
        changes["last_config_applied_at"] = now
    if is_astray(account.last_deletion_ts, periods.deletion_retry_interval, now):
        changes["last_deletion_ts"] = now
    if changes:
        book.store(replace(account, **changes))
    return bool(changes)


# -- announcements -----------------------------------------------------------------------------


def announce_pending(book: Book, key: AccountKey) -> bool:
    """Emit the AccountUpdate of a changed balance, if it is due (rules.md#balance-changes).

    The emission changes neither number, nor last_change_ts, nor interest.
    """
    due_at = due_later(book, key)
    if due_at is None or due_at > book.now:
        return False
    book.announce(replace(book.accounts[key], last_delayed_update_ts=book.now))
    return True


def due_later(book: Book, key: AccountKey) -> Moment | None:
    """When a pending AccountUpdate has to be looked at again; None if nothing is pending."""
    account = book.accounts.get(key)
    if account is None or account.is_deleted or account.update_pending_since == T0:
        return None
    return accounts.update_due_at(account, book.policy, book.now)


def heartbeat(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Repeat the AccountUpdate of a silent account (rules.md#heartbeats).

    It is a meaningful change if the server's own settings have grown meanwhile
    (rules.md#promises-of-the-server).
    """
    account = book.accounts.get(key)
    if account is None or account.is_deleted:
        return False
    if not is_over(account.last_update_ts, periods.heartbeat_interval + 1, book.now):
        return False
    if account.announced_settings != book.policy.settings_version:
        account = accounts.begin_change(account, book.now)
    book.announce(account)
    return True


def announce_anew(book: Book, key: AccountKey) -> bool:
    """Announce an account with a new number, whatever was announced before (rules.md#after-a-restore)."""
    account = book.accounts.get(key)
    if account is None or account.is_deleted:
        return False
    book.announce(accounts.begin_change(account, book.now))
    return True


def remind(book: Book, key: TransferKey, periods: Periods) -> bool:
    """Announce a prepared transfer that waits, once per interval, forever (rules.md#reminders)."""
    transfer = book.prepared.get(key)
    if transfer is None:
        return False
    wait = periods.reminder_interval + 1
    if not (
        is_over(transfer.prepared_at, wait, book.now) and is_over(transfer.last_reminder_ts, wait, book.now)
    ):
        return False
    # First the event: if it can not be made, nobody has been reminded.
    event = announcements.prepared_transfer(transfer, book.now)
    book.prepared[key] = msgspec.structs.replace(transfer, last_reminder_ts=book.now)
    book.reminded_transfers.append(key)
    book.events.append(event)
    return True


# -- settings and interest ---------------------------------------------------------------------


def apply_settings(book: Book, key: AccountKey) -> bool:
    """Bring rate and info of an account to the settings of its currency.

    See rules.md#rate-and-info-of-an-account.
    """
    account = book.accounts.get(key)
    currency = book.currencies.get(key[0])
    if account is None or currency is None or currency.settings is None:
        return False
    changes = accounts.settings_changes(account, currency.settings, book.policy, book.now)
    if not changes:
        return False
    book.announce(replace(accounts.begin_change(account, book.now), **changes))
    return True


def capitalize(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Pay the accumulated interest, if it is worth it (rules.md#interest-payments)."""
    account = book.accounts.get(key)
    if account is None or account.is_root or account.is_deleted:  # K1
        return False
    if not is_over(account.last_capitalization_ts, periods.capitalization_min_interval, book.now):  # K2
        return False
    amount = math.floor(accounts.interest_at(account, book.now))
    if amount == 0:  # K3
        return False
    if abs(amount) / (1 + abs(account.principal)) <= periods.capitalization_min_ratio:  # K4
        return False
    account = replace(account, last_capitalization_ts=book.now)  # K5
    # From one end of the range to the other would be more than an amount can be.
    paid = contain(contain(account.principal + amount) - account.principal)
    if paid == 0:
        return False
    account = pay(book, account, paid, codes.CT_INTEREST, INTEREST_NOTE)
    book.store(replace(account, interest=account.interest - float(paid)))
    return True


# -- deletion and purge ------------------------------------------------------------------------


def delete(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Mark a scheduled account as deleted, when nobody loses anything (rules.md#deletion)."""
    account = book.accounts.get(key)
    if account is None or not is_deletable(account, book.now, periods):
        return False
    if key in book.incoming:  # D5
        return False
    balance = accounts.balance_at(account, book.now)
    if balance < 0 and not account.is_root:
        book.debts_forgiven += 1
    if account.principal != 0:
        account = pay(book, account, -account.principal, codes.CT_DELETE, DELETE_NOTE)
    else:
        account = accounts.begin_change(account, book.now)
    assert account.principal == 0, "what was left went to the root account"
    book.announce(
        replace(account, interest=0.0, total_locked_amount=0, is_deleted=True, last_deletion_ts=book.now)
    )
    return True


def is_deletable(account: Account, now: Moment, periods: Periods) -> bool:
    """All conditions of a deletion but D5, which needs a look at other accounts' transfers."""
    if account.is_deleted or not account.is_scheduled_for_deletion:  # D1
        return False
    if not is_over(account.created_at, periods.deletion_min_age, now):  # D2
        return False
    if now - account.last_config_applied_at < periods.deletion_quiet_time:  # D3
        return False
    if account.pending_transfers_count != 0:  # D4
        return False
    if not _is_forfeitable(account, now, periods):  # D6
        return False
    return now - account.last_deletion_ts >= periods.deletion_retry_interval  # D7


def _is_forfeitable(account: Account, now: Moment, periods: Periods) -> bool:
    """Whether the owner loses nothing that matters; the comparison with a float is exact."""
    if account.is_root:
        return account.principal == 0
    balance = accounts.balance_at(account, now)
    return balance <= account.negligible_amount or balance <= periods.deletion_dust_amount


def purge(book: Book, key: AccountKey, periods: Periods) -> bool:
    """Remove an account that was deleted long ago (rules.md#purge)."""
    account = book.accounts.get(key)
    if account is None or not is_purgeable(account, book.now, periods):
        return False
    if key in book.incoming:  # G4
        return False
    book.remove(account)
    book.events.append(announcements.account_purge(account, book.now))
    return True


def is_purgeable(account: Account, now: Moment, periods: Periods) -> bool:
    """All conditions of a purge but G4, which needs a look at other accounts' transfers."""
    if not account.is_deleted:  # G1
        return False
    left_at = account.last_change_ts
    if is_astray(left_at, periods.purge_delay, now):
        # It never decreases, so it says nothing about a deletion after the clock was set back.
        left_at = account.last_deletion_ts
    if left_at >= now - periods.purge_delay:  # G2
        return False
    created_day = account.created_at // MICROSECONDS_PER_DAY
    return created_day < (now - periods.purge_min_age) // MICROSECONDS_PER_DAY  # G3


# -- payments ----------------------------------------------------------------------------------


def pay(book: Book, account: Account, amount: int, coordinator_type: str, note: str) -> Account:
    """Move `amount`, maybe negative, from the root account to this one (rules.md#payments-of-the-server).

    The account is changed with one new number, and returned; the caller has made sure that the
    amount keeps it in range.
    """
    if len(note) > book.policy.transfer_note_max_bytes:
        note = ""
    debtor_id, creditor_id = account.debtor_id, account.creditor_id
    is_local = book.policy.realm.owns(debtor_id, numbers.ROOT_CREDITOR_ID)
    if not is_local:
        account = replace(account, last_transfer_id=account.last_transfer_id + 1)
    transfer_id = 0 if is_local else account.last_transfer_id
    payment = Payment(coordinator_type, book.now, note, transfer_id=transfer_id)
    root_id = numbers.ROOT_CREDITOR_ID
    account = book.change(account, amount, root_id, payment, announce=False)
    root = book.credit(debtor_id, root_id, -amount, creditor_id, payment)
    if amount > 0:
        book.enter(root, account, (debtor_id, root_id, creditor_id), amount, payment)
    else:
        book.enter(account, root, (debtor_id, creditor_id, root_id), -amount, payment)
    return account
