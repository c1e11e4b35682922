"""What a person types beside, or instead of, a running agent."""

import json
import re
import subprocess
import sys

import pytest
from msgspec.structs import replace

from swpt_client.commands import _each, main
from swpt_client.moments import MINUTE
from swpt_client.news import TransferFinished
from swpt_client.records import Leg
from swpt_client.store.base import StoreAway
from tests.bench import ALICE, DEBTOR
from tests.server_messages import account_update, finalized_transfer

# Nothing is left of a memory.
ON_DISK = pytest.mark.parametrize("office", ["sqlite"], indirect=True)


@pytest.fixture
def type_(office, capsys):
    """Types a command; gives the lines that it prints."""

    def type_(*words, status=0):
        assert main(["--database", str(office.store.engine.url), *words]) == status
        printed = capsys.readouterr()
        return (printed.err if status else printed.out).splitlines()

    return type_


@ON_DISK
def test_after_a_restore_a_person_looks_at_all_that_was_under_way(office, type_):
    """Parked, looked at, resumed or abandoned; the running agent tells its handlers."""
    office.store.prepare()
    transfers = [office.pay(key) for key in ("a", "b")]
    assert type_("park") == [
        "parked: 2 transfers, 0 bundles",
        "dropped from the outbox: 2 messages",
        "closed with a dummy entry: 0 ledgers",
    ]
    agent, heard = office.agent, []
    agent.on(TransferFinished)(lambda session, news: heard.append(news.transfer.key))
    with agent:
        office.wire.wait_for_ack(office.wire.deliver(finalized_transfer(transfers[0], committed_amount=100)))
        first, second = type_("parked")
        assert first.startswith("transfer a  was initiated  100 of -1 from 1099511627777 to 2  begun")
        assert first.endswith("FinalizedTransfer")
        assert second.endswith("no evidence")
        assert [json.loads(line)["key"] for line in type_("parked", "--json")] == ["a", "b"]
        assert type_("resume", "a") == ["transfer a: finished OK"]
        assert type_("abandon", "b") == ["transfer b: cancelled CANCELLED"]
        assert type_("resume", "a", status=1) == ["swpt-client: 'a': NOT_PARKED (it is finished)"]
        office.wire.wait_until(lambda: sorted(heard) == ["a", "b"], "the news of the command")
        assert type_("parked") == []


@ON_DISK
def test_ledgers_that_are_behind_are_listed_and_closed(office, type_):
    """With what is known and what was told."""
    with office.agent as agent:
        agent.open_account(DEBTOR, ALICE)
        office.wire.wait_for_ack(office.wire.deliver(account_update(last_transfer_number=3, principal=50)))
        office.now += MINUTE
        (line,) = type_("behind")
        assert line.startswith("-1 1099511627777  has 0, told 3, since ")
        assert type_("close-tails") == ["-1 1099511627777"]
        assert type_("behind") == []
        assert agent.account(DEBTOR, ALICE).principal == 50


@ON_DISK
def test_dead_letters_are_listed_put_back_and_discarded(office, type_):
    """What strangers have written does nothing to the terminal."""
    with office.agent:
        office.wire.wait_for_ack(office.wire.deliver_raw((b"\x1b[31m", "AccountUpdate"), (b"{}", None)))
        first, second = type_("letters")
        assert "bad_json" in first
        assert json.loads(type_("letters", "--json")[0])["body"] == "\x1b[31m"
        assert type_("discard", first.split()[0]) == [f"{first.split()[0]}: discarded"]
        assert type_("put-back", second.split()[0]) == [f"{second.split()[0]}: will be processed"]
        office.wire.wait_until(lambda: len(type_("letters")) == 1)


@ON_DISK
def test_each_of_several_names_is_tried(office, capsys):
    """What was not done is told beside it, and by the status."""
    office.store.prepare()
    for key in ("a", "b"):
        office.pay(key)
    office.agent.after_restore()
    database = ["--database", str(office.store.engine.url)]
    assert main([*database, "abandon", "a", "nosuch", "b"]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [f"transfer {key}: cancelled CANCELLED" for key in "ab"]
    assert printed.err == "swpt-client: 'nosuch': NOT_FOUND: key stands for no transfer\n"
    for command in ("put-back", "discard"):
        assert main([*database, command, "99998", "99999"]) == 1
        printed = capsys.readouterr()
        told = [f"swpt-client: {number}: is not open" for number in (99998, 99999)]
        assert (printed.out, printed.err.splitlines()) == ("", told)


def test_a_database_that_goes_away_ends_a_command():
    """It is told what was not done."""

    def act(name):
        if name == "b":
            raise StoreAway("it is gone")
        return name

    first, second = _each(["a", "b", "c"], act)
    assert first == "a"
    assert not isinstance(second, str)
    assert second.text == "it is gone; not done: 'b', 'c'"


@ON_DISK
def test_a_key_may_stand_for_a_transfer_and_for_a_bundle(office, type_):
    """Nobody guesses which is meant; a bundle names the legs that come before it."""
    office.store.prepare()
    request = replace(office.pay("b").request, recipient="3", max_locked_amount=100)
    office.agent.bundle("b", [Leg(request=request, committed_amount=10)], decide_within=3600)
    office.agent.after_restore()
    assert type_("resume", "b", status=1) == [
        "swpt-client: 'b': BAD_FIELD: kind must be said, transfer or bundle: the key stands for one of each"
    ]
    (said,) = type_("abandon", "--kind", "bundle", "b", status=1)
    assert said.startswith("swpt-client: 'b': UNSETTLED (it is parked): ")
    assert said.endswith("its parked legs must be resumed or abandoned before: 'bundle:0.1:b'")
    assert type_("resume", "bundle:0.1:b") == ["transfer bundle:0.1:b: initiated"]
    assert type_("abandon", "b", "--kind", "bundle") == ["bundle b: dismissed"]
    assert type_("resume", "b", "--kind", "transfer") == ["transfer b: initiated"]
    assert office.agent.wait("b", 0) == office.agent.find_transfer("b")


@ON_DISK
def test_a_command_says_its_database_where_it_likes(office, capsys, monkeypatch):
    """Before its name, behind it, or once for all."""
    office.store.prepare()
    url = str(office.store.engine.url)
    for words in (["--database", url, "parked"], ["parked", "--database", url]):
        assert main(words) == 0
    monkeypatch.setenv("SWPT_CLIENT_DATABASE_URL", url)
    assert main(["parked"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_mistyped_database_is_not_made(capsys, tmp_path):
    """An empty one is not that of an application."""
    typo, empty = tmp_path / "typo.db", tmp_path / "empty.db"
    empty.touch()
    for url, text in (
        (f"sqlite:///{typo}", f"there is no database {typo}"),
        (f"sqlite:///file:{typo}?uri=true", "unable to open database file"),
        (f"sqlite:///{empty}", "no tables of the client are in"),
        ("sqlite://", "no tables of the client are in"),
    ):
        assert main(["--database", url, "park"]) == 1
        error = capsys.readouterr().err
        assert text in error
        assert error.count("\n") == 1
    assert [one.name for one in tmp_path.iterdir()] == ["empty.db"]
    assert empty.stat().st_size == 0


def test_it_says_its_version_and_its_job():
    """Also as a module."""
    for word, text in (
        ("--version", r"swpt-client \d+\.\d+\.\d+"),
        ("--help", "Looks after what an application"),
    ):
        command = [sys.executable, "-m", "swpt_client", word]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        assert re.search(text, done.stdout)


def test_a_database_that_is_not_there_is_told_in_one_line(capsys, monkeypatch, tmp_path):
    """No stack, and a status: 2 if no address of a database was understood, 1 if there is none."""
    monkeypatch.delenv("SWPT_CLIENT_DATABASE_URL", raising=False)
    for status, words in (
        (2, ["parked"]),
        (2, ["--database", "nonsense", "parked"]),
        (2, ["--database", "mysql://x/y", "parked"]),
        (1, ["--database", f"sqlite:///{tmp_path / 'none' / 'x.db'}", "parked"]),
        (1, ["--database", f"sqlite:///{tmp_path / 'empty.db'}", "parked"]),
    ):
        assert main(words) == status
        error = capsys.readouterr().err
        assert error.startswith("swpt-client: ")
        assert error.count("\n") == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_a_url_of_postgresql_needs_no_driver(scheme, capsys):
    """What is installed is used: here it is only that nobody listens."""
    assert main(["--database", f"{scheme}://somebody@127.0.0.1:1/nothing", "parked"]) == 1
    said = capsys.readouterr().err
    assert "OperationalError" in said
    assert "refused" in said


def test_without_a_driver_it_is_said_how_to_get_one(capsys, monkeypatch):
    """A new environment has none."""
    monkeypatch.setattr("swpt_client.commands.find_spec", lambda _name: None)
    assert main(["--database", "postgresql://somebody@127.0.0.1:1/nothing", "parked"]) == 2
    assert "pip install psycopg2-binary" in capsys.readouterr().err
