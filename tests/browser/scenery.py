"""What the console has to show in a browser: money, a transfer, a refusal, dead letters, late chores."""

from typing import Any, NamedTuple

from swpt_accounts.rules.transfers import PreparedTransfer
from swpt_accounts.wire.messages import Malformed
from tests.backstage.builders import ALICE, BOB, DEBTOR, HOUR, ROOT, SECOND, configure, finalize, request
from tests.backstage.front_desk import FrontDesk
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stories import issue
from tests.backstage.wire import body_of, delivered

NOTE = "for <b>the</b> apples"
CONFIG = '{"type":"RootConfigData","rate":5.5,"limit":9000000000}'


class Scenery(NamedTuple):
    """Addresses of pages, relative to the console, and what they show."""

    transfer_id: int
    returnable: int

    def pages(self) -> list[str]:
        """One page of each kind."""
        account = f"debtors/{DEBTOR}/accounts/{ALICE}"
        lists = ["", "debtors", "prepared-transfers", "refusals", "dead-letters", "outbox", "chores", "audit"]
        ones = [
            f"debtors/{DEBTOR}",
            account,
            f"{account}/transfers/{self.transfer_id}",
            f"dead-letters/{self.returnable}",
            "search?q=77",
        ]
        return lists + ones


def set_scene(desk: FrontDesk) -> Scenery:
    """Let things happen now."""
    stand, now = desk.stand, desk.now
    recent = {"ts": now}
    stand.replace(clock=lambda: now - HOUR)
    stand.apply(*(configure(creditor, ts=now - HOUR) for creditor in (ALICE, BOB)))
    stand.replace(clock=lambda: now)
    stand.apply(*issue(ALICE, 1_234_567, now=now))
    stand.apply(configure(ROOT, config_data=CONFIG, seqnum=5, **recent))
    stand.apply(
        request(coordinator_request_id=1, max_locked_amount=500, **recent),
        request(coordinator_request_id=2, max_locked_amount=70, max_commit_delay=1, **recent),
        request(coordinator_request_id=3, min_locked_amount=10**12, max_locked_amount=10**12, **recent),
        configure(BOB, config_data="nonsense", seqnum=9, **recent),
    )
    columns = ", ".join(PreparedTransfer.__struct_fields__)
    query = f"SELECT {columns} FROM prepared_transfer WHERE coordinator_request_id = 1"
    waiting = PreparedTransfer(*stand.rows(query)[0])
    stand.apply(finalize(waiting, 300, transfer_note=NOTE, **recent))
    stand.apply(
        delivered(Malformed("bad_json", "at byte 1"), body=b"\xff" * 400),
        delivered(Malformed("wrong_shard", "belongs elsewhere"), body=body_of(configure(BOB, **recent))),
    )
    with housekeeping(stand.postgres_url) as keeper:
        keeper.now = now
        keeper.do("summarize debtors", "tend accounts", "remove refusals")
    stand.execute("UPDATE outbox SET attempts = 1, last_failure = 'returned', publisher_key = NULL")
    desk.now = now + 5 * SECOND
    returnable: Any = stand.value("SELECT max(dead_letter_id) FROM dead_letter")
    return Scenery(waiting.transfer_id, returnable)
