"""The coordinator of transfers, by the table of all transitions (protocol.rst#running-transfer-records)."""

from typing import Final

from swpt_accounts.wire.moments import T_FAR, Moment, parse_timestamp, render_timestamp
from swpt_accounts.wire.numbers import MAX_DELAY

from .ledger import Message
from .transfers import COMMITTED, DISMISSED, RequestKey, Status, Transfer, Wish

_WORST_DEMURRAGE_RATE: Final = -50.0


class Coordinator:
    """Running transfer records, and what arrives for them.  The rows named are those of the table."""

    def __init__(self) -> None:
        self.records: dict[RequestKey, Transfer] = {}
        self.finished: list[Transfer] = []
        self.surplus = 0
        """How many transfers were prepared that nobody wanted any more, and dismissed."""
        self.unexpected: list[str] = []

    def begin(self, transfer: Transfer, now: Moment) -> Message:
        """Ask for a transfer (row 1)."""
        self.records[transfer.key] = transfer
        return self._ask(transfer, now)

    def repeat(self, now: Moment, patience: int) -> list[Message]:
        """Ask again for transfers without an answer for `patience` microseconds (row 2)."""
        return [
            self._ask(one, now)
            for one in self.records.values()
            if one.status is Status.INITIATED and now - one.asked_at > patience
        ]

    def take_rejected(self, rejected: Message) -> None:
        """Take a RejectedTransfer (rows 4 to 6)."""
        record = self.records.get(_key(rejected))
        if record is not None and record.status is Status.INITIATED:
            record.total_locked_amount = rejected["total_locked_amount"]
            self._finish(record, rejected["status_code"])

    def take_prepared(self, prepared: Message, now: Moment) -> list[Message]:
        """Take a PreparedTransfer; returns what is to be sent (rows 7 to 16)."""
        record = self.records.get(_key(prepared))
        if record is None:  # row 7
            self.surplus += 1
            return [_dismissal(prepared, now)]
        if record.status is Status.INITIATED:
            return [self._decide(record, prepared, now)]
        if _is_same(record, prepared):  # row 13
            return [_finalization(record, now)]
        self.surplus += 1  # row 14
        return [_dismissal(prepared, now)]

    def take_finalized(self, finalized: Message) -> None:
        """Take a FinalizedTransfer (rows 17 to 20), and find out what it means.

        See protocol.rst#running-transfer-records.
        """
        record = self.records.get(_key(finalized))
        if record is None or record.status is not Status.SETTLED or not _is_same(record, finalized):
            return
        status_code, amount = finalized["status_code"], finalized["committed_amount"]
        if status_code == "OK" and amount == record.committed_amount:
            self._finish(record, COMMITTED if amount else DISMISSED)
        elif status_code != "OK" and amount == 0 and record.committed_amount > 0:
            self._finish(record, status_code)
        else:
            self.unexpected.append(f"{record.note} ended with {status_code} over {amount}")
            self._finish(record, "unexpected")

    def _ask(self, transfer: Transfer, now: Moment) -> Message:
        transfer.asked_at = now
        return {
            "type": "PrepareTransfer",
            "debtor_id": transfer.debtor_id,
            "creditor_id": transfer.creditor_id,
            **transfer.key._asdict(),
            "min_locked_amount": transfer.min_locked,
            "max_locked_amount": transfer.max_locked,
            "recipient": transfer.recipient,
            "final_interest_rate_ts": render_timestamp(T_FAR),
            "max_commit_delay": MAX_DELAY,
            "ts": render_timestamp(now),
        }

    def _decide(self, record: Transfer, prepared: Message, now: Moment) -> Message:
        asked = (record.debtor_id, record.creditor_id, record.recipient)
        if (prepared["debtor_id"], prepared["creditor_id"], prepared["recipient"]) != asked:  # row 8
            self.unexpected.append(f"{record.note} was prepared for others than asked")
            return _dismissal(prepared, now)
        is_acceptable = (
            record.min_locked <= prepared["locked_amount"] <= record.max_locked
            and parse_timestamp(prepared["deadline"]) > now
            and prepared["demurrage_rate"] >= _WORST_DEMURRAGE_RATE
        )
        if not is_acceptable:  # row 9
            self.unexpected.append(f"{record.note} was prepared on terms that nobody asked for")
        is_wanted = is_acceptable and record.wish is not Wish.DISMISS
        record.transfer_id = prepared["transfer_id"]  # row 10, and then 15 or 16
        record.committed_amount = record.amount if is_wanted else 0
        record.status = Status.SETTLED
        return _finalization(record, now)

    def _finish(self, record: Transfer, outcome: str) -> None:
        record.outcome = outcome
        record.status = Status.FINISHED
        self.finished.append(self.records.pop(record.key))


def _key(message: Message) -> RequestKey:
    return RequestKey(
        message["coordinator_type"], message["coordinator_id"], message["coordinator_request_id"]
    )


def _is_same(record: Transfer, message: Message) -> bool:
    announced = message["debtor_id"], message["creditor_id"], message["transfer_id"]
    return announced == (record.debtor_id, record.creditor_id, record.transfer_id)


def _dismissal(prepared: Message, now: Moment) -> Message:
    return {
        "type": "FinalizeTransfer",
        "debtor_id": prepared["debtor_id"],
        "creditor_id": prepared["creditor_id"],
        "transfer_id": prepared["transfer_id"],
        **_key(prepared)._asdict(),
        "committed_amount": 0,
        "transfer_note": "",
        "transfer_note_format": "",
        "ts": render_timestamp(now),
    }


def _finalization(record: Transfer, now: Moment) -> Message:
    return {
        "type": "FinalizeTransfer",
        "debtor_id": record.debtor_id,
        "creditor_id": record.creditor_id,
        "transfer_id": record.transfer_id,
        **record.key._asdict(),
        "committed_amount": record.committed_amount,
        "transfer_note": record.note if record.committed_amount else "",
        "transfer_note_format": "",
        "ts": render_timestamp(now),
    }
