"""What an application sees of an account."""

from datetime import datetime

import msgspec

from .account import balance
from .moments import Moment, of_datetime, to_datetime
from .records import Account as AccountRecord
from .records import AccountKey, ConfigurationState


class Account(msgspec.Struct, frozen=True):
    """An account of ours, as far as the server has told; `record` has all there is."""

    record: AccountRecord

    @property
    def key(self) -> AccountKey:
        """The debtor, and the creditor."""
        return self.record.key

    @property
    def account_id(self) -> str:
        """The public identifier: what others write as the recipient.  Empty as long as it is not known."""
        return "" if self.record.data is None else self.record.data.account_id

    @property
    def state(self) -> ConfigurationState:
        """How far the server has followed the configuration that we want."""
        return self.record.configuration.state

    @property
    def is_effectual(self) -> bool:
        """The server has shown that the configuration which we want is in effect."""
        return self.state is ConfigurationState.EFFECTUAL

    @property
    def principal(self) -> int:
        """After the last entry of the ledger; 0 if there is none.  Interest is not in it until it is paid."""
        return 0 if self.record.ledger is None else self.record.ledger.principal

    @property
    def last_heartbeat(self) -> datetime | None:
        """When the server was heard of the account; None if never."""
        data = self.record.data
        return None if data is None else to_datetime(data.last_heartbeat_ts)

    def balance_at(self, at: datetime) -> float:
        """The balance at a moment, interest included, from the latest AccountUpdate.

        Of a changed balance the server tells up to a minute late; the ledger is at once.
        """
        return balance(self.record, _moment(at))


def _moment(at: datetime) -> Moment:
    if at.tzinfo is None:
        raise ValueError("a moment must have an offset")
    return of_datetime(at)
