"""Locks accounts, always in the order of their keys, and reads those that are not known."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, get_type_hints

import msgspec

from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.currency import DebtorInfo
from swpt_accounts.rules.facts import AccountKey
from swpt_accounts.storage.arrays import int_array

from . import columns
from . import reading as sql
from .account_memory import UNKNOWN, AccountMemory
from .debtor_infos import DebtorInfos

_INFO: Final = columns.ACCOUNT_COLUMNS.index("debtor_info_id")

# A row of `columns.ACCOUNT_ROW`: the fields of an account, but with the number of the info, and the version.
_ROW_TYPES: Final = tuple(
    int if kind is DebtorInfo else kind for kind in (*get_type_hints(Account).values(), int)
)
_read_rows: Final = msgspec.json.Decoder(list[tuple[_ROW_TYPES]]).decode  # type: ignore[valid-type]


def lock_accounts(cursor: Any, keys: Iterable[AccountKey], infos: DebtorInfos) -> dict[AccountKey, Account]:
    """Lock the existing ones of these accounts in the order of their keys, and read them (rule S2)."""
    return ask_for_accounts(cursor, keys, infos, None)()


def ask_for_accounts(
    cursor: Any, keys: Iterable[AccountKey], infos: DebtorInfos, memory: AccountMemory | None
) -> Callable[[], dict[AccountKey, Account]]:
    """Lock the existing ones of these accounts; the answer holds them, as remembered if they still are so."""
    ordered = sorted(keys)
    if not ordered:
        return dict
    if memory is None:
        recalled = {}
        versions = [UNKNOWN] * len(ordered)
    else:
        recalled = memory.recall(cursor.connection, ordered)
        versions = [recalled[key][0] if key in recalled else UNKNOWN for key in ordered]
    debtor_ids, creditor_ids = zip(*ordered, strict=True)
    sql.LOCK_ACCOUNTS.run(cursor, [int_array(debtor_ids), int_array(creditor_ids), int_array(versions)])
    accounts = {key: account for key, (_, account) in recalled.items()}

    def take() -> dict[AccountKey, Account]:
        unchanged, text = cursor.fetchone()
        fresh = _read(cursor, text, infos, memory) if text else {}
        if unchanged + len(fresh.keys() & accounts.keys()) < len(accounts):
            # Somebody has purged accounts that we remember: then ask which ones there are.
            return lock_accounts(cursor, ordered, infos)
        accounts.update(fresh)
        return accounts

    return take


def accounts_of(cursor: Any, rows: Sequence[Any], infos: DebtorInfos) -> dict[AccountKey, Account]:
    """Rows that hold `columns.ACCOUNT_ROW` alone as accounts, in the order of the rows."""
    return _read(cursor, ",".join([text for (text,) in rows]), infos, None)


def _read(
    cursor: Any, texts: str, infos: DebtorInfos, memory: AccountMemory | None
) -> dict[AccountKey, Account]:
    # PostgreSQL writes -0.0 as an integer, which has no sign in JSON.
    rows: list[Any] = _read_rows(f"[{texts}]".replace("-0,", "-0.0,"))
    known = infos.load(cursor, {row[_INFO] for row in rows})
    accounts = {}
    for row in rows:
        account = Account(*row[:_INFO], known[row[_INFO]], *row[_INFO + 1 : -1])  # type: ignore[call-arg]
        accounts[row[0], row[1]] = account
        if memory is not None:
            memory.keep(row[-1], [account])
    return accounts
