"""What the server would say of a message, offline."""

import json

import pytest
from click.testing import CliRunner

from swpt_accounts.commands.cli import program
from swpt_accounts.wire.routing import binary_key
from tests.backstage.builders import ALICE, DEBTOR, configure, credit, request
from tests.backstage.wire import body_of

SHARDS = ("0.#", "1.#")


def check(body, *options):
    """Exit code and what was said, without any settings."""
    done = CliRunner().invoke(
        program, ["check-message", "-", *options, "--json"], input=body, standalone_mode=False
    )
    assert done.exception is None, done.output
    return done.return_value, json.loads(done.output)


@pytest.mark.parametrize("message", [configure(), request(max_locked_amount=2**63 - 1)])
def test_a_message_that_can_be_taken_is_told_with_its_key(message):
    """With all fields, and the routing key that its queue is bound by."""
    code, told = check(body_of(message))
    assert (code, told["verdict"], told["type"]) == (0, "well-formed", type(message).__name__)
    assert told["routing_key"] == binary_key(DEBTOR, ALICE)
    assert told["creditor_id"] == ALICE


def test_a_credit_is_for_the_server_alone():
    """Nobody else may send it."""
    assert "INTERNAL_USER" in check(body_of(credit()))[1]["then"]


@pytest.mark.parametrize(
    "body, options, reason",
    [
        (b"\xff", [], "bad_encoding"),
        (b"{", [], "bad_json"),
        (b"[]", [], "not_an_object"),
        (b"{}", ["--type", "Nonsense"], "unknown_type"),
        (b"{}", ["--content-type", "text/plain"], "bad_content_type"),
        (b" " * 70_000, [], "too_large"),
        (body_of(configure()), ["--type", "PrepareTransfer"], "type_mismatch"),
        (body_of(configure(seqnum=2**40)), [], "bad_field"),
        (body_of(request(min_locked_amount=2, max_locked_amount=1)), [], "bad_combination"),
        (body_of(request(coordinator_type="interest")), [], "reserved_coordinator_type"),
    ],
)
def test_a_message_that_would_be_put_aside_is_told_why(body, options, reason):
    """The reason, its detail, and what it means."""
    code, told = check(body, *options)
    assert (code, told["verdict"], told["reason"]) == (1, "dead letter", reason)
    assert told["meaning"].endswith(".")


def test_an_account_belongs_to_one_shard():
    """Each account is in one of two halves."""
    answers = [check(body_of(configure()), "--realm", shard) for shard in SHARDS]
    assert sorted(code for code, _ in answers) == [0, 1]
    assert {told.get("reason") for _, told in answers} == {None, "wrong_shard"}


@pytest.mark.parametrize(
    "words, told", [(["nowhere.json"], "No such file"), (["-", "--realm", "x"], "'x' must be")]
)
def test_what_is_expected_is_said(words, told):
    """In one line."""
    done = CliRunner().invoke(program, ["check-message", *words], prog_name="swpt-accounts")
    assert done.exit_code == 2
    assert told in done.output


@pytest.mark.parametrize(
    ("user", "code", "detail"),
    [
        (["--user", "alice"], 0, None),
        (["--user", "bob"], 1, "user_id: not in the table of peers"),
        ([], 1, "user_id: missing"),
    ],
)
def test_a_table_of_peers_can_be_tried(tmp_path, user, code, detail):
    """Before the server is started anew with it."""
    file = tmp_path / "peers.toml"
    file.write_text(f"[peers.alice]\ncreditors = [{ALICE}]")
    done, told = check(body_of(configure()), "--peers", str(file), *user)
    assert (done, told.get("detail")) == (code, detail)
    file.write_text("[peers.alice]")
    wrong = CliRunner().invoke(
        program, ["check-message", "-", "--peers", str(file)], input=body_of(configure())
    )
    assert wrong.exit_code == 2
    assert "must speak for somebody" in wrong.output
