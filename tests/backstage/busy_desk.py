"""A front desk on a database with a bit of everything in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from swpt_accounts.wire.messages import Malformed
from tests.services.postgres import Postgres

from .builders import ALICE, BOB, DEBTOR, ROOT, configure, request
from .front_desk import FrontDesk, front_desk
from .housekeeper import housekeeping
from .stand import Stand, standing
from .stories import issue
from .wire import body_of, delivered


@contextmanager
def busy_desk(postgres: Postgres) -> Iterator[FrontDesk]:
    """The admin listener on a database of its own."""
    name = postgres.create_database()
    with standing(postgres.database_url(name)) as stand:
        _fill(stand)
        with front_desk(stand) as desk:
            yield desk
    postgres.drop_database(name)


def _fill(stand: Stand) -> None:
    config = '{"type":"RootConfigData","rate":5.5,"info":{"iri":"https://x","sha256":""}}'
    stand.apply(*issue(ALICE, 1000), configure(BOB), configure(ROOT, config_data=config, seqnum=2))
    stand.apply(
        request(coordinator_request_id=5),
        request(coordinator_request_id=6, min_locked_amount=10**9, max_locked_amount=10**9),
        configure(BOB, config_data="<b>", seqnum=9),
        configure(-1, debtor_id=-(2**63)),
        delivered(Malformed("wrong_shard", "<script>"), body=body_of(configure(5))),
        delivered(Malformed("bad_json", "at byte 0"), body=b"\xff\x00"),
    )
    stand.execute("UPDATE outbox SET attempts = 1, last_failure = 'returned', publisher_key = NULL")
    with housekeeping(stand.postgres_url) as keeper:
        keeper.do("summarize debtors", "tend accounts")
    assert stand.value("SELECT count(*) FROM debtor_summary WHERE debtor_id = %s", DEBTOR) == 1
