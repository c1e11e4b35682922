"""An account, as its owner knows it: the wanted configuration, the state, the ledger.

See protocol.rst#account-data-records.
"""

from typing import Final

from swpt_accounts.wire.moments import MICROSECONDS, Moment, parse_timestamp, render_timestamp
from swpt_accounts.wire.numbers import is_later_number, next_number

from .ledger import Ledger, Message

_FEW_MINUTES: Final = 300 * MICROSECONDS


class OwnAccount:
    """The records that a client keeps for one of its accounts."""

    def __init__(self, debtor_id: int, creditor_id: int) -> None:
        self.debtor_id = debtor_id
        self.creditor_id = creditor_id
        self.wanted: Message | None = None
        """The last ConfigureAccount."""
        self.asked_at: Moment = 0
        self.rejection_code = ""
        """Why it was refused, if it was."""
        self.state: Message | None = None
        """The latest AccountUpdate."""
        self.last_heartbeat_ts: Moment = 0
        self.ledger = Ledger()

    def configure(self, now: Moment, *, negligible_amount: float = 0.0, config_data: str = "") -> Message:
        """A new configuration, later than those before."""
        seqnum = 0
        self.asked_at = now
        if self.wanted is not None:
            now = max(now, parse_timestamp(self.wanted["ts"]))
            seqnum = next_number(self.wanted["seqnum"])
        self.rejection_code = ""
        self.wanted = {
            "type": "ConfigureAccount",
            "debtor_id": self.debtor_id,
            "creditor_id": self.creditor_id,
            "negligible_amount": negligible_amount,
            "config_flags": 0,
            "config_data": config_data,
            "ts": render_timestamp(now),
            "seqnum": seqnum,
        }
        return self.wanted

    @property
    def is_configured(self) -> bool:
        """Whether the wanted configuration is in effect."""
        if self.wanted is None or self.state is None:
            return False
        wanted, state = self.wanted, self.state
        return (
            parse_timestamp(state["last_config_ts"]) == parse_timestamp(wanted["ts"])
            and state["last_config_seqnum"] == wanted["seqnum"]
            and _is_same_configuration(wanted, state)
        )

    def repeat(self, now: Moment, patience: int) -> list[Message]:
        """The wanted configuration again, if there was no answer for `patience` microseconds."""
        is_answered = self.wanted is None or self.is_configured or self.rejection_code
        if is_answered or now - self.asked_at <= patience:
            return []
        self.asked_at = now
        return [self.wanted] if self.wanted else []

    def take_rejection(self, rejection: Message) -> None:
        """Take a RejectedConfig; one for another configuration is ignored."""
        wanted = self.wanted
        if (
            wanted is not None
            and parse_timestamp(rejection["config_ts"]) == parse_timestamp(wanted["ts"])
            and rejection["config_seqnum"] == wanted["seqnum"]
            and _is_same_configuration(wanted, rejection)
        ):
            self.rejection_code = rejection["rejection_code"]

    def take_update(self, update: Message, now: Moment) -> None:
        """Take an AccountUpdate by the table of protocol.rst#account-data-records."""
        ts = parse_timestamp(update["ts"])
        if now - ts > update["ttl"] * MICROSECONDS:
            return
        if self.state is not None and update["creation_date"] < self.state["creation_date"]:
            return
        self.last_heartbeat_ts = max(self.last_heartbeat_ts, min(ts, now + _FEW_MINUTES))
        if self.state is None or is_later(update, self.state):
            if self.state is not None and update["creation_date"] != self.state["creation_date"]:
                self.ledger = Ledger()
            self.state = update


def is_later(update: Message, other: Message) -> bool:
    """Whether an AccountUpdate is later than another one of the account.

    See protocol.rst#order-of-account-states.
    """
    if update["creation_date"] != other["creation_date"]:
        return bool(update["creation_date"] > other["creation_date"])
    moment = parse_timestamp(update["last_change_ts"])
    other_moment = parse_timestamp(other["last_change_ts"])
    if moment != other_moment:
        return moment > other_moment
    return is_later_number(update["last_change_seqnum"], other["last_change_seqnum"])


def _is_same_configuration(wanted: Message, announced: Message) -> bool:
    amount = wanted["negligible_amount"]
    return (
        bool(announced["config_flags"] == wanted["config_flags"])
        and bool(announced["config_data"] == wanted["config_data"])
        and abs(announced["negligible_amount"] - amount) <= 1e-5 * amount
    )
