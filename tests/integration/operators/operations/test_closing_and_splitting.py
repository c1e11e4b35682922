"""Closing months of a shard, and splitting it: whichever comes first, the books of the node add up."""

import os
from contextlib import ExitStack, closing

import psycopg2
import pytest
from click.testing import CliRunner
from psycopg2 import sql
from psycopg2.extensions import parse_dsn

from swpt_accounts.commands.cli import program
from swpt_accounts.operators.operations.closing import close_month, drop_month
from swpt_accounts.rules.policy import Policy
from swpt_accounts.runtime.clock import utcnow
from swpt_accounts.storage import connections
from swpt_accounts.storage.partitions import Month
from swpt_accounts.storage.shard_record import begin_split, close_split, keep_realm, narrow
from swpt_accounts.wire.moments import to_datetime
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, configure, credit, month_later
from tests.backstage.commands import SERVER, running
from tests.backstage.housekeeper import housekeeping
from tests.backstage.months import partitions, pay, seal_all
from tests.backstage.server import kill
from tests.backstage.stand import standing
from tests.backstage.stories import issue
from tests.backstage.waiting import wait_until

REALMS = [Realm.parse(key) for key in ("0.#", "1.#")]
# One account beside ALICE on her part, one elsewhere, whatever part that is.
HOME = next(side for side in (0, 1) if REALMS[side].owns(DEBTOR, ALICE))
NEAR = next(n for n in range(2000, 2100) if REALMS[HOME].owns(DEBTOR, n))
FAR = next(n for n in range(2000, 2100) if not REALMS[HOME].owns(DEBTOR, n))
MOMENTS = [month_later(months) + 3 * DAY for months in (-8, -7, -6)]
FIRST, SECOND, THIRD = (Month(to_datetime(moment)) for moment in MOMENTS)


@pytest.fixture
def parent(postgres_url):
    """All accounts, with payments in three months of half a year ago, sealed."""
    with standing(postgres_url, clock=lambda: MOMENTS[0]) as stand:
        stand.apply(*issue(now=MOMENTS[0]), *(configure(n, ts=MOMENTS[0]) for n in (BOB, NEAR, FAR)))
        with housekeeping(postgres_url) as keeper:
            for moment in (*MOMENTS, utcnow()):
                keeper.now = moment
                keeper.do("make partitions")
        for number, moment in enumerate(MOMENTS):
            pay(stand, 10 + number, moment + 1, 5, recipient_id=NEAR)
            pay(stand, 20 + number, moment + 2, 7, recipient_id=FAR)
            pay(stand, 30 + number, moment + 3, 1, sender_id=FAR, recipient_id=ALICE)
        seal_all(stand)
        yield stand


@pytest.fixture
def split(parent, postgres):
    """Closes the parent, copies it twice, and gives the copies their realms; returns two workers."""
    with ExitStack() as stack:

        def split():
            url = parent.postgres_url
            with connections.session(url, "a test") as owner, owner, owner.cursor() as cursor:
                keep_realm(cursor, "#", utcnow())
                begin_split(cursor, "left", "right", utcnow())
                close_split(cursor, utcnow())
            parent.close()
            return [stack.enter_context(working(copy(url, realm), realm)) for realm in REALMS]

        def copy(url, realm):
            name = postgres.create_empty_database()
            stack.callback(postgres.drop_database, name)
            with closing(psycopg2.connect(postgres.database_url("postgres"))) as owner:
                owner.autocommit = True
                with owner.cursor() as cursor:
                    names = sql.Identifier(name), sql.Identifier(parse_dsn(url)["dbname"])
                    cursor.execute(sql.SQL("DROP DATABASE {}").format(names[0]))
                    cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
            made = postgres.database_url(name)
            with connections.session(made, "a test") as child, child, child.cursor() as cursor:
                narrow(cursor, realm, utcnow())
            return made

        yield split


def working(url, realm):
    """A worker of a child."""
    return standing(url, clock=utcnow, policy=Policy(realm=realm), environ=environ(realm))


def close(stand, month, order, folder):
    """Close a month."""
    seal_all(stand)
    archive = folder / f"{month} {stand.context.policy.realm.binding_key}"
    with connections.session(stand.postgres_url, "a test's command") as owner:
        assert close_month(owner, month, archive, closed_before=utcnow(), order=order) is not None
    return archive


def environ(realm):
    """The settings of a shard."""
    key = realm.binding_key
    more = {"INTERNAL_USER": "guest", "FETCH_API_URL": "http://127.0.0.1:1/"} if key != "#" else {}
    return {"PROTOCOL_BROKER_QUEUE_ROUTING_KEY": key, "DELETE_FOREIGN_RECORDS": "yes", **more}


def forget_siblings(stand):
    """As the chores of a child do."""
    with housekeeping(stand.postgres_url, **environ(stand.context.policy.realm)) as keeper:
        keeper.now = utcnow()
        keeper.do("tend foreign rows")
    assert stand.count("account") in (2, 3)


def pay_across(children):
    """In the third month money goes within a child, and from one to the other."""
    here, there = children[HOME], children[1 - HOME]
    now = MOMENTS[2] + DAY
    pay(here, 50, now, 11, recipient_id=NEAR)
    there.replace(clock=lambda: now)
    here.apply(credit(ALICE, -3, other_creditor_id=FAR, committed_at=now, change_id=99))
    there.apply(credit(FAR, 3, other_creditor_id=ALICE, committed_at=now, change_id=99))


@pytest.fixture
def said_of_node(monkeypatch, tmp_path):
    """What `verify` says of the node, after it has looked at each shard."""

    def said_of_node(children):
        files = [tmp_path / f"{side}.json" for side in (0, 1)]
        for stand, file in zip(children, files, strict=True):
            seal_all(stand)
            monkeypatch.setenv("POSTGRES_URL", stand.postgres_url)
            for name, value in environ(stand.context.policy.realm).items():
                monkeypatch.setenv(name, value)
            file.write_text(run("--json"))
        return run("--node", *map(str, files))

    def run(*words):
        done = CliRunner().invoke(program, ["verify", *words], standalone_mode=False)
        assert (done.exception, done.return_value) == (None, 0), done.output
        return done.stdout

    return said_of_node


def test_a_month_that_was_closed_before_a_split_is_closed_on_both_children(
    parent, split, order, tmp_path, said_of_node
):
    """A closing that was killed before it leaves nothing; its archive is that of both children."""
    archive = tmp_path / "killed"
    words = (*SERVER, "journal", "close-month", str(FIRST), "--archive", str(archive))
    settings = {"PATH": os.environ["PATH"], "POSTGRES_URL": parent.postgres_url}
    with closing(psycopg2.connect(parent.postgres_url)) as reader, reader.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {FIRST.name} IN ACCESS SHARE MODE")
        with running(words, settings) as command:
            wait_until(archive.exists, "the archive")
            kill(command)
        reader.rollback()
    assert FIRST.name in partitions(parent)
    closed = close(parent, FIRST, order, tmp_path)
    children = split()
    for stand in children:
        forget_siblings(stand)
        with connections.session(stand.postgres_url, "a test's command") as owner:
            assert drop_month(owner, FIRST, closed, order=order).row_count > 0
        close(stand, SECOND, order, tmp_path)
    assert said_of_node(children) == "2 shards, 0 violations\n"


def test_months_are_closed_after_a_split(parent, split, order, tmp_path, said_of_node):
    """Before the chores have forgotten what is the sibling's, and after it."""
    children = split()
    pay_across(children)
    close(children[0], FIRST, order, tmp_path)
    for stand in children:
        forget_siblings(stand)
    close(children[1], FIRST, order, tmp_path)
    assert said_of_node(children) == "2 shards, 0 violations\n"
    for month in (SECOND, THIRD):
        for stand in children:
            close(stand, month, order, tmp_path)
    assert said_of_node(children) == "2 shards, 0 violations\n"
