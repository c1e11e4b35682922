"""The client's ledger of one account, built from AccountTransfer messages.

See protocol.rst#account-ledger-records.
"""

from typing import Any, NamedTuple, TypeAlias

from swpt_accounts.wire.moments import Moment, parse_timestamp

Message: TypeAlias = dict[str, Any]
"""A message as JSON gives it."""


class Entry(NamedTuple):
    """A transfer in the ledger, or a dummy: what was missing, without a number."""

    number: int
    amount: int
    principal: int
    """What the server says that the principal was after the transfer."""
    note: str
    committed_at: Moment


class Ledger:
    """An account ledger record; messages may come in any order, any number of times."""

    def __init__(self) -> None:
        self.last_transfer_number = 0
        self.principal = 0
        self.entries: list[Entry] = []
        self.stored: dict[int, Message] = {}

    def take(self, transfer: Message) -> None:
        """Take an AccountTransfer, and append all that now follows the last entry."""
        number = transfer["transfer_number"]
        if number <= self.last_transfer_number or number in self.stored:
            return
        self.stored[number] = transfer
        by_predecessor = {one["previous_transfer_number"]: one for one in self.stored.values()}
        while (following := by_predecessor.get(self.last_transfer_number)) is not None:
            self._append(following)
            del self.stored[following["transfer_number"]]

    def _append(self, transfer: Message) -> None:
        moment = parse_timestamp(transfer["committed_at"])
        missing = transfer["principal"] - transfer["acquired_amount"] - self.principal
        if missing:
            before = self.principal + missing
            self.entries.append(Entry(0, missing, before, "(not announced)", moment))
        self.entries.append(
            Entry(
                transfer["transfer_number"],
                transfer["acquired_amount"],
                transfer["principal"],
                transfer["transfer_note"],
                moment,
            )
        )
        self.principal = transfer["principal"]
        self.last_transfer_number = transfer["transfer_number"]
