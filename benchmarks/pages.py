"""How quick the pages of the console and the routes of the admin API are on very many rows.

`python -m benchmarks.pages` makes 1,000,000 accounts and 10,000,000 journal rows, asks for every page of
`tests.backstage.crowd` through the admin application, and explains every question to the database.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import psycopg2

from swpt_accounts.runtime import clock
from tests.backstage.crowd import BIG_TABLES, Crowd, addresses, make_crowd
from tests.backstage.front_desk import FrontDesk, front_desk
from tests.backstage.plans import Plan, overheard, plan_of
from tests.backstage.stand import Stand, standing
from tests.services.errors import ServiceMissing

from .manners import mannered, whole
from .site import NotDurable, site

_ROUNDS = 5


def main() -> None:
    """Make the rows, ask for the pages, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--accounts", type=whole, default=1_000_000)
    parser.add_argument("--entries", type=whole, default=10_000_000, help="rows of the journal")
    parser.add_argument("--database", help="the URL of one that has the rows already")
    parser.add_argument("--explain", action="store_true", help="tell of every question to the database")
    options = parser.parse_args()
    with (
        mannered(ServiceMissing, NotDurable, psycopg2.OperationalError),
        _database(options.database) as url,
        standing(url, clock=clock.utcnow) as stand,
    ):
        if options.database is None:
            for step in make_crowd(stand, Crowd(options.accounts, options.entries), clock.utcnow()):
                print(step, file=sys.stderr)
        with overheard() as asked, front_desk(stand) as desk:
            desk.now = clock.utcnow()
            _measure(stand, desk, asked, is_explaining=options.explain)


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with site() as place, place.database() as made:
        yield made


def _measure(stand: Stand, desk: FrontDesk, asked: list[str], *, is_explaining: bool) -> None:
    print("| page | first ms | ms | pages of 8 kB | indexes |\n|---|---|---|---|---|")
    for name, address in addresses(stand, desk.now).items():
        asked.clear()
        first = _ask(desk, address)
        queries = list(asked)
        times = [_ask(desk, address) for _ in range(_ROUNDS)]
        plans = _plans(desk, queries)
        indexes = sorted({_short(index) for plan in plans for index in plan.indexes})
        pages = sum(plan.pages for plan in plans)
        print(
            f"| {name} | {first:.0f} | {median(times):.0f} | {pages:,} | {', '.join(indexes)} |", flush=True
        )
        for plan in plans:
            whole = sorted(plan.whole_tables)
            if is_explaining or any(_table(one) in BIG_TABLES for one in whole):
                print(f"    {plan.milliseconds:.1f} ms, {plan.pages} pages, whole: {whole}: {plan.query}")


def _plans(desk: FrontDesk, queries: list[str]) -> list[Plan]:
    with desk.app.extensions["swpt_accounts admin context"].reading() as connection:
        return [plan for query in queries if (plan := plan_of(connection, query)) is not None]


def _ask(desk: FrontDesk, address: str) -> float:
    begin = perf_counter()
    answer = desk.ask(address)
    took = perf_counter() - begin
    if answer.status_code not in (200, 302, 303):
        sys.exit(f"{address} answers {answer.status_code}: {answer.text[:500]}")
    return took * 1000


def _short(index: str) -> str:
    """The name of an index without the month of its partition."""
    return _table(index.removesuffix("_idx").removesuffix("_pkey"))


def _table(name: str) -> str:
    return "journal" if name.startswith("journal_") else name


if __name__ == "__main__":
    main()
