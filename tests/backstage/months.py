"""Months of the journal, with payments in each, for tests of what becomes of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from swpt_accounts.operators.inspection.books.verification import verify
from swpt_accounts.storage import connections
from swpt_accounts.storage.partitions import Month
from swpt_accounts.wire.moments import Moment, to_datetime
from swpt_accounts.wire.routing import Realm

from .builders import ALICE, BOB, DAY, NOW, configure, finalize, month_later, prepared, request
from .housekeeper import housekeeping
from .stand import Stand, standing
from .stories import seed
from .waiting import wait_until

CAROL: Final = 1003
FIRST, SECOND = (Month(to_datetime(month_later(number))) for number in (0, 1))
LATER: Final = month_later(3)
ALL: Final = Realm(0, 0)


@contextmanager
def three_months(postgres_url: str) -> Iterator[Stand]:
    """Three months with payments in each, sealed; Carol has an account and no entry."""
    with standing(postgres_url) as stand:
        with housekeeping(postgres_url) as keeper:
            for months in range(3):
                keeper.now = month_later(months)
                keeper.do("make partitions")
        seed(stand)
        stand.apply(configure(CAROL))
        for number, months in enumerate((0, 0, 1, 2), 1):
            pay(stand, number, NOW + number if months == 0 else month_later(months) + number * DAY)
            seal_all(stand)
        yield stand


def pay(
    stand: Stand,
    number: int,
    now: Moment,
    amount: int = 1,
    *,
    sender_id: int = ALICE,
    recipient_id: int = BOB,
) -> None:
    """A transfer, at some moment."""
    stand.replace(clock=lambda: now)
    transfer_id = stand.account(sender_id).last_transfer_id + 1
    known = {"coordinator_request_id": number, "transfer_id": transfer_id}
    transfer = prepared(sender_id, recipient_id, prepared_at=now, **known)
    stand.apply(request(sender_id, recipient_id, coordinator_request_id=number, ts=now))
    stand.apply(finalize(transfer, amount, ts=now))


def seal_all(stand: Stand) -> None:
    """Until every row that is in the journal has its seal."""
    query = """
        SELECT count(*) FROM journal WHERE written_by >= coalesce((SELECT max(ends_written_by) FROM seal), 0)
    """
    with housekeeping(stand.postgres_url) as keeper:
        wait_until(lambda: keeper.do("seal journal") + 1 and stand.value(query) == 0, timeout=60)


def checked(stand: Stand, realm: Realm = ALL) -> tuple[int, list[tuple[str, str]]]:
    """What `verify` says: how many accounts were checked by the journal, and what is wrong."""
    with connections.session(stand.postgres_url, "a test") as connection:
        found = verify(connection, realm)
    return found.numbers_checked, [(one.rule, one.text) for one in found.violations]


def openings(stand: Stand) -> list[tuple[Any, ...]]:
    """The opening balances in the journal."""
    return stand.rows(
        "SELECT applied_at, sender_creditor_id, sender_principal, recipient_principal, sender_transfer_number"
        " FROM journal WHERE coordinator_type = 'opening' ORDER BY 2"
    )


def partitions(stand: Stand) -> set[str]:
    """The names of the months in the journal."""
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal'::regclass"
    return {name for (name,) in stand.rows(query)}
