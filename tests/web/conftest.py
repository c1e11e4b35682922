"""The admin API on a database with a bit of everything in it."""

import pytest

from swpt_accounts.wire.messages import Malformed
from tests.backstage.builders import ALICE, BOB, DEBTOR, ROOT, configure, request
from tests.backstage.front_desk import front_desk
from tests.backstage.housekeeper import housekeeping
from tests.backstage.stand import standing
from tests.backstage.stories import issue
from tests.backstage.wire import body_of, delivered


@pytest.fixture(scope="module")
def desk(postgres):
    """A front desk for all examples of a module."""
    name = postgres.create_database()
    with standing(postgres.database_url(name)) as stand:
        _fill(stand)
        with front_desk(stand) as desk:
            yield desk
    postgres.drop_database(name)


def _fill(stand):
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
