"""Entries in order: transfers come late, twice and in any order, and some never come.

An `Assembly` is the ledger of one account within one fold.  Transfers are appended along their
chain of numbers; what misses its predecessor is stored.  A dummy entry stands for what the
server does not announce, and for what was waited for in vain.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

import msgspec

from .messages import AccountTransfer
from .moments import DAY, Moment, later_by
from .pace import earliest
from .policy import Timers
from .records import AccountData, AccountKey, Entry, EntryKind, Ledger, LedgerKey, StoredTransfer

TRANSFER: Final = EntryKind.TRANSFER
NEGLIGIBLE: Final = EntryKind.NEGLIGIBLE
MISSING: Final = EntryKind.MISSING


class Assembly(msgspec.Struct):
    """The end of a ledger, what is stored for it, and what has been done to it."""

    key: LedgerKey
    """Which ledger it is."""
    creation_date: date
    last_transfer_number: int
    principal: int
    entry_count: int
    gap_since: Moment | None
    behind_since: Moment | None
    has_worried: bool
    waiting: dict[int, StoredTransfer] | None
    """All that is stored, by number; None if there is something that was not loaded."""
    entries: list[Entry]
    new_stored: dict[int, StoredTransfer]
    """Stored in this fold."""
    unstored: int
    """What is stored up to this number is not needed any more; 0 if nothing changes."""


def opened(key: AccountKey, ledger: Ledger, stored: Iterable[StoredTransfer] | None) -> Assembly:
    """Begin to work on a ledger.  `stored` is None if it was not loaded."""
    waiting: dict[int, StoredTransfer] | None = {}
    if stored is not None:
        waiting = {one.transfer.transfer_number: one for one in stored}
    elif ledger.gap_since is not None:
        waiting = None
    return Assembly(
        key=LedgerKey(key, ledger.creation_date),
        creation_date=ledger.creation_date,
        last_transfer_number=ledger.last_transfer_number,
        principal=ledger.principal,
        entry_count=ledger.entry_count,
        gap_since=ledger.gap_since,
        behind_since=ledger.behind_since,
        has_worried=ledger.has_worried,
        waiting=waiting,
        entries=[],
        new_stored={},
        unstored=0,
    )


def closed(assembly: Assembly) -> Ledger:
    """What is remembered of the ledger afterwards."""
    return Ledger(
        creation_date=assembly.creation_date,
        last_transfer_number=assembly.last_transfer_number,
        principal=assembly.principal,
        entry_count=assembly.entry_count,
        gap_since=assembly.gap_since,
        behind_since=assembly.behind_since,
        has_worried=assembly.has_worried,
    )


def needs_stored(ledger: Ledger, transfer: AccountTransfer) -> bool:
    """Whether a transfer can only be judged with all that is stored."""
    if ledger.gap_since is None or transfer.creation_date < ledger.creation_date:
        return False
    if transfer.creation_date > ledger.creation_date:
        return True
    return transfer.previous_transfer_number <= ledger.last_transfer_number < transfer.transfer_number


def arrive(assembly: Assembly, transfer: AccountTransfer, now: Moment) -> bool:
    """A transfer of this ledger arrives; False if it is known."""
    number = transfer.transfer_number
    if number <= assembly.last_transfer_number or number in assembly.new_stored:
        return False
    if assembly.waiting is not None and number in assembly.waiting:
        return False
    if transfer.previous_transfer_number == assembly.last_transfer_number:
        assert assembly.waiting is not None, "what is stored must be loaded, since it may follow"
        _append(assembly, transfer, now, NEGLIGIBLE)
        if assembly.waiting:
            _append_all_that_follow(assembly, now)
        else:
            assembly.gap_since = None
        return True
    arrived = StoredTransfer(arrived_at=now, transfer=transfer)
    assembly.new_stored[number] = arrived
    if assembly.waiting is not None:
        assembly.waiting[number] = arrived
    assembly.gap_since = now if assembly.gap_since is None else min(assembly.gap_since, now)
    return True


def _append(assembly: Assembly, transfer: AccountTransfer, now: Moment, dummy: EntryKind) -> None:
    difference = transfer.principal - transfer.acquired_amount - assembly.principal
    if difference != 0:
        _enter(assembly, dummy, difference, None, now)
    _enter(assembly, TRANSFER, transfer.acquired_amount, transfer, now)
    assembly.last_transfer_number = transfer.transfer_number


def _enter(
    assembly: Assembly, kind: EntryKind, amount: int, transfer: AccountTransfer | None, now: Moment
) -> None:
    assembly.entry_count += 1
    assembly.principal += amount
    assembly.entries.append(
        Entry(
            ledger=assembly.key,
            number=assembly.entry_count,
            kind=kind,
            acquired_amount=amount,
            principal=assembly.principal,
            added_at=now,
            transfer=transfer,
        )
    )


def _append_all_that_follow(assembly: Assembly, now: Moment) -> None:
    """Along the chain, and what has been overtaken is dropped."""
    waiting = assembly.waiting
    if not waiting:
        assembly.gap_since = None
        return
    # Of two that name the same predecessor (a server was restored) the smaller one follows.
    by_previous = {
        waiting[number].transfer.previous_transfer_number: waiting[number].transfer
        for number in sorted(waiting, reverse=True)
    }
    while (transfer := by_previous.get(assembly.last_transfer_number)) is not None:
        _append(assembly, transfer, now, NEGLIGIBLE)
    last = assembly.last_transfer_number
    overtaken = [number for number in waiting if number <= last]
    for number in overtaken:
        del waiting[number]
        assembly.new_stored.pop(number, None)
    if overtaken:
        assembly.unstored = last
    assembly.gap_since = min((one.arrived_at for one in waiting.values()), default=None)


def force(assembly: Assembly, now: Moment) -> None:
    """Append the smallest that is stored, and all that follow, with a dummy for what is missing."""
    assert assembly.waiting is not None, "what is stored must be loaded"
    if not assembly.waiting:
        return
    smallest = assembly.waiting[min(assembly.waiting)].transfer
    _append(assembly, smallest, now, MISSING)
    _append_all_that_follow(assembly, now)


def force_all(assembly: Assembly, now: Moment) -> None:
    """Append all that is stored: the ledger ends, or is brought to what the server has told."""
    while assembly.waiting is None or assembly.waiting:
        force(assembly, now)


def compare(assembly: Assembly, data: AccountData | None, now: Moment) -> None:
    """Is the ledger behind what the server has told?  Of another creation date it says nothing."""
    if (
        data is None
        or data.creation_date != assembly.creation_date
        or data.last_transfer_number <= assembly.last_transfer_number
    ):
        assembly.behind_since = None
        assembly.has_worried = False
    elif assembly.behind_since is None:
        assembly.behind_since = now


def close_tail(assembly: Assembly, data: AccountData | None, now: Moment) -> None:
    """Bring the ledger to what the server has told, with a dummy entry for what never arrived."""
    if data is None or data.creation_date != assembly.creation_date:
        return
    if data.last_transfer_number <= assembly.last_transfer_number:
        return
    difference = data.principal - assembly.principal
    if difference != 0:
        _enter(assembly, MISSING, difference, None, now)
    assembly.last_transfer_number = data.last_transfer_number
    compare(assembly, data, now)


def gap_ends_at(ledger: Ledger, timers: Timers) -> Moment | None:
    """When a gap has lasted too long."""
    return None if ledger.gap_since is None else later_by(ledger.gap_since, timers.gap)


def tail_ends_at(ledger: Ledger, data: AccountData | None, timers: Timers) -> Moment | None:
    """When a tail that nothing has followed is given up.

    A client that was away for weeks finds the update and the transfers in one queue, so it
    waits a while after the update has arrived, however old the transfer is.
    """
    if ledger.gap_since is not None or ledger.behind_since is None or data is None:
        return None
    by_age = later_by(data.last_transfer_committed_at, timers.gap)
    return max(by_age, later_by(ledger.behind_since, DAY))


def is_behind(ledger: Ledger | None, patience: int, now: Moment) -> bool:
    """Whether the server has told of transfers that this client does not get to see for so long."""
    if ledger is None or ledger.behind_since is None:
        return False
    return later_by(ledger.behind_since, patience) <= now


def due_at(ledger: Ledger | None, data: AccountData | None, timers: Timers) -> Moment | None:
    """When something has to be done about the ledger, or told."""
    if ledger is None or (ledger.gap_since is None and ledger.behind_since is None):
        return None
    worry = None
    if ledger.behind_since is not None and not ledger.has_worried:
        worry = later_by(ledger.behind_since, timers.behind)
    return earliest(gap_ends_at(ledger, timers), tail_ends_at(ledger, data, timers), worry)
