"""The seals of the journal on a real database: nothing is sealed too early, and nothing changes unseen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swpt_accounts.operators.inspection.books.seals import check_seals, list_seals, newest_seal, write_segment
from swpt_accounts.roles.chores import sealing
from swpt_accounts.storage import connections
from swpt_accounts.storage.sealed_rows import finished_place, go_on_counting
from tests.backstage.builders import ALICE, BOB, HOUR, NOW, finalize, prepared, request
from tests.backstage.stories import seed
from tests.backstage.waiting import wait_until

INTRUDER = """
INSERT INTO journal SELECT (jsonb_populate_record(j, jsonb_build_object('journal_id', 7))).*
FROM journal j WHERE journal_id = {last}
"""
CHECK = Path(__file__).parents[3] / "scripts" / "check_seals.py"


@pytest.fixture
def paying(stand):
    """A currency, and a way to pay 1 from ALICE to BOB in a transaction of its own."""
    seed(stand)
    first = stand.account(ALICE).last_transfer_id

    def pay(number, times=1):
        for serial in range(number, number + times):
            transfer = prepared(ALICE, BOB, coordinator_request_id=serial, transfer_id=first + serial)
            stand.apply(request(ALICE, BOB, coordinator_request_id=serial), finalize(transfer, 1))

    return pay


def seal_all(stand, keeper):
    """Do the chore until every row is sealed: transactions of other databases may be older than ours."""
    rows = stand.count("journal")
    wait_until(
        lambda: keeper.do("seal journal") + 1 and sum(one.rows for one in seals(stand)) == rows, timeout=90
    )


def wrong(stand):
    """What is wrong with seals and rows, without the moments."""
    with connections.session(stand.postgres_url, "a test") as connection:
        found = [one.text for segment in check_seals(connection) for one in segment.violations]
    return [text.partition(": ")[2] for text in found]


def at_rest(stand):
    """Whether everything that the journal holds can be sealed at once."""
    with (
        connections.session(stand.postgres_url, "a test") as connection,
        connection,
        connection.cursor() as one,
    ):
        finished = finished_place(one).written_by
    return stand.value("SELECT max(written_by) FROM journal") < finished


def seals(stand):
    """All seals."""
    with connections.session(stand.postgres_url, "a test") as connection:
        return list(list_seals(connection))


def test_every_row_is_sealed_once(stand, keeper, paying):
    """Segments follow each other, and together they hold the whole journal."""
    paying(1, 3)
    seal_all(stand, keeper)
    number = len(seals(stand))
    assert keeper.do("seal journal") == 0
    paying(4)
    seal_all(stand, keeper)
    assert number > 0
    assert [one.rows for one in seals(stand)[number:]] == [1]
    assert all(one.rows for one in seals(stand)), "no seal says nothing"
    assert wrong(stand) == []


def test_nothing_is_sealed_while_it_can_still_grow(stand, keeper, paying):
    """A transaction that began earlier may write later: whatever comes after it waits for its end."""
    seal_all(stand, keeper)
    sealed = seals(stand)
    assert sealed
    with connections.session(stand.postgres_url, "a late worker") as late, late.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::int8")
        (own,) = cursor.fetchone()
        paying(1)
        keeper.do("seal journal")
        assert seals(stand) == sealed
        cursor.execute(
            "INSERT INTO journal SELECT (jsonb_populate_record(j, jsonb_build_object("
            "'journal_id', 99, 'written_by', %s))).* FROM journal j LIMIT 1",
            [own],
        )
        late.commit()
    seal_all(stand, keeper)
    assert wrong(stand) == []


def test_a_clock_that_goes_back_changes_nothing(stand, keeper, paying):
    """Rows are sealed in the order of their transactions, whatever their moments say."""
    paying(1)
    seal_all(stand, keeper)
    stand.replace(clock=lambda: NOW - HOUR)
    paying(2)
    seal_all(stand, keeper)
    assert wrong(stand) == []


def test_segments_are_cut_between_transactions(stand, keeper, paying, monkeypatch):
    """Many rows make many segments, and all rows of a transaction are in the same one."""
    monkeypatch.setattr(sealing, "MOST_ROWS", 2)
    paying(1, 9)
    seal_all(stand, keeper)
    assert len(seals(stand)) >= 5
    assert max(one.rows for one in seals(stand)) == 2
    assert wrong(stand) == []


def test_rows_of_before_are_sealed_by_their_moments(stand, keeper, paying, monkeypatch):
    """A journal that did not know who wrote its rows is cut between moments, and goes on as usual."""
    monkeypatch.setattr(sealing, "MOST_ROWS", 3)
    paying(1, 8)
    stand.execute("UPDATE journal SET written_by = 0, applied_at = applied_at + mod(journal_id, 1000)")
    paying(9)
    seal_all(stand, keeper)
    assert len(seals(stand)) >= 3
    assert wrong(stand) == []


@pytest.mark.parametrize(
    ("crime", "told"),
    [
        ("UPDATE journal SET transfer_note = 'x' WHERE journal_id = {last}", "changed or inserted"),
        ("UPDATE journal SET amount = amount + 1 WHERE journal_id = {last}", "changed or inserted"),
        ("UPDATE journal SET written_by = written_by + 1 WHERE journal_id = {last}", "changed or inserted"),
        ("DELETE FROM journal WHERE journal_id = {last}", "3 rows, sealed were 4: 1 rows are not there"),
        (
            INTRUDER,
            "5 rows, sealed were 4: the entry 7 of",
        ),
        ("UPDATE journal SET written_by = -5 WHERE journal_id = {last}", "1 rows stand before all"),
        ("UPDATE seal SET row_count = 5", "it is not the SHA-256 of what it says"),
        ("UPDATE seal SET previous_sha256 = sha256", "it does not name the last one"),
        ("UPDATE seal SET seal_id = 2", "the seal 1 is missing"),
    ],
)
def test_whatever_is_changed_is_found(stand, keeper, paying, crime, told):
    """A row that was changed, removed or put in is found and named, and so is a seal (rule V16)."""
    paying(1, 3)
    wait_until(lambda: at_rest(stand))
    seal_all(stand, keeper)
    stand.execute(crime.format(last=stand.value("SELECT max(journal_id) FROM journal")))
    found = wrong(stand)
    assert any(told in text for text in found), found


def run_check(folder, *arguments):
    """What the small program says; it needs Python alone."""
    words = [sys.executable, "-I", "-S", CHECK, *arguments]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.strip()


def test_who_kept_a_seal_finds_that_all_were_made_anew(stand, keeper, paying, tmp_path):
    """Somebody changes rows and seals all again: the chain is right, but not the one that was kept."""

    def export():
        with (tmp_path / "seals").open("w") as file:
            file.writelines(json.dumps(seal.document()) + "\n" for seal in seals(stand))

    paying(1, 3)
    seal_all(stand, keeper)
    export()
    assert run_check(tmp_path, "seals", "kept")[0] == 0
    paying(4)
    seal_all(stand, keeper)
    export()
    first, *_, second = seals(stand)
    code, output = run_check(tmp_path, "seals", "kept")
    assert (code, output.partition(" rows")[0].rpartition(" ")[2]) == (0, "5")
    with (
        connections.session(stand.postgres_url, "a test") as connection,
        (tmp_path / "rows").open("wb") as file,
    ):
        write_segment(connection, second.seal_id, file)
    assert run_check(tmp_path, "seals", "kept", f"{second.seal_id}=rows")[0] == 0
    (tmp_path / "rows").write_bytes((tmp_path / "rows").read_bytes().replace(b"direct", b"DIRECT"))
    code, output = run_check(tmp_path, "seals", "kept", f"{second.seal_id}=rows")
    assert (code, output) == (1, f"the rows of seal {second.seal_id} are not those that were sealed")
    stand.execute("DELETE FROM seal; UPDATE journal SET transfer_note = 'forged'")
    seal_all(stand, keeper)
    assert wrong(stand) == []
    export()
    code, output = run_check(tmp_path, "seals", "kept")
    assert code == 1
    assert "is not the one that was kept" in output
    assert first.sha256 not in [one.sha256 for one in seals(stand)]


def test_a_database_that_was_moved_goes_on_counting(stand, keeper, paying, caplog):
    """Another server counts its transactions from another number: an alarm tells to configure it."""
    paying(1)
    seal_all(stand, keeper)
    stand.execute("UPDATE journal SET written_by = written_by + 1000000000")
    stand.execute("UPDATE seal SET ends_written_by = ends_written_by + 1000000000")
    newest = stand.value("SELECT max(seal_id) FROM seal")
    paying(2)
    assert keeper.do("seal journal") == 0
    assert "ALARM: transactions are counted from a lower number" in caplog.text
    with (
        connections.session(stand.postgres_url, "a test") as connection,
        connection,
        connection.cursor() as one,
    ):
        assert go_on_counting(one)
        assert not go_on_counting(one)
    paying(3)
    wait_until(lambda: keeper.do("seal journal") == 1)
    with connections.session(stand.postgres_url, "a test") as connection:
        last = newest_seal(connection)
    assert last is not None
    assert last.seal_id == newest + 1
    stand.execute("ALTER TABLE journal ALTER written_by SET DEFAULT pg_current_xact_id()::text::bigint")
