"""What a person types beside, or instead of, a running agent."""

import json

import pytest

from swpt_client.commands import main
from swpt_client.moments import MINUTE
from swpt_client.news import TransferFinished
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
        assert type_("resume", "a") == ["a: finished OK"]
        assert type_("abandon", "b") == ["b: cancelled CANCELLED"]
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
        assert type_("discard", first.split()[0], "77") == [
            f"{first.split()[0]}: discarded",
            "77: is not open",
        ]
        assert type_("put-back", second.split()[0]) == [f"{second.split()[0]}: will be processed"]
        office.wire.wait_until(lambda: len(type_("letters")) == 1)


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
    assert "pip install 'swpt-client[psycopg2]'" in capsys.readouterr().err
