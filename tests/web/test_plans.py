"""No page of the console and no route of the admin API reads a big table whole: the plans say so."""

import pytest

from swpt_accounts.runtime import clock
from tests.backstage.builders import ALICE, DEBTOR, configure
from tests.backstage.crowd import BIG_TABLES, Crowd, addresses, make_crowd
from tests.backstage.front_desk import front_desk
from tests.backstage.plans import overheard, plan_of
from tests.backstage.stand import standing

pytestmark = [pytest.mark.web, pytest.mark.timeout(600)]

MOST_PAGES = 25_000
"""Of 8 kB, which one question may look at: the price of a window of accounts that lie scattered."""


def test_no_question_reads_a_big_table_whole(postgres_url):
    """On many rows every question goes along an index, and looks at a bounded number of pages."""
    with standing(postgres_url, clock=clock.utcnow) as stand:
        now = clock.utcnow()
        for _ in make_crowd(stand, Crowd(accounts=100_000, entries=500_000), now):
            pass
        with overheard() as asked, front_desk(stand) as desk:
            desk.now = now
            for address in addresses(stand, now).values():
                asked.clear()
                answer = desk.ask(address)
                assert answer.status_code in (200, 303), (address, answer.text)
                for query in list(asked):
                    check(desk, address, query)


def check(desk, address, query):
    """The plan of one question, on a connection like that of the application."""
    with desk.app.extensions["swpt_accounts admin context"].reading() as connection:
        plan = plan_of(connection, query)
    if plan is not None:
        whole = {"journal" if name.startswith("journal_") else name for name in plan.whole_tables}
        assert not whole & BIG_TABLES, (address, query)
        assert plan.pages < MOST_PAGES, (address, query)


def test_a_table_that_is_read_whole_would_be_noticed(postgres_url):
    """The look at plans finds a sequential scan, and accepts an index that serves or a number of rows."""
    with standing(postgres_url, clock=clock.utcnow) as stand:
        stand.apply(configure())
        conditions = (
            "principal % 7 = 0",
            "principal % 7 = 0 LIMIT 1",  # as many rows as it takes
            f"debtor_id = {DEBTOR} AND creditor_id = {ALICE}",
            "true LIMIT 1",
        )
        query = "SELECT principal FROM account WHERE "
        found = [plan_of(stand.connection, query + condition) for condition in conditions]
    assert [plan and (set(plan.whole_tables), set(plan.indexes)) for plan in found] == [
        ({"account"}, set()),
        ({"account"}, set()),
        (set(), {"account_pkey"}),
        (set(), set()),
    ]
