"""What the pictures of the documentation show: busy hours of a small currency, and what they left behind."""

from random import Random
from typing import Any, Final

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
_CREDITORS: Final = tuple(range(1001, 1013))
_ISSUED: Final = 25_000
_CONFIG: Final = '{"type":"RootConfigData","rate":3.5,"limit":9000000}'
_NOTES: Final = (
    "bread and milk",
    "two hours in the garden",
    "bicycle repair",
    "eggs",
    "rent of the hall",
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
        self._serial = 1000

    def tell(self) -> None:
        """Let it all happen."""
        begin = clock.utcnow() - (_MINUTES + 3) * _MINUTE
        self._at(begin - HOUR)
        self._stand.apply(*(configure(creditor, ts=begin - HOUR) for creditor in _CREDITORS))
        self._at(begin)
        for serial, creditor in enumerate(_CREDITORS, start=1):
            self._stand.apply(*issue(creditor, _ISSUED, serial, begin))
        self._stand.apply(configure(ROOT, config_data=_CONFIG, seqnum=99, ts=begin))
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
            self._stand.apply(committed)
        if self._random.random() < 0.15:
            self._request(10_000_000, min_locked_amount=10_000_000)

    def _request(self, amount: int, **fields: Any) -> None:
        sender, recipient = self._random.sample(_CREDITORS, 2)
        self._serial += 1
        serial = {"coordinator_request_id": self._serial, "ts": self._now}
        self._stand.apply(request(sender, recipient, max_locked_amount=amount, **serial, **fields))

    def _leave_things_behind(self) -> None:
        now = clock.utcnow()
        self._at(now - 40 * SECOND)
        for amount in (1_200, 350, 90):
            self._request(amount)
        self._request(75, max_commit_delay=5)
        self._stand.apply(
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

    def _at(self, now: Moment) -> None:
        self._now = now
        self._stand.replace(clock=lambda: now)
