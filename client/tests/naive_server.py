"""A server as the protocol describes it, in the fewest words: no interest, no shards, no limits."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from swpt_client.limits import MAX_DELAY
from swpt_client.messages import (
    AccountTransfer,
    AccountUpdate,
    ClientMessage,
    ConfigureAccount,
    FinalizedTransfer,
    FinalizeTransfer,
    PreparedTransfer,
    PrepareTransfer,
    RejectedTransfer,
    ServerMessage,
)
from swpt_client.moments import DAY, SECOND, Moment, to_datetime
from swpt_client.records import AccountKey

from .server_messages import account_update


class NaiveServer:
    """Takes a message, gives its answers."""

    def __init__(self) -> None:
        self.accounts: dict[AccountKey, AccountUpdate] = {}
        self.journal: dict[AccountKey, list[AccountTransfer]] = {}
        self.prepared: dict[int, PreparedTransfer] = {}
        self.committed: list[FinalizeTransfer] = []
        self.next_id = 0

    def take(self, message: ClientMessage, now: Moment) -> list[ServerMessage]:
        """Everything that a message leads to."""
        if isinstance(message, ConfigureAccount):
            return list(self._configure(message, now))
        if isinstance(message, PrepareTransfer):
            return [self._prepare(message, now)]
        return list(self._finalize(message, now))

    def remind(self, now: Moment) -> list[ServerMessage]:
        """What still waits, and that accounts still exist."""
        return [
            *(replace(one, ts=now) for one in self.prepared.values()),
            *(replace(one, ts=now) for one in self.accounts.values()),
        ]

    def _change(self, key: AccountKey, now: Moment, **members: Any) -> AccountUpdate:
        old = self.accounts[key]
        ts = max(now, old.last_change_ts)
        number = old.last_change_seqnum + 1
        self.accounts[key] = replace(old, last_change_ts=ts, last_change_seqnum=number, ts=ts, **members)
        return self.accounts[key]

    def _configure(self, message: ConfigureAccount, now: Moment) -> Iterator[ServerMessage]:
        key = AccountKey(message.debtor_id, message.creditor_id)
        known = self.accounts.get(key)
        if known is None:
            if now - message.ts > 7 * DAY:
                return
            today = to_datetime(now).date()
            known = account_update(
                debtor_id=key.debtor_id,
                creditor_id=key.creditor_id,
                creation_date=today,
                account_id=str(key.creditor_id),
                last_change_ts=now,
                ts=now,
            )
            self.accounts[key], self.journal[key] = known, []
        elif (message.ts, message.seqnum) <= (known.last_config_ts, known.last_config_seqnum):
            return
        yield self._change(
            key,
            now,
            last_config_ts=message.ts,
            last_config_seqnum=message.seqnum,
            negligible_amount=message.negligible_amount,
            config_flags=message.config_flags,
        )

    def available(self, key: AccountKey) -> int:
        """What can be locked or paid."""
        if key.creditor_id == 0:
            return 10**15
        locked = sum(
            one.locked_amount
            for one in self.prepared.values()
            if AccountKey(one.debtor_id, one.creditor_id) == key
        )
        return self.accounts[key].principal - locked

    def _prepare(self, message: PrepareTransfer, now: Moment) -> ServerMessage:
        for one in self.prepared.values():
            if (one.coordinator_type, one.coordinator_id, one.coordinator_request_id) == (
                message.coordinator_type,
                message.coordinator_id,
                message.coordinator_request_id,
            ):
                return replace(one, ts=now)
        sender = AccountKey(message.debtor_id, message.creditor_id)
        recipient = AccountKey(message.debtor_id, int(message.recipient))
        status = ""
        if recipient not in self.accounts:
            status = "RECIPIENT_IS_UNREACHABLE"
        elif sender not in self.accounts:
            status = "SENDER_IS_UNREACHABLE"
        elif self.available(sender) < message.min_locked_amount:
            status = "INSUFFICIENT_AVAILABLE_AMOUNT"
        if status:
            return RejectedTransfer(
                debtor_id=message.debtor_id,
                creditor_id=message.creditor_id,
                coordinator_type=message.coordinator_type,
                coordinator_id=message.coordinator_id,
                coordinator_request_id=message.coordinator_request_id,
                status_code=status,
                total_locked_amount=0,
                ts=now,
            )
        self.next_id += 1
        deadline = now + 90 * DAY
        if message.max_commit_delay != MAX_DELAY:
            deadline = min(deadline, message.ts + message.max_commit_delay * SECOND)
        self.prepared[self.next_id] = PreparedTransfer(
            debtor_id=message.debtor_id,
            creditor_id=message.creditor_id,
            transfer_id=self.next_id,
            coordinator_type=message.coordinator_type,
            coordinator_id=message.coordinator_id,
            coordinator_request_id=message.coordinator_request_id,
            locked_amount=max(0, min(message.max_locked_amount, self.available(sender))),
            recipient=message.recipient,
            prepared_at=now,
            demurrage_rate=-50.0,
            deadline=deadline,
            final_interest_rate_ts=message.final_interest_rate_ts,
            ts=now,
        )
        return self.prepared[self.next_id]

    def _finalize(self, message: FinalizeTransfer, now: Moment) -> Iterator[ServerMessage]:
        one = self.prepared.get(message.transfer_id)
        if one is None or one.coordinator_request_id != message.coordinator_request_id:
            return
        del self.prepared[message.transfer_id]
        sender = AccountKey(one.debtor_id, one.creditor_id)
        amount, status = message.committed_amount, "OK"
        if amount and now > one.deadline:
            amount, status = 0, "TIMEOUT"
        elif amount > self.available(sender):
            amount, status = 0, "INSUFFICIENT_AVAILABLE_AMOUNT"
        yield FinalizedTransfer(
            debtor_id=one.debtor_id,
            creditor_id=one.creditor_id,
            transfer_id=one.transfer_id,
            coordinator_type=one.coordinator_type,
            coordinator_id=one.coordinator_id,
            coordinator_request_id=one.coordinator_request_id,
            committed_amount=amount,
            status_code=status,
            total_locked_amount=0,
            prepared_at=one.prepared_at,
            ts=now,
        )
        if amount:
            self.committed.append(message)
            yield from self._move(sender, -amount, message, one, now)
            yield from self._move(AccountKey(one.debtor_id, int(one.recipient)), amount, message, one, now)

    def _move(
        self, key: AccountKey, amount: int, message: FinalizeTransfer, one: PreparedTransfer, now: Moment
    ) -> Iterator[ServerMessage]:
        account = self.accounts[key]
        principal = account.principal + amount
        if key.creditor_id == 0 or 0 < amount <= account.negligible_amount:
            yield self._change(key, now, principal=principal)
            return
        number = account.last_transfer_number + 1
        entry = AccountTransfer(
            debtor_id=key.debtor_id,
            creditor_id=key.creditor_id,
            creation_date=account.creation_date,
            transfer_number=number,
            coordinator_type=one.coordinator_type,
            sender=str(one.creditor_id),
            recipient=one.recipient,
            acquired_amount=amount,
            transfer_note=message.transfer_note,
            transfer_note_format="",
            committed_at=now,
            principal=principal,
            ts=now,
            previous_transfer_number=number - 1,
        )
        self.journal[key].append(entry)
        yield entry
        yield self._change(
            key, now, principal=principal, last_transfer_number=number, last_transfer_committed_at=now
        )
