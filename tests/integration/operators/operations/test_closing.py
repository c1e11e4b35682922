"""Closing a month of the journal: the books and the seals are as right without it as with it."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import closing as ending
from contextlib import contextmanager

import psycopg2
import pytest

from swpt_accounts.operators.inspection.books.seals import list_seals
from swpt_accounts.operators.inspection.closed_months import read_closed_months
from swpt_accounts.operators.inspection.keyset import Cut
from swpt_accounts.operators.inspection.ledger import list_entries
from swpt_accounts.operators.operations.closing import close_month, drop_month
from swpt_accounts.runtime.clock import utcnow
from swpt_accounts.runtime.errors import OperatorError
from swpt_accounts.storage.partitions import Month
from swpt_accounts.wire.moments import to_datetime
from tests.backstage.builders import (
    ALICE,
    BOB,
    DAY,
    DEBTOR,
    NOW,
    ROOT,
    configure,
    month_later,
)
from tests.backstage.commands import SERVER, TOP, running
from tests.backstage.housekeeper import housekeeping
from tests.backstage.months import (
    CAROL,
    FIRST,
    LATER,
    SECOND,
    checked,
    openings,
    partitions,
    pay,
    seal_all,
    three_months,
)
from tests.backstage.server import kill
from tests.backstage.stand import standing
from tests.backstage.stories import issue
from tests.backstage.waiting import wait_until


@pytest.fixture
def stand(postgres_url):
    """Three months with payments in each, sealed; Carol has an account and no entry."""
    with three_months(postgres_url) as stand:
        yield stand


@pytest.fixture
def close(owner, order, tmp_path):
    """Closes a month."""

    def close(month, name="archive", *, before=LATER, **options):
        return close_month(owner, month, tmp_path / name, closed_before=before, order=order, **options)

    return close


# -- what it does --------------------------------------------------------------------------------


def test_a_closed_month_leaves_opening_balances(stand, close, audit, tmp_path):
    """Each account goes on from where it stood; `verify` checks as many as before, and the seals hold."""
    assert checked(stand) == (4, [])
    lines = stand.value(f"SELECT count(*) FROM {FIRST.name}")
    closed = close(FIRST)
    archive = (tmp_path / "archive").read_bytes()
    assert (closed.row_count, closed.openings, archive.count(b"\n")) == (lines, 4, lines)
    assert closed.archive_sha256 == hashlib.sha256(archive).hexdigest()
    end = month_later(1)
    assert openings(stand) == [
        (end, ROOT, -1000, -1000, 0),
        (end, ALICE, 998, 998, 3),
        (end, BOB, 2, 2, 2),
        (end, CAROL, 0, 0, 0),
    ]
    assert FIRST.name not in partitions(stand)
    assert checked(stand) == (4, [])
    detail = f"{lines} rows, archive {closed.archive_sha256}"
    assert audit() == [("journal close-month", str(FIRST), detail)]
    pay(stand, 9, month_later(2) + 9 * DAY)
    seal_all(stand)
    assert checked(stand) == (4, [])


def test_one_month_after_the_other_is_closed_and_dropped(stand, owner, close, order, tmp_path):
    """Opening balances go on from opening balances, and dropped rows are missed by nobody."""
    first, rows = close(FIRST, "first"), stand.count("journal")
    seal_all(stand)
    close(SECOND, "second")
    assert [row[1:] for row in openings(stand)] == [
        (ROOT, -1000, -1000, 0),
        (ALICE, 997, 997, 4),
        (BOB, 3, 3, 3),
        (CAROL, 0, 0, 0),
    ]
    assert rows > stand.count("journal")
    with pytest.raises(OperatorError, match=f"is not the archive of {FIRST}: its SHA-256 is "):
        drop_month(owner, FIRST, tmp_path / "second", order=order)
    assert stand.value("SELECT to_regclass(%s) IS NOT NULL", first.table_name)
    assert drop_month(owner, FIRST, tmp_path / "first", order=order).dropped_at == NOW
    assert not stand.value("SELECT to_regclass(%s) IS NOT NULL", first.table_name)
    with pytest.raises(OperatorError, match=f"{FIRST} was dropped at"):
        drop_month(owner, FIRST, tmp_path / "first", order=order)
    assert checked(stand) == (4, [])
    with owner, owner.cursor() as cursor:
        assert [one.dropped_at is None for one in read_closed_months(cursor)] == [False, True]


def test_a_program_without_the_server_checks_the_archives(stand, owner, close, tmp_path):
    """The rows of an archive are those that were sealed; a changed one is found, and so is one too many."""
    seals = tmp_path / "seals.jsonl"
    close(FIRST, "first")
    seals.write_text("".join(json.dumps(one.document()) + "\n" for one in list_seals(owner)))
    good = tmp_path / "first"
    assert run_check(seals, good) == (0, [])
    lines = good.read_bytes().splitlines(keepends=True)
    for wrong in (
        [lines[0].replace(b"\n", b"x\n"), *lines[1:]],
        [*lines, lines[-1]],
    ):
        bad = tmp_path / "bad"
        bad.write_bytes(b"".join(wrong))
        code, told = run_check(seals, bad)
        assert (code, len(told)) == (1, 1)


def run_check(seals, archive):
    """Exit code, and what is wrong."""
    words = [sys.executable, TOP / "scripts" / "check_seals.py", seals, f"{seals}.kept", f"archive={archive}"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stdout.splitlines() if "are not those" in line]


def test_what_is_left_is_looked_at_as_before(stand, close):
    """A row that is changed or removed after the closing is found, also beside archived ones."""
    stand.execute("DELETE FROM seal")
    seal_all(stand)
    assert stand.count("seal") == 1, "one segment, of which a part is archived"
    close(FIRST)
    seal_all(stand)
    assert checked(stand) == (4, [])
    stand.execute("UPDATE journal SET transfer_note = 'forged' WHERE coordinator_request_id = 3")
    [(rule, text)] = checked(stand)[1]
    assert rule == "V16"
    assert "was changed or inserted" in text and "were archived" in text
    stand.execute("DELETE FROM journal WHERE coordinator_request_id = 3")
    assert any(rule == "V16" and "1 rows are not there" in text for rule, text in checked(stand)[1])
    stand.execute("UPDATE journal SET sender_principal = 5, recipient_principal = 5 WHERE journal_id = -1")
    assert {rule for rule, _ in checked(stand)[1]} >= {"V9", "V16"}


def test_the_ledger_begins_with_the_opening_balance(stand, owner, close):
    """Whoever reads what was applied to an account finds where it stood."""
    close(FIRST)
    page = list_entries(owner, DEBTOR, ALICE, Cut(), 10, newest_first=False)
    kinds = [(one.coordinator_type, one.principal) for one in page.items]
    assert kinds == [("opening", 998), ("direct", 997), ("direct", 996)]


def test_clocks_that_differ_at_the_turn_of_the_month_are_bridged(stand, close):
    """Payments of a late clock come after those of one that is ahead: chains have gaps, and add up.

    So they do when the next month is closed, whose beginning the bridges are.
    """
    for number, offset in enumerate((-9, 5, -5, 6, -3, 7), 21):
        pay(stand, number, month_later(1) + offset, number)
    seal_all(stand)
    close(FIRST, "first")
    query = (
        "SELECT DISTINCT sender_creditor_id FROM journal WHERE coordinator_type = 'opening' AND amount <> 0"
    )
    assert sorted(stand.rows(query)) == [(ALICE,), (BOB,)]
    assert checked(stand) == (4, [])
    seal_all(stand)
    close(SECOND, "second")
    assert checked(stand) == (4, [])
    total = sum(range(21, 27))
    stood = """
        SELECT sender_creditor_id, sum(CASE WHEN amount = 0 THEN recipient_principal ELSE amount END)::int8
        FROM journal WHERE coordinator_type = 'opening' GROUP BY 1 ORDER BY 1
    """
    assert stand.rows(stood) == [(ROOT, -1000), (ALICE, 997 - total), (BOB, 3 + total), (CAROL, 0)]


# -- what it refuses -----------------------------------------------------------------------------


def spoil(stand):
    """A balance that the journal does not explain."""
    stand.execute("UPDATE account SET principal = principal + 1 WHERE creditor_id = %s", BOB)


@pytest.mark.parametrize(
    ("prepare", "month", "options", "why"),
    [
        (None, FIRST, {"before": month_later(1) - 1}, f"{FIRST} is too young"),
        (None, SECOND, {}, f"older months come first: close {FIRST}"),
        (None, Month(to_datetime(NOW - 400 * DAY)), {}, "the journal has no month"),
        (lambda stand: pay(stand, 9, NOW + 9), FIRST, {}, f"{FIRST} is not sealed completely"),
        (spoil, FIRST, {}, "without this month the books would not be right: V9: account 1002"),
        (
            lambda stand: stand.execute("UPDATE journal SET amount = 7 WHERE coordinator_request_id = 2"),
            FIRST,
            {},
            "the journal is not what was sealed",
        ),
    ],
)
def test_a_month_that_can_not_be_closed_stays(stand, close, tmp_path, prepare, month, options, why):
    """One line says why, and nothing is changed: not even a file is left."""
    if prepare is not None:
        prepare(stand)
    rows = stand.rows("SELECT * FROM journal ORDER BY journal_id")
    with pytest.raises(OperatorError, match=re.escape(why)):
        close(month, **options)
    assert stand.rows("SELECT * FROM journal ORDER BY journal_id") == rows
    assert FIRST.name in partitions(stand)
    assert (stand.count("closed_month"), stand.count("archived_segment")) == (0, 0)
    assert not (tmp_path / "archive.part").exists()


def test_a_closed_month_is_closed_once_and_another_file_is_not_touched(stand, close, tmp_path):
    """The refusal tells the SHA-256 of the archive that there is."""
    (tmp_path / "archive").write_text("somebody's")
    with pytest.raises(OperatorError, match="is there already, and is something else"):
        close(FIRST)
    assert (tmp_path / "archive").read_text() == "somebody's"
    closed = close(FIRST, "other")
    with pytest.raises(OperatorError, match=closed.archive_sha256):
        close(FIRST, "third")


def test_who_is_asked_to_stop_changes_nothing(stand, close):
    """Neither before nor during the proof."""
    assert close(FIRST, is_stopping=lambda: True) is None
    answers = iter([False] * stand.count("seal"))
    assert close(FIRST, is_stopping=lambda: next(answers, True)) is None
    assert FIRST.name in partitions(stand)
    assert openings(stand) == []


# -- killed, and beside others -------------------------------------------------------------------


OLD = month_later(-7) + 3 * DAY
OLD_MONTH = Month(to_datetime(OLD))


@pytest.fixture
def stand_of_the_past(postgres_url):
    """A database with payments of half a year ago, and the settings of commands on it."""
    with standing(postgres_url, clock=lambda: OLD) as stand:
        stand.apply(*issue(ALICE, now=OLD), configure(BOB, ts=OLD))
        for number in (1, 2):
            pay(stand, number, OLD + number)
        seal_all(stand)
        assert stand.count("journal") == 3
        yield stand, {"PATH": os.environ["PATH"], "POSTGRES_URL": postgres_url}


def test_a_command_that_is_killed_has_changed_nothing(stand_of_the_past, tmp_path):
    """It has written file and opening balances, waits for a lock, and dies; the next one does it all."""
    stand, environ = stand_of_the_past
    archive = tmp_path / "archive"
    words = (*SERVER, "journal", "close-month", str(OLD_MONTH), "--archive", str(archive))
    before = stand.rows("SELECT * FROM journal ORDER BY journal_id")
    with ending(psycopg2.connect(stand.postgres_url)) as reader, reader.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {OLD_MONTH.name} IN ACCESS SHARE MODE")
        with running(words, environ) as command:
            wait_until(archive.exists, "the archive")
            kill(command)
        reader.rollback()
    wait_until(lambda: stand.rows("SELECT * FROM journal ORDER BY journal_id") == before, "nothing")
    assert (OLD_MONTH.name in partitions(stand), stand.count("closed_month")) == (True, 0)
    code, told, why = type_command(environ, *words[len(SERVER) :])
    assert (code, why) == (0, "")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert told.splitlines() == [
        f"{OLD_MONTH}: {len(before)} rows in {archive}, 3 opening balances",
        f"{digest}  {archive}",
    ]
    code, _, why = type_command(environ, "ledger", f"{DEBTOR}", f"{ALICE}")
    assert (code, "archived until " in why) == (0, True)
    code, told, _ = type_command(environ, "journal", "closed")
    assert (code, digest in told) == (0, True)
    code, told, _ = type_command(environ, "journal", "drop-month", str(OLD_MONTH), "--archive", str(archive))
    assert (code, told) == (0, f"{OLD_MONTH}: {len(before)} rows dropped\n")
    assert checked(stand) == (3, [])


def test_a_month_that_credits_may_ask_for_is_not_closed(stand_of_the_past, tmp_path):
    """The command takes CREDIT_SAFE_AGE from the settings, and tells what is wrong with a name."""
    _, environ = stand_of_the_past
    words = ("journal", "close-month", str(OLD_MONTH), "--archive", str(tmp_path / "archive"))
    code, _, why = type_command(environ | {"CREDIT_SAFE_AGE": f"{400 * 86400}"}, *words)
    assert (code, "is too young" in why) == (1, True)
    code, _, why = type_command(environ, "journal", "close-month", "2026-13", "--archive", "x")
    assert (code, "must be a month, like 2026-01" in why) == (2, True)


def type_command(environ, *words):
    """Exit code, standard output, standard error."""
    done = subprocess.run(
        (*SERVER, *words), cwd=TOP, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def paying(postgres_url):
    """A worker pays all the time, now; what it has paid so far."""
    is_over = threading.Event()
    paid: list[int] = []
    failed: list[Exception] = []

    def work():
        try:
            with standing(postgres_url) as stand:
                while not is_over.is_set():
                    pay(stand, 100 + len(paid), utcnow())
                    paid.append(len(paid))
        except Exception as error:
            failed.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield lambda number: wait_until(lambda: len(paid) >= number or failed, "payments") and len(paid)
    finally:
        is_over.set()
        worker.join()
    assert failed == []


def test_payments_go_on_meanwhile(stand_of_the_past, tmp_path):
    """The command is a program, killed in its last step and started again; no payment fails."""
    stand, environ = stand_of_the_past
    archive = tmp_path / "archive"
    words = ("journal", "close-month", str(OLD_MONTH), "--archive", str(archive))
    with housekeeping(stand.postgres_url) as keeper, paying(stand.postgres_url) as paid:
        keeper.now = utcnow()
        keeper.do("make partitions")
        with ending(psycopg2.connect(stand.postgres_url)) as reader, reader.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {OLD_MONTH.name} IN ACCESS SHARE MODE")
            with running((*SERVER, *words), environ) as command:
                wait_until(archive.exists, "the archive")
                before = paid(5)
                assert paid(before + 5) >= before + 5, "the command waits, and nobody waits for it"
                kill(command)
            reader.rollback()
        assert (OLD_MONTH.name in partitions(stand), stand.count("closed_month")) == (True, 0)
        before = paid(0)
        assert type_command(environ, *words)[0] == 0
        assert paid(before + 5) > before
    assert (OLD_MONTH.name in partitions(stand), stand.count("closed_month")) == (False, 1)
    seal_all(stand)
    assert checked(stand) == (3, [])
    left = stand.value("SELECT principal FROM account WHERE creditor_id = %s", ALICE)
    now = stand.value("SELECT count(*) FROM journal WHERE coordinator_type = 'direct'")
    assert 998 - left == now > 10
