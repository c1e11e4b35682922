"""Peers who do not keep their duties: they send garbage, repeat what is old, lock and forget."""

from collections.abc import Sequence
from random import Random
from typing import Final

from swpt_accounts.events import Envelope as ServerEnvelope
from swpt_accounts.events import PendingBalanceChange, PreparedTransfer, decode, encode
from swpt_accounts.wire.moments import render_timestamp
from swpt_client.limits import MAX_INT64, ROOT_CREDITOR_ID
from swpt_client.messages import (
    ClientMessage,
    ConfigureAccount,
    FinalizeTransfer,
    PrepareTransfer,
    address,
)
from swpt_client.moments import DAY, HOUR, MINUTE, Moment

from .broker import CREDIT, Posted

DEBTOR: Final = -2
"""The currency of the careless; those who keep their duties have another one."""

_CREDITORS: Final = (ROOT_CREDITOR_ID, 0x0000020000000001, 0x0000020000000002, 0x0000020000000003)
_GUEST: Final = 0x0000020000000004
"""Gets money, spends none, and leaves in the end with what is left on the account."""

_KINDS: Final = ("PrepareTransfer", "ConfigureAccount", "FinalizeTransfer", "", "AccountUpdate")
_MOST_KEPT: Final = 200


class Peers:
    """What they send follows from a seed, and from what they have seen."""

    def __init__(self, seed: int, kinds: frozenset[str]) -> None:
        self._dice = Random(f"{seed} peers")
        self._kinds = sorted(kinds)
        self._seen: list[Posted] = []
        self._prepared: list[PreparedTransfer] = []
        self._number = 0

    def overhear(self, posted: Sequence[Posted]) -> None:
        """Somebody sends messages, which may be repeated some day."""
        self._seen += posted
        del self._seen[:-_MOST_KEPT]

    def receive(self, envelope: ServerEnvelope) -> None:
        """A message for the careless."""
        event = decode(envelope.body)
        if isinstance(event, PreparedTransfer):
            self._prepared.append(event)
            del self._prepared[:-_MOST_KEPT]

    def send(self, now: Moment) -> list[Posted]:
        """What they send now; mostly nothing."""
        dice = self._dice
        if not self._kinds or dice.random() > 0.3:
            return []
        kind = dice.choice(self._kinds)
        if kind == "garbage":
            return [self._garbage()]
        if kind == "forger":
            return [self._forged(now)]
        if kind == "repeats":
            return [dice.choice(self._seen)] if self._seen else []
        return [self._posted(self._careless(now)) for _ in range(dice.randrange(1, 4))]

    def leave(self, now: Moment) -> list[Posted]:
        """What they send at the end: the guest closes the account, and says so several times."""
        if "careless" not in self._kinds:
            return []
        closing = ConfigureAccount(
            debtor_id=DEBTOR,
            creditor_id=_GUEST,
            negligible_amount=1e30,
            config_flags=1,
            config_data="",
            ts=now + DAY,
            seqnum=0,
        )
        return [self._posted(closing)] * 4

    def _posted(self, message: ClientMessage) -> Posted:
        envelope = address(message)
        return envelope.body, envelope.type

    def _garbage(self) -> Posted:
        dice = self._dice
        self._number += 1
        name = f'{{"type":"{dice.choice(_KINDS)}","number":{self._number}'.encode()
        body = bytes(dice.randrange(256) for _ in range(dice.randrange(20)))
        return dice.choice((name + b"}", name, name + b',"x":' + body)), dice.choice(_KINDS)

    def _forged(self, now: Moment) -> Posted:
        """Money from another shard, says somebody who is none."""
        dice = self._dice
        self._number += 1
        credit = PendingBalanceChange(
            debtor_id=DEBTOR,
            creditor_id=dice.choice(_CREDITORS),
            change_id=self._number,
            coordinator_type="direct",
            transfer_note="",
            transfer_note_format="",
            committed_at=render_timestamp(now),
            principal_delta=dice.choice((1, 1000, -1000)),
            other_creditor_id=dice.choice(_CREDITORS),
        )
        return encode(credit), CREDIT

    def _careless(self, now: Moment) -> ClientMessage:
        return self._dice.choice((self._configure, self._prepare, self._prepare, self._finalize))(now)

    def _configure(self, now: Moment) -> ConfigureAccount:
        dice, creditor_id = self._dice, self._dice.choice((*_CREDITORS, _GUEST))
        root = dice.choice(
            ("", '{"type":"RootConfigData","rate":-40.0}', '{"type":"RootConfigData","rate":90}', "x")
        )
        return ConfigureAccount(
            debtor_id=DEBTOR,
            creditor_id=creditor_id,
            negligible_amount=dice.choice((0.0, 0.0, 100.0, 1e30)),
            config_flags=dice.choice((0, 0, 0, 1)),
            config_data=root if creditor_id == ROOT_CREDITOR_ID else dice.choice(("", "", "y")),
            ts=now + dice.choice((0, 0, 0, -DAY, HOUR, -8 * DAY)),
            seqnum=dice.randrange(-3, 3),
        )

    def _prepare(self, now: Moment) -> PrepareTransfer:
        dice = self._dice
        sender = dice.choice(_CREDITORS)
        if sender == ROOT_CREDITOR_ID:
            kind, coordinator = "issuing", DEBTOR
        else:
            kind, coordinator = dice.choice((("direct", sender), ("shop", 7)))
        most = dice.choice((0, 1, 1000, 10**6, MAX_INT64))
        return PrepareTransfer(
            debtor_id=DEBTOR,
            creditor_id=sender,
            coordinator_type=kind,
            coordinator_id=coordinator,
            coordinator_request_id=dice.randrange(200),
            min_locked_amount=dice.choice((0, most // 2, most)),
            max_locked_amount=most,
            recipient=dice.choice((*map(str, (*_CREDITORS, _GUEST)), "nobody", "1")),
            final_interest_rate_ts=now + dice.choice((365 * DAY, -DAY)),
            max_commit_delay=dice.choice((0, 60, 10**6, 2**31 - 1)),
            ts=now + dice.choice((0, 0, -HOUR, MINUTE)),
        )

    def _finalize(self, now: Moment) -> ClientMessage:
        dice = self._dice
        if not self._prepared:
            return self._prepare(now)
        one = dice.choice(self._prepared)
        return FinalizeTransfer(
            debtor_id=DEBTOR,
            creditor_id=one.creditor_id,
            transfer_id=one.transfer_id + dice.choice((0, 0, 0, 0, 1)),
            coordinator_type=one.coordinator_type,
            coordinator_id=one.coordinator_id,
            coordinator_request_id=one.coordinator_request_id,
            committed_amount=dice.choice((0, 1, one.locked_amount, one.locked_amount // 2, 10**9)),
            transfer_note=dice.choice(("", "again", "€" * 10)),
            transfer_note_format="",
            ts=now,
        )
