"""Steps that only an operator asks for: counters after a restore, an order key that is set back.

Pure, on the same book as the messages (rules.md#after-a-restore, rules.md#choice-32).
"""

from typing import Final

from swpt_accounts.wire.moments import MICROSECONDS, Moment
from swpt_accounts.wire.numbers import is_later_number

from . import accounts
from .accounts import Account, replace
from .book import Book
from .facts import AccountKey
from .upkeep import announce_anew

SKIPPED_NUMBERS: Final = 2**20
"""So many numbers are left out after a restore: more than the lost time can have used."""


def least_transfer_id(restored_at: Moment) -> int:
    """No transfer id that was given before the restoration is greater; day and part of day, times 2^40."""
    return (restored_at // MICROSECONDS << 40) // 86400


def raised(account: Account, restored_at: Moment) -> Account:
    """The account with counters that leave out all that may have been announced before the restoration.

    No AccountTransfer is ever sent for a root account, so that its number stays 0 (V7).
    """
    skipped = 0 if account.is_root else SKIPPED_NUMBERS
    return replace(
        account,
        last_transfer_id=max(account.last_transfer_id, least_transfer_id(restored_at)),
        last_transfer_number=account.last_transfer_number + skipped,
        last_change_seqnum=(account.last_change_seqnum + SKIPPED_NUMBERS + 2**31) % 2**32 - 2**31,
    )


def restore(book: Book, key: AccountKey, restored_at: Moment) -> bool:
    """Raise the counters of an account; says whether it was announced anew.

    A deleted account is not announced, and an account of another shard neither.
    """
    book.store(raised(book.accounts[key], restored_at))
    return book.policy.realm.owns(*key) and announce_anew(book, key)


def set_back_configuration(book: Book, key: AccountKey, ts: Moment, seqnum: int) -> bool:
    """Give an account an earlier order key, so that configurations are accepted from there on.

    False: the account has no later key than this one.  What is configured stays.
    """
    account = book.accounts[key]
    last = account.last_config_ts, account.last_config_seqnum
    if ts > last[0] or (ts == last[0] and not is_later_number(last[1], seqnum)):
        return False
    if account.is_deleted:
        # Nothing is announced, and the moment of the last change decides when it is purged.
        book.store(replace(account, last_config_ts=ts, last_config_seqnum=seqnum))
        return True
    account = accounts.begin_change(account, book.now)
    book.announce(replace(account, last_config_ts=ts, last_config_seqnum=seqnum))
    return True
