"""One account for operators: shown as it is, and its order key of configurations set back.

Spec: accounting.md sections 3.1 and 16.32.
"""

from typing import Any

import msgspec

from swpt_accounts import accounts
from swpt_accounts.account_locks import accounts_of, lock_accounts
from swpt_accounts.accounts import Account
from swpt_accounts.book import Book
from swpt_accounts.debtor_infos import DebtorInfos
from swpt_accounts.errors import OperatorError
from swpt_accounts.facts import Facts
from swpt_accounts.gathering import load_currencies, settings_of
from swpt_accounts.interventions import set_back_configuration
from swpt_accounts.moments import Moment, render_timestamp
from swpt_accounts.procedures import Bench
from swpt_accounts.statements import ACCOUNT_ROW
from swpt_accounts.storing import store

from .orders import Order
from .transactions import transact

_READ = f"SELECT {ACCOUNT_ROW} FROM account WHERE debtor_id = %s AND creditor_id = %s"  # noqa: S608


class ShownAccount(msgspec.Struct, frozen=True):
    """An account with its balance at a moment, in whole units, and what of it can be spent."""

    account: Account
    at: Moment
    balance: int
    available: int
    config_data: str


def show_account(connection: Any, debtor_id: int, creditor_id: int, now: Moment) -> ShownAccount:
    """The account at this moment; raises OperatorError if there is none."""
    with connection, connection.cursor() as cursor:
        cursor.execute(_READ, [debtor_id, creditor_id])
        found = accounts_of(cursor, cursor.fetchall(), DebtorInfos())
        account = found.get((debtor_id, creditor_id))
        if account is None:
            raise OperatorError(_no_such(debtor_id, creditor_id))
        currency = load_currencies(cursor, [debtor_id]).get(debtor_id) if account.is_root else None
    settings = None if currency is None else currency.settings
    available = accounts.available_at(account, now) - accounts.min_balance(account, settings)
    return ShownAccount(
        account=account,
        at=now,
        balance=accounts.balance_at(account, now),
        available=available,
        config_data="" if currency is None else currency.config_data,
    )


def set_back_config(
    connection: Any, debtor_id: int, creditor_id: int, ts: Moment, seqnum: int, *, bench: Bench, order: Order
) -> Account:
    """Make an account take configurations again that are later than this order key.

    Only ever back: a later key would freeze the account.  Announced like every visible change.
    """
    key = debtor_id, creditor_id

    def set_back(cursor: Any) -> Account:
        found = lock_accounts(cursor, [key], bench.infos)
        if key not in found:
            raise OperatorError(_no_such(*key))
        before = found[key]
        currencies = load_currencies(cursor, [debtor_id])
        facts = Facts(now=bench.clock(), policy=bench.policy, accounts=found, currencies=currencies)
        book = Book(facts, settings_of)
        if not set_back_configuration(book, key, ts, seqnum):
            raise OperatorError(
                f"the last configuration of {debtor_id}/{creditor_id} is {_told(before)}: the order key can"
                " only be set back, to an earlier one"
            )
        store(cursor, book, bench.infos, bench.publisher_key)
        after = book.accounts[key]
        detail = f"from {_told(before)} to {_told(after)}"
        order.write_down(cursor, "accounts set-back-config", f"account {debtor_id}/{creditor_id}", detail)
        return after

    return transact(connection, set_back)


def _told(account: Account) -> str:
    return f"{render_timestamp(account.last_config_ts)} with number {account.last_config_seqnum}"


def _no_such(debtor_id: int, creditor_id: int) -> str:
    return f"there is no account {debtor_id}/{creditor_id}"
