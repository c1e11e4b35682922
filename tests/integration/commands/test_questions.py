"""What operators ask on the command line: why was this refused, what became of it, what was applied."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from swpt_accounts.commands.cli import program
from swpt_accounts.operators.inspection import tabular
from swpt_accounts.wire.messages import Malformed
from swpt_accounts.wire.moments import render_timestamp
from swpt_accounts.wire.numbers import MAX_INT64
from tests.backstage.builders import ALICE, BOB, DEBTOR, NOW, configure, request
from tests.backstage.stories import issue
from tests.backstage.wire import delivered

REQUEST = 6917529027641081857


@pytest.fixture
def ask(stand, monkeypatch):
    """Type a command: exit code and what it wrote; errors stand in the second."""
    monkeypatch.setenv("POSTGRES_URL", stand.postgres_url)
    monkeypatch.setenv("ADMIN_SECRET_KEY", "hush " * 10)

    def typed(*words):
        done = CliRunner().invoke(program, words, prog_name="swpt-accounts", standalone_mode=False)
        said = done.output if done.exception is None else f"{done.output}{done.exception}"
        return done.return_value if done.exception is None else 2, said

    return typed


def test_a_request_id_alone_tells_what_was_missing(stand, ask):
    """The command names the reason, and both amounts to the last digit."""
    stand.apply(*issue(ALICE, 100), configure(BOB))
    stand.apply(
        request(min_locked_amount=MAX_INT64, max_locked_amount=MAX_INT64, coordinator_request_id=REQUEST)
    )
    code, told = ask("transfers", "find", str(REQUEST))
    assert not code
    assert f"INSUFFICIENT_AVAILABLE_AMOUNT: At least {MAX_INT64:,} were wanted" in told
    assert f"100 were available, beside 0 that were locked: {MAX_INT64 - 100:,} were missing." in told
    _, listed = ask("refusals", "list", "--request", str(REQUEST), "--json")
    [refusal] = json.loads(listed)
    assert refusal["missing_amount"] == MAX_INT64 - 100
    _, shown = ask("refusals", "show", refusal["refused_at"], str(refusal["refusal_id"]), "--json")
    assert json.loads(shown) == refusal
    _, table = ask("refusals", "show", refusal["refused_at"], str(refusal["refusal_id"]))
    assert "deadline" not in table


def test_lists_have_an_end_and_may_go_to_it(stand, ask, monkeypatch):
    """--limit says how many, --all goes on through all pages, and a table says that there is more."""
    monkeypatch.setattr(tabular, "EXPORT_ITEMS", 3)
    stand.apply(*issue(ALICE, 100), configure(BOB))
    stand.apply(*(request(recipient="no one", coordinator_request_id=number) for number in range(8)))
    _, some = ask("refusals", "list", "--limit", "5")
    assert some.count("no one") == 5
    assert "and more: the first 5 are shown" in some
    _, everything = ask("refusals", "list", "--all", "--csv")
    rows = list(csv.DictReader(io.StringIO(everything)))
    assert sorted(int(row["coordinator_request_id"]) for row in rows) == list(range(8))
    assert {row["recipient"] for row in rows} == {"no one"}
    _, document = ask("refusals", "list", "--limit", "2", "--json")
    assert len(json.loads(document)) == 2
    assert ask("refusals", "list", "--kind", "commit", "--json") == (None, "[]\n")


def test_ledger_and_transfers_in_every_form(stand, ask):
    """The ledger of an account, what waits, and one account as CSV."""
    stand.apply(*issue(ALICE, MAX_INT64 - 1), configure(BOB))
    stand.apply(request(coordinator_request_id=REQUEST))
    [entry] = csv.DictReader(io.StringIO(ask("ledger", str(DEBTOR), str(ALICE), "--csv")[1]))
    assert entry["acquired_amount"] == str(MAX_INT64 - 1)
    assert entry["applied_at"] == render_timestamp(NOW)
    assert str(MAX_INT64 - 1) in ask("ledger", str(DEBTOR), str(ALICE), "--oldest-first")[1]
    [waiting] = json.loads(ask("transfers", "list", "--debtor", str(DEBTOR), "--json")[1])
    assert (waiting["coordinator_request_id"], waiting["locked_amount"]) == (REQUEST, 100)
    assert "prepared" in ask("transfers", "find", str(REQUEST))[1]
    found = ask("transfers", "find", str(DEBTOR), str(ALICE), str(waiting["transfer_id"]), "--json")[1]
    assert json.loads(found)[0]["what"] == "prepared"
    [account] = csv.DictReader(io.StringIO(ask("accounts", "show", str(DEBTOR), str(ALICE), "--csv")[1]))
    assert account["principal"] == str(MAX_INT64 - 1)
    assert ask("audit") == (None, "none\n")


def test_what_is_worked_off_comes_as_csv_too(stand, ask):
    """Dead letters, the outbox, waiting requests and tokens: a header, and a line for each row."""
    stand.apply(*issue(ALICE, 100), delivered(Malformed("bad_json", "at byte 0")))

    def rows(*words):
        return list(csv.DictReader(io.StringIO(ask(*words, "--csv")[1])))

    [letter] = rows("dead-letters", "list")
    assert (letter["reason"], letter["is_complete"]) == ("bad_json", "yes")
    [waiting] = rows("outbox", "list", "--all")
    assert "PreparedTransfer=1" in waiting["types"].split()
    assert f"{DEBTOR}/{ALICE}" in waiting["accounts"].split()
    assert rows("waiting") == rows("tokens", "list") == []
    assert ask("waiting", "--csv")[1].startswith("debtor_id,creditor_id,")
    ask("tokens", "create", "--role", "viewer", "--name", "=olga")
    [token] = rows("tokens", "list")
    assert (token["name"], token["expires_at"]) == ("'=olga", "")


def test_secrets_are_masked(ask, monkeypatch):
    """Neither the password of an address nor a key is shown, in no form; all else is."""
    monkeypatch.setenv("PROTOCOL_BROKER_URL", "amqp://someone:tellnobody@broker.example:5671")
    for form in ([], ["--json"], ["--csv"], ["--changed"]):
        _, told = ask("settings", *form)
        assert "tellnobody" not in told
        assert "hush" not in told
        assert "someone:***@broker.example:5671" in told
    assert "REFUSAL_RETENTION" not in ask("settings", "--changed")[1]
    assert "REFUSAL_RETENTION" in ask("settings")[1]


@pytest.mark.parametrize(
    "words, told",
    [
        ("refusals list --creditor 1", "--creditor needs --debtor"),
        ("refusals list --code X", "is none of SENDER_IS_UNREACHABLE"),
        ("refusals list --kind X", "'X' is not one of 'transfer', 'commit', 'configuration'"),
        (
            "refusals list --since 2026-11-22T10:00:00Z --until 2026-11-21T10:00:00Z",
            "--since must not be after",
        ),
        ("refusals list --limit 0", "0 is not in the range"),
        ("refusals show yesterday 1", "like 2026-11-21T10:00:00Z"),
        ("refusals show 2026-11-21T10:00:00Z 1", "there is no such refusal"),
        ("transfers list --sender 1", "--sender needs --debtor"),
        ("transfers find 1 2", "give one id of a request, or three"),
        ("transfers find 77", "there is no such transfer or request"),
        ("ledger x 1", "'x' is no number"),
        ("accounts show 1 2", "there is no account 1/2"),
    ],
)
def test_what_is_expected_is_said(ask, words, told):
    """In one sentence."""
    code, said = ask(*words.split())
    assert code == 2
    assert told in said
