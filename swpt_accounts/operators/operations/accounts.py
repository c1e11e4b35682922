"""One account in the hands of an operator: its order key of configurations is set back.

See rules.md#accounts and rules.md#choice-32.
"""

from typing import Any

from swpt_accounts.operators.inspection.accounts import no_such_account
from swpt_accounts.rules.accounts import Account
from swpt_accounts.rules.interventions import set_back_configuration
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.transactions.books import Outcome, close_book, log_outcome, open_book
from swpt_accounts.transactions.context import TransactionContext
from swpt_accounts.wire.moments import Moment, render_timestamp

from .conflicts import transact
from .orders import Order


def set_back_config(
    connection: Any,
    debtor_id: int,
    creditor_id: int,
    ts: Moment,
    seqnum: int,
    *,
    context: TransactionContext,
    order: Order,
) -> Account:
    """Make an account take configurations again that are later than this order key.

    Only ever back: a later key would freeze the account.  Announced like every visible change.
    """
    key = debtor_id, creditor_id

    def set_back(cursor: Any) -> tuple[Account, Outcome]:
        book = open_book(cursor, context, [key])
        if key not in book.accounts:
            raise OperatorError(no_such_account(*key))
        before = book.accounts[key]
        if not set_back_configuration(book, key, ts, seqnum):
            raise OperatorError(
                f"the last configuration of {debtor_id}/{creditor_id} is {_shown(before)}: the order key can"
                " only be set back, to an earlier one"
            )
        outcome = close_book(cursor, context, book)
        after = book.accounts[key]
        detail = f"from {_shown(before)} to {_shown(after)}"
        order.write_down(cursor, "accounts set-back-config", f"account {debtor_id}/{creditor_id}", detail)
        return after, outcome

    account, outcome = transact(connection, set_back)
    log_outcome(outcome)
    return account


def _shown(account: Account) -> str:
    return f"{render_timestamp(account.last_config_ts)} with number {account.last_config_seqnum}"
