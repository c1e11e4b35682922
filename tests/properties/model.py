"""A naive server: one message after the other, dictionaries and plain arithmetic, straight from the rules.

It shares nothing with the rooms that it checks, only the shapes of the messages.  Speed and
beauty do not matter here; each step can be compared line by line with docs/rules.md.
"""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from swpt_accounts.wire.messages import (
    ConfigureAccount,
    FinalizeTransfer,
    Message,
    PendingBalanceChange,
    PrepareTransfer,
)
from swpt_accounts.wire.routing import Realm

Row: TypeAlias = dict[str, Any]
Event: TypeAlias = dict[str, Any]

MAX: Final = 2**63 - 1
DAY: Final = 86_400_000_000
T_FAR: Final = 253402300799000000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

MAX_CONFIG_DELAY: Final = 7 * DAY
RATE_INTERVAL: Final = 8 * DAY
COMMIT_PERIOD: Final = 90 * DAY
CREDIT_SAFE_AGE: Final = 90 * DAY
CAPITALIZATION_INTERVAL: Final = 2 * DAY


def written(moment: int) -> str:
    return (EPOCH + timedelta(microseconds=moment)).isoformat()


def contain(value: int) -> int:
    return max(-MAX, min(MAX, value))


def bound(value: float) -> float:
    return max(-(2.0**63), min(2.0**63, value))


def k(rate: float) -> float:
    return math.log1p(rate / 100.0) / 31557600.0


def seconds(start: int, end: int) -> float:
    return max(0, end - start) / 1000000.0


def later(a: int, b: int) -> bool:
    return 0 < (a - b) % 2**32 < 2**31


def u64(number: int) -> str:
    return str(number % 2**64)


def settings_of(config_data: str) -> Row | None:
    """What a root configuration means (only the members that the programs use)."""
    if config_data == "":
        config_data = "{}"
    try:
        document = json.loads(config_data)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    iri = document.get("info", {"iri": ""})["iri"]
    return {"rate": document.get("rate", 0.0), "limit": document.get("limit", MAX), "iri": iri}


class Model:
    """All accounts of one shard."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self.now = 0
        self.events: list[Event] = []
        self.accounts: dict[tuple[int, int], Row] = {}
        self.prepared: dict[tuple[int, int, int], Row] = {}
        self.registry: dict[tuple[int, int, int], tuple[int, int, int]] = {}
        self.config_data: dict[int, str] = {}
        self.refused: list[str] = []
        self.waiting: dict[tuple[Any, ...], PrepareTransfer] = {}

    def step(self, message: Message, now: int, foreign: set[tuple[int, int]]) -> list[Event]:
        """Process one message; `foreign` are accounts of other shards that have just said yes."""
        self.now, self.events = now, []
        match message:
            case ConfigureAccount():
                self.configure(message)
            case PrepareTransfer():
                self.prepare(message, foreign)
            case FinalizeTransfer():
                self.finalize(message)
            case PendingBalanceChange():
                self.apply_credit(message)
        return self.events

    # -- rules.md#accounts, S4, S5 -------------------------------------------------------------

    def create(self, debtor: int, creditor: int) -> Row:
        row = {
            "debtor_id": debtor,
            "creditor_id": creditor,
            "created_at": self.now,
            "last_change_seqnum": 0,
            "last_change_ts": self.now,
            "principal": 0,
            "interest": 0.0,
            "interest_rate": 0.0,
            "previous_interest_rate": 0.0,
            "last_interest_rate_change_ts": 0,
            "last_capitalization_ts": 0,
            "last_config_ts": 0,
            "last_config_seqnum": 0,
            "last_config_applied_at": 0,
            "negligible_amount": 0.0,
            "config_flags": 0,
            "iri": "",
            "last_transfer_number": 0,
            "last_transfer_committed_at": 0,
            "last_transfer_id": (EPOCH + timedelta(microseconds=self.now)).date().toordinal() - 719163 << 40,
            "total_locked_amount": 0,
            "pending_transfers_count": 0,
            "is_deleted": False,
            "is_overflown": False,
            "last_deletion_ts": 0,
            "last_update_ts": self.now,
            "last_delayed_update_ts": 0,
            "update_pending_since": 0,
        }
        self.accounts[debtor, creditor] = row
        return row

    def x(self, row: Row) -> float:
        if row["creditor_id"] == 0:
            return 0.0
        interest: float = row["interest"]
        b = float(row["principal"]) + interest
        if b <= 0:
            return interest
        s = seconds(row["last_change_ts"], self.now)
        return bound(interest + b * math.expm1(k(row["interest_rate"]) * s))

    def available(self, row: Row) -> int:
        locked: int = row["total_locked_amount"]
        return contain(row["principal"] + math.floor(self.x(row))) - locked

    def change(self, row: Row) -> None:
        row["interest"] = self.x(row)
        row["last_change_ts"] = max(row["last_change_ts"], self.now)
        row["last_change_seqnum"] = (row["last_change_seqnum"] + 1 + 2**31) % 2**32 - 2**31

    def announce(self, row: Row) -> None:
        is_root = row["creditor_id"] == 0
        self.events.append(
            {
                "type": "AccountUpdate",
                "debtor_id": row["debtor_id"],
                "creditor_id": row["creditor_id"],
                "creation_date": written(row["created_at"])[:10],
                "last_change_ts": written(row["last_change_ts"]),
                "last_change_seqnum": row["last_change_seqnum"],
                "principal": row["principal"],
                "interest": row["interest"],
                "interest_rate": row["interest_rate"],
                "last_interest_rate_change_ts": written(row["last_interest_rate_change_ts"]),
                "last_config_ts": written(row["last_config_ts"]),
                "last_config_seqnum": row["last_config_seqnum"],
                "negligible_amount": row["negligible_amount"],
                "config_flags": row["config_flags"],
                "config_data": self.config_data[row["debtor_id"]] if is_root else "",
                "account_id": u64(row["creditor_id"]),
                "debtor_info_iri": row["iri"],
                "debtor_info_content_type": "",
                "debtor_info_sha256": "",
                "last_transfer_number": row["last_transfer_number"],
                "last_transfer_committed_at": written(row["last_transfer_committed_at"]),
                "demurrage_rate": -50.0,
                "commit_period": 7776000,
                "transfer_note_max_bytes": 500,
                "ts": written(max(self.now, row["last_change_ts"])),
                "ttl": 604800,
            }
        )
        row["last_update_ts"] = self.now
        row["update_pending_since"] = 0

    # -- rules.md#configurations ---------------------------------------------------------------

    def configure(self, m: ConfigureAccount) -> None:
        row = self.accounts.get((m.debtor_id, m.creditor_id))
        if row is not None:
            same_ts = m.ts == row["last_config_ts"]
            if m.ts < row["last_config_ts"] or (same_ts and not later(m.seqnum, row["last_config_seqnum"])):
                return  # C1
        missing = row is None or row["is_deleted"]
        if missing and self.now - m.ts > MAX_CONFIG_DELAY:
            return  # C2
        is_root = m.creditor_id == 0
        valid = settings_of(m.config_data) is not None if is_root else m.config_data == ""
        if not valid:  # C3
            self.events.append(
                {
                    "type": "RejectedConfig",
                    "debtor_id": m.debtor_id,
                    "creditor_id": m.creditor_id,
                    "config_ts": written(m.ts),
                    "config_seqnum": m.seqnum,
                    "config_flags": m.config_flags,
                    "negligible_amount": m.negligible_amount,
                    "config_data": m.config_data,
                    "rejection_code": "INVALID_CONFIGURATION",
                    "ts": written(self.now),
                }
            )
            return
        if row is None:
            row = self.create(m.debtor_id, m.creditor_id)
        if is_root:
            self.config_data[m.debtor_id] = m.config_data
        self.change(row)
        row["is_deleted"] = False
        row["config_flags"] = m.config_flags
        row["negligible_amount"] = m.negligible_amount
        row["last_config_ts"], row["last_config_seqnum"] = m.ts, m.seqnum
        row["last_config_applied_at"] = self.now
        if missing:
            self.initialize(row)
        self.announce(row)

    # -- rules.md#settings-of-a-currency -------------------------------------------------------

    def initialize(self, row: Row) -> None:
        config_data = self.config_data.get(row["debtor_id"])
        if config_data is not None:
            self.adopt(row, config_data)

    def adopt(self, row: Row, config_data: str) -> bool:
        """Change rate and info of a row whose interest is up to date."""
        target = settings_of(config_data)
        if row["creditor_id"] == 0 or row["is_deleted"] or target is None:
            return False
        changed = False
        if row["iri"] != target["iri"]:
            row["iri"] = target["iri"]
            changed = True
        rate = min(100.0, max(-50.0, target["rate"]))
        waited = self.now - row["last_interest_rate_change_ts"] >= RATE_INTERVAL
        if rate != row["interest_rate"] and waited:
            row["previous_interest_rate"], row["interest_rate"] = row["interest_rate"], rate
            row["last_interest_rate_change_ts"] = self.now
            changed = True
        return changed

    def propagate(self, key: tuple[int, int], config_data: str, now: int) -> list[Event]:
        """The step of rules.md#rate-and-info-of-an-account."""
        self.now, self.events = now, []
        row = self.accounts[key]
        new = dict(row)
        self.change(new)
        if self.adopt(new, config_data):
            row.update(new)
            self.announce(row)
        return self.events

    # -- rules.md#preparing-a-transfer ---------------------------------------------------------

    def answer(self, key: tuple[Any, ...], now: int, *, says_yes: bool) -> list[Event]:
        """Go on with a request that has waited for another shard."""
        self.now, self.events = now, []
        m = self.waiting.pop(key)
        recipient = self.creditor_of(m.recipient)
        assert recipient is not None
        self.lock(m, {(m.debtor_id, recipient)} if says_yes else set())
        return self.events

    def prepare(self, m: PrepareTransfer, foreign: set[tuple[int, int]]) -> None:
        key = m.debtor_id, m.creditor_id, m.coordinator_type, m.coordinator_id, m.coordinator_request_id
        if key in self.waiting:  # P1
            return
        for p in self.prepared.values():  # P2
            if p["key"] == key:
                self.announce_prepared(p)
                return
        recipient = self.creditor_of(m.recipient)
        is_elsewhere = bool(recipient) and not self.realm.owns(m.debtor_id, recipient or 0)
        if m.coordinator_type != "agent" and is_elsewhere and (m.debtor_id, recipient) not in foreign:
            self.waiting[key] = m
            return
        self.lock(m, foreign)

    def lock(self, m: PrepareTransfer, foreign: set[tuple[int, int]]) -> None:
        row = self.accounts.get((m.debtor_id, m.creditor_id))
        code, total = self.judge(m, row, foreign)
        if code:
            self.events.append(
                {
                    "type": "RejectedTransfer",
                    "debtor_id": m.debtor_id,
                    "creditor_id": m.creditor_id,
                    "coordinator_type": m.coordinator_type,
                    "coordinator_id": m.coordinator_id,
                    "coordinator_request_id": m.coordinator_request_id,
                    "status_code": code,
                    "total_locked_amount": total,
                    "ts": written(self.now),
                }
            )
            return
        assert row is not None
        amount = self.lockable(m, row)
        row["total_locked_amount"] = min(MAX, row["total_locked_amount"] + amount)
        row["pending_transfers_count"] += 1
        row["last_transfer_id"] += 1
        p = {
            "key": (
                m.debtor_id, m.creditor_id, m.coordinator_type, m.coordinator_id, m.coordinator_request_id,
            ),
            "transfer_id": row["last_transfer_id"],
            "recipient": m.recipient,
            "recipient_id": self.creditor_of(m.recipient),
            "locked_amount": amount,
            "prepared_at": self.now,
            "deadline": min(self.now + COMMIT_PERIOD, T_FAR, m.ts + m.max_commit_delay * 1_000_000),
            "final": m.final_interest_rate_ts,
        }  # fmt: skip
        self.prepared[m.debtor_id, m.creditor_id, row["last_transfer_id"]] = p
        self.announce_prepared(p)

    def creditor_of(self, recipient: str) -> int | None:
        digits = recipient.isascii() and recipient.isdigit()
        if not digits or str(int(recipient)) != recipient or int(recipient) >= 2**64:
            return None
        value = int(recipient)
        return value if value < 2**63 else value - 2**64

    def judge(self, m: PrepareTransfer, row: Row | None, foreign: set[tuple[int, int]]) -> tuple[str, int]:
        recipient = self.creditor_of(m.recipient)
        if recipient is None:
            return "RECIPIENT_IS_UNREACHABLE", 0  # P3
        if m.coordinator_type != "agent" and not self.reachable(m.debtor_id, recipient, foreign):
            return "RECIPIENT_IS_UNREACHABLE", 0  # P4
        if row is None or row["is_deleted"]:
            return "SENDER_IS_UNREACHABLE", 0  # P5
        if m.coordinator_type == "agent":  # P6
            mine, theirs = (m.creditor_id % 2**64) >> 40, (recipient % 2**64) >> 40
            if mine != theirs or mine == 0:
                return "RECIPIENT_IS_UNREACHABLE", 0
        total = row["total_locked_amount"]
        if m.creditor_id == recipient:
            return "RECIPIENT_SAME_AS_SENDER", total  # P8
        if row["last_interest_rate_change_ts"] > m.final_interest_rate_ts:
            return "NEWER_INTEREST_RATE", total  # P9
        if self.lockable(m, row) < m.min_locked_amount:
            return "INSUFFICIENT_AVAILABLE_AMOUNT", total  # P10
        return "", 0

    def reachable(self, debtor: int, creditor: int, foreign: set[tuple[int, int]]) -> bool:
        if creditor == 0:
            return True
        if not self.realm.owns(debtor, creditor):
            return (debtor, creditor) in foreign
        row = self.accounts.get((debtor, creditor))
        return row is not None and not row["is_deleted"] and row["config_flags"] % 2 == 0

    def min_balance(self, row: Row) -> int:
        if row["creditor_id"] != 0:
            return 0
        settings = settings_of(self.config_data[row["debtor_id"]])
        assert settings is not None
        limit: int = settings["limit"]
        return -min(limit, contain(math.floor(row["negligible_amount"])))

    def lockable(self, m: PrepareTransfer, row: Row) -> int:
        return max(0, min(m.max_locked_amount, self.available(row) - self.min_balance(row)))

    def announce_prepared(self, p: Row) -> None:
        debtor, creditor, kind, coordinator, number = p["key"]
        self.events.append(
            {
                "type": "PreparedTransfer",
                "debtor_id": debtor,
                "creditor_id": creditor,
                "transfer_id": p["transfer_id"],
                "coordinator_type": kind,
                "coordinator_id": coordinator,
                "coordinator_request_id": number,
                "locked_amount": p["locked_amount"],
                "recipient": p["recipient"],
                "prepared_at": written(p["prepared_at"]),
                "demurrage_rate": -50.0,
                "deadline": written(p["deadline"]),
                "final_interest_rate_ts": written(p["final"]),
                "ts": written(max(self.now, p["prepared_at"])),
            }
        )

    # -- rules.md#finalizing-a-transfer --------------------------------------------------------

    def finalize(self, m: FinalizeTransfer) -> None:
        p = self.prepared.get((m.debtor_id, m.creditor_id, m.transfer_id))
        key = m.debtor_id, m.creditor_id, m.coordinator_type, m.coordinator_id, m.coordinator_request_id
        if p is None or p["key"] != key:
            return  # F1
        row = self.accounts[m.debtor_id, m.creditor_id]
        status = self.status(m, p, row)
        row["total_locked_amount"] = max(0, row["total_locked_amount"] - p["locked_amount"])
        row["pending_transfers_count"] -= 1
        del self.prepared[m.debtor_id, m.creditor_id, m.transfer_id]
        amount = m.committed_amount if status == "OK" else 0
        t_c = max(self.now, p["prepared_at"])
        self.events.append(
            {
                "type": "FinalizedTransfer",
                "debtor_id": m.debtor_id,
                "creditor_id": m.creditor_id,
                "transfer_id": m.transfer_id,
                "coordinator_type": m.coordinator_type,
                "coordinator_id": m.coordinator_id,
                "coordinator_request_id": m.coordinator_request_id,
                "committed_amount": amount,
                "status_code": status,
                "total_locked_amount": row["total_locked_amount"],
                "prepared_at": written(p["prepared_at"]),
                "ts": written(t_c),
            }
        )
        if amount == 0:
            return
        words = (m.coordinator_type, m.transfer_note, m.transfer_note_format)
        self.change(row)
        self.add(row, -amount)
        self.announce_transfer(row, -amount, p["recipient_id"], words, t_c)
        row["update_pending_since"] = row["update_pending_since"] or self.now
        if self.realm.owns(m.debtor_id, p["recipient_id"]):
            self.credit((m.debtor_id, p["recipient_id"]), amount, m.creditor_id, words, t_c)
        else:
            self.events.append(
                {
                    "type": "PendingBalanceChange",
                    "debtor_id": m.debtor_id,
                    "creditor_id": p["recipient_id"],
                    "change_id": m.transfer_id,
                    "coordinator_type": m.coordinator_type,
                    "transfer_note": m.transfer_note,
                    "transfer_note_format": m.transfer_note_format,
                    "committed_at": written(t_c),
                    "principal_delta": amount,
                    "other_creditor_id": m.creditor_id,
                }
            )

    def status(self, m: FinalizeTransfer, p: Row, row: Row) -> str:
        if m.committed_amount == 0:
            return "OK"  # F2
        if self.now > p["deadline"]:
            return "TIMEOUT"  # F3
        if row["last_interest_rate_change_ts"] > p["final"]:
            return "NEWER_INTEREST_RATE"  # F4
        if len(m.transfer_note.encode("utf-8")) > 500:
            return "TRANSFER_NOTE_IS_TOO_LONG"  # F5
        free, lock = self.available(row) - self.min_balance(row), p["locked_amount"]
        age = seconds(p["prepared_at"], self.now)
        guaranteed = lock + math.floor(float(lock) * math.expm1(k(-50.0) * age))
        there = m.committed_amount <= free + lock
        promised = m.committed_amount <= lock and (
            row["creditor_id"] == 0 or m.committed_amount <= guaranteed
        )
        return "OK" if there or promised else "INSUFFICIENT_AVAILABLE_AMOUNT"

    # -- rules.md#credits-and-payments ---------------------------------------------------------

    def add(self, row: Row, amount: int) -> None:
        exact = row["principal"] + amount
        row["principal"] = contain(exact)
        if row["principal"] != exact:
            row["is_overflown"] = True

    def credit(
        self, key: tuple[int, int], amount: int, other: int, words: tuple[str, str, str], committed_at: int
    ) -> None:
        row = self.accounts.get(key)
        fresh = row is None or row["is_deleted"]
        if row is None:
            row = self.create(*key)
            if key[1] == 0:
                self.config_data[key[0]] = ""
        self.change(row)
        if fresh:
            row["is_deleted"] = False
            self.initialize(row)
        if key[1] != 0:
            row["interest"] = bound(row["interest"] + self.due(row, amount, committed_at))
        self.add(row, amount)
        self.announce_transfer(row, amount, other, words, committed_at)
        if fresh:
            self.announce(row)
        else:
            row["update_pending_since"] = row["update_pending_since"] or self.now

    def due(self, row: Row, amount: int, c: int) -> float:
        n = max(c, self.now)
        u = min(row["last_interest_rate_change_ts"], n)
        t1 = seconds(c, u)
        t2 = min(seconds(c, n), seconds(u, n))
        return float(amount) * math.expm1(
            k(row["previous_interest_rate"]) * t1 + k(row["interest_rate"]) * t2
        )

    def announce_transfer(
        self, row: Row, amount: int, other: int, words: tuple[str, str, str], committed_at: int
    ) -> None:
        kind, note, note_format = words
        if row["creditor_id"] == 0 or (kind != "agent" and 0 < amount <= row["negligible_amount"]):
            return
        previous = row["last_transfer_number"]
        row["last_transfer_number"] = previous + 1
        row["last_transfer_committed_at"] = committed_at
        parties = [u64(row["creditor_id"]), u64(other)]
        if amount > 0:
            parties.reverse()
        self.events.append(
            {
                "type": "AccountTransfer",
                "debtor_id": row["debtor_id"],
                "creditor_id": row["creditor_id"],
                "creation_date": written(row["created_at"])[:10],
                "transfer_number": previous + 1,
                "coordinator_type": kind,
                "sender": parties[0],
                "recipient": parties[1],
                "acquired_amount": amount,
                "transfer_note": note,
                "transfer_note_format": note_format,
                "committed_at": written(committed_at),
                "principal": row["principal"],
                "ts": written(self.now),
                "previous_transfer_number": previous,
            }
        )

    def apply_credit(self, m: PendingBalanceChange) -> None:
        key = m.debtor_id, m.other_creditor_id, m.change_id
        content = m.creditor_id, m.principal_delta, m.committed_at
        if key in self.registry:
            if self.registry[key] != content:
                self.refused.append("credit_conflict")  # B2
            return  # B1
        if m.committed_at < self.now - CREDIT_SAFE_AGE:
            self.refused.append("credit_too_old")  # B3
            return
        self.registry[key] = content
        words = m.coordinator_type, m.transfer_note, m.transfer_note_format
        self.credit(
            (m.debtor_id, m.creditor_id), m.principal_delta, m.other_creditor_id, words, m.committed_at
        )

    # -- rules.md#balance-changes --------------------------------------------------------------

    def announce_pending(self, key: tuple[int, int], now: int) -> list[Event]:
        self.now, self.events = now, []
        row = self.accounts[key]
        # What lies further ahead than a 24th of its wait was written by a clock that was wrong.
        waits = (row["update_pending_since"], 1_000_000), (row["last_delayed_update_ts"], 60_000_000)
        due = max([since + wait for since, wait in waits if since <= now + wait // 24], default=now)
        if row["update_pending_since"] and due <= now:
            row["last_delayed_update_ts"] = now
            self.announce(row)
        return self.events

    # -- rules.md#payments-of-the-server, K1 to K5, D1 to D7 -----------------------------------

    def pay(self, row: Row, a: int, kind: str, note: str) -> None:
        """A payment from the root account, for a row whose interest is up to date."""
        words = kind, note, ""
        root = row["debtor_id"], 0
        is_local = self.realm.owns(*root)
        if not is_local:
            row["last_transfer_id"] += 1
        self.add(row, a)
        self.announce_transfer(row, a, 0, words, self.now)
        if is_local:
            self.credit(root, -a, row["creditor_id"], words, self.now)
        else:
            self.events.append(
                {
                    "type": "PendingBalanceChange",
                    "debtor_id": row["debtor_id"],
                    "creditor_id": 0,
                    "change_id": row["last_transfer_id"],
                    "coordinator_type": kind,
                    "transfer_note": note,
                    "transfer_note_format": "",
                    "committed_at": written(self.now),
                    "principal_delta": -a,
                    "other_creditor_id": row["creditor_id"],
                }
            )

    def capitalize(self, key: tuple[int, int], now: int) -> list[Event]:
        self.now, self.events = now, []
        row = self.accounts[key]
        if key[1] == 0 or row["is_deleted"]:
            return []  # K1
        if row["last_capitalization_ts"] > now - CAPITALIZATION_INTERVAL:
            return []  # K2
        a = math.floor(self.x(row))
        if abs(a) / (1 + abs(row["principal"])) <= 0.0001:
            return []  # K3, K4
        a = contain(row["principal"] + a) - row["principal"]
        if a != 0:
            self.change(row)
            row["last_capitalization_ts"] = now
            self.pay(row, a, "interest", "Interest payment")
            row["interest"] -= float(a)
            row["update_pending_since"] = row["update_pending_since"] or now
        return self.events

    def delete(self, key: tuple[int, int], now: int) -> list[Event]:
        self.now, self.events = now, []
        row = self.accounts[key]
        w = contain(row["principal"] + math.floor(self.x(row)))
        awaited = any(
            p["key"][0] == key[0] and p["recipient_id"] == key[1] and p["deadline"] >= now
            for p in self.prepared.values()
        )
        if (
            not row["is_deleted"]
            and row["config_flags"] % 2 == 1  # D1
            and now - row["created_at"] >= DAY  # D2
            and now - row["last_config_applied_at"] >= MAX_CONFIG_DELAY  # D3
            and row["pending_transfers_count"] == 0  # D4
            and not awaited  # D5
            and (row["principal"] == 0 if key[1] == 0 else w <= max(0, row["negligible_amount"]))  # D6
            and now - row["last_deletion_ts"] >= 14 * DAY  # D7
        ):
            self.change(row)
            if row["principal"] != 0:
                self.pay(row, -row["principal"], "delete", "Zeroing out before account deletion")
            row["interest"] = 0.0
            row["is_deleted"] = True
            row["last_deletion_ts"] = now
            self.announce(row)
        return self.events
