"""What the pictures of the documentation show: busy hours of a small currency, and what they left behind."""

from random import Random
from typing import Any, Final

import msgspec

from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.runtime import clock
from swpt_accounts.wire.messages import Malformed
from swpt_accounts.wire.moments import Moment
from tests.backstage.builders import HOUR, ROOT, SECOND, configure, finalize, request
from tests.backstage.front_desk import FrontDesk
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stories import clear_outbox, issue
from tests.backstage.wire import body_of, delivered

_MINUTE: Final = 60 * SECOND
_MINUTES: Final = 150
# Ids as agents have them: the upper bytes say whose they are, and most have 13 to 19 digits.
PICTURED_DEBTOR: Final = 0x4D2A_1F93_0B5C_7E11
_CREDITORS: Final = tuple(
    (0x0000_0001_0000_0000, 0x4B1E_9A00_0000_0000, 0x7FA3_0200_0000_0000)[number % 3]
    + 0x3_9E37_79B9 * (number + 1)
    for number in range(12)
)
_ISSUED: Final = 25_000
_CONFIG: Final = '{"type":"RootConfigData","rate":3.5,"limit":9000000}'
_NOTES: Final = (
    "bread and milk",
    "two hours in the garden",
    "bicycle repair",
    "eggs",
    "rent of the hall",
    "Four chairs, two of them mended; the others follow in spring, when the wood is dry.",
    "",
)
_PREPARED: Final = f"SELECT {', '.join(PreparedTransfer.__struct_fields__)} FROM prepared_transfer"


class BusyHours:
    """Tells a front desk's database what has happened, minute by minute, up to now."""

    def __init__(self, desk: FrontDesk) -> None:
        self._desk = desk
        self._stand = desk.stand
        # Nobody wants other pictures whenever they are taken.
        self._random = Random(11)
        self._serial = 6917529027641081856

    def tell(self) -> None:
        """Let it all happen."""
        begin = clock.utcnow() - (_MINUTES + 3) * _MINUTE
        self._at(begin - HOUR)
        self._apply(*(configure(creditor, ts=begin - HOUR) for creditor in _CREDITORS))
        self._at(begin)
        for serial, creditor in enumerate(_CREDITORS, start=1):
            self._apply(*issue(creditor, _ISSUED, serial, begin))
        self._apply(configure(ROOT, config_data=_CONFIG, seqnum=99, ts=begin))
        for minute in range(_MINUTES):
            self._minute(begin + (minute + 2) * _MINUTE)
        self._leave_things_behind()

    def _minute(self, at: Moment) -> None:
        tide = 3 + 5 * self._random.random() ** 2
        for _ in range(round(tide)):
            self._at(at + self._random.randrange(50) * SECOND)
            self._request(self._random.randrange(10, 900))
            [row] = self._stand.rows(_PREPARED)
            waiting = PreparedTransfer(*row)
            note = self._random.choice(_NOTES)
            committed = finalize(waiting, waiting.locked_amount, transfer_note=note, ts=waiting.prepared_at)
            self._apply(committed)
        if self._random.random() < 0.15:
            self._request(10_000_000, min_locked_amount=10_000_000)

    def _request(self, amount: int, **fields: Any) -> None:
        sender, recipient = self._random.sample(_CREDITORS, 2)
        self._serial += 1
        serial = {"coordinator_request_id": self._serial, "ts": self._now}
        self._apply(request(sender, recipient, max_locked_amount=amount, **serial, **fields))

    def _leave_things_behind(self) -> None:
        now = clock.utcnow()
        self._at(now - 40 * SECOND)
        for amount in (1_200, 350, 90):
            self._request(amount)
        self._request(75, max_commit_delay=5)
        self._apply(
            configure(1003, config_data="nonsense", seqnum=9, ts=now),
            delivered(Malformed("bad_json", "at byte 31"), body=b'{"type":"ConfigureAccount","ts":'),
            delivered(Malformed("wrong_shard", "the account is not in 0.#"), body=body_of(configure(1004))),
            delivered(Malformed("bad_field", "seqnum: must be a whole number"), body=b'{"seqnum":1.5}'),
        )
        clear_outbox(self._stand)
        with housekeeping(self._stand.postgres_url) as keeper:
            keeper.now = now
            keeper.do()
        clear_outbox(self._stand)

    def _apply(self, *items: Any) -> None:
        """What the builders make is about another debtor."""
        self._stand.apply(*map(_of_the_debtor, items))

    def _at(self, now: Moment) -> None:
        self._now = now
        self._stand.replace(clock=lambda: now)


def _of_the_debtor(item: Any) -> Any:
    if not hasattr(item, "debtor_id"):
        return item
    changes = {"debtor_id": PICTURED_DEBTOR}
    if getattr(item, "coordinator_type", "") == "issuing":
        changes["coordinator_id"] = PICTURED_DEBTOR
    return msgspec.structs.replace(item, **changes)
