"""The commands for operators, as operators type them; the examples of docs/operators.md all work."""

import json
import os
import pwd
import re
import signal
import subprocess
import sys
from hashlib import sha256

import click
import pika
import pytest
from click.testing import CliRunner

from swpt_accounts.commands.cli import program
from swpt_accounts.rules.seal import Place, next_seal
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.readers import user_of
from swpt_accounts.storage import connections
from swpt_accounts.storage.sealed_rows import write_seal
from swpt_accounts.wire.moments import MICROSECONDS_PER_DAY, parse_timestamp, render_timestamp
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import NOW, configure, credit, request, text
from tests.backstage.commands import SERVER, TOP
from tests.backstage.stand import Stand
from tests.backstage.waiting import wait_until
from tests.backstage.wire import body_of, key_of

CREDITOR = 4294967297
DOCUMENT = (TOP / "docs" / "operators.md").read_text()
EXAMPLES = [
    line
    for block in re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("swpt-accounts ")
]
ONE_AFTER_THE_OTHER = """
import shlex, sys
from swpt_accounts.commands.cli import main
for line in sys.stdin:
    sys.argv = shlex.split(line)
    try:
        main()
    except SystemExit as end:
        sys.stderr.flush()
        print(f"exit code: {end.code or 0}", flush=True)
"""
ME = pwd.getpwuid(os.getuid()).pw_name


def run_all(server, lines):
    """Commands one after the other: exit code, and all that it says, of each.

    One process for all of them, because to start the program takes longer than most commands.
    """
    done = subprocess.run(
        (sys.executable, "-c", ONE_AFTER_THE_OTHER),
        cwd=TOP,
        env={"PATH": os.environ["PATH"], **server.environ},
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stdout
    ends = re.findall(r"(.*?)^exit code: (\d+)\n", done.stdout, re.MULTILINE | re.DOTALL)
    return [(int(code), said) for said, code in ends]


def put_aside(server, number, reason, message):
    """A dead letter with this id."""
    properties = pika.BasicProperties(content_type="application/json", type=type(message).__name__)
    body = body_of(message)
    with (
        connections.session(server.postgres_url, "a test") as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO dead_letter (dead_letter_id, received_at, reason, detail, queue, exchange,"
            " routing_key, properties, body, body_size, body_sha256)"
            " VALUES (%s, 0, %s, '', 'swpt_accounts', 'accounts_in', %s, %s, %s, %s, '')",
            [number, reason, key_of(message), b"".join(properties.encode()), body, len(body)],
        )


def commands(group=program, *path):
    """All commands that do something, as words."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)
        else:
            yield (*path, name)


TOPICS = (
    "accounts",
    "audit",
    "check-message",
    "check-shard",
    "credits",
    "dead-letters",
    "ledger",
    "outbox",
    "refusals",
    "restored",
    "settings",
    "topology",
    "transfers",
    "verify",
)
FOR_OPERATORS = [words for words in commands() if words[0] in TOPICS]


def test_every_command_has_an_example():
    """The page for operators shows each of their commands."""
    shown = {" ".join(words) for words in FOR_OPERATORS}
    exemplified = {name for name in shown for line in EXAMPLES if line.startswith(f"swpt-accounts {name}")}
    assert exemplified == shown


def test_the_examples_work(server, tmp_path):
    """Every command of the page for operators, in its order, ends with exit code 0."""
    owned = next(one for one in range(100) if Realm.parse("1.0.#").owns(one, CREDITOR))
    (tmp_path / "message.json").write_bytes(body_of(request(CREDITOR, debtor_id=owned)))
    (tmp_path / "peers.toml").write_text("""
        [peers.creditors]
        creditors = ["#"]
        coordinator_types = ["direct"]
    """)
    lines = [re.sub(r"\S+\.(json|toml)\b", lambda name: str(tmp_path / name[0]), line) for line in EXAMPLES]
    now = clock.utcnow()
    stand = Stand(server.postgres_url, clock.utcnow)
    stand.apply(configure(CREDITOR, debtor_id=-1, ts=now), configure(0, debtor_id=-1, ts=now))
    stand.close()
    old = now - 100 * MICROSECONDS_PER_DAY
    for number in (17, 18, 19):
        put_aside(server, number, "wrong_shard", configure(CREDITOR, debtor_id=-1, ts=now))
    for number in (30, 31):
        put_aside(server, number, "bad_json", configure(CREDITOR, debtor_id=-1, ts=now))
    put_aside(server, 20, "credit_too_old", credit(CREDITOR, debtor_id=-1, committed_at=old))
    put_aside(server, 21, "credit_conflict", credit(CREDITOR, debtor_id=-1, committed_at=old))
    with pika.BlockingConnection(pika.URLParameters(server.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("old_queue", durable=True)
        channel.queue_bind("old_queue", "accounts_in", "1.#")
    at = parse_timestamp("2026-11-21T10:00:00Z")
    server.execute(
        "INSERT INTO refusal (refused_at, refusal_id, kind, code, debtor_id, creditor_id, coordinator_type,"
        " coordinator_id, coordinator_request_id, transfer_id) OVERRIDING SYSTEM VALUE VALUES"
        f" ({at}, 1, 'commit', 'TIMEOUT', -1, {CREDITOR}, 'direct', 1, 6917529027641081857,"
        " 22759917180026881)"
    )
    with connections.session(server.postgres_url, "a test") as connection, connection:
        seal = next_seal(None, Place(1), 0, sha256(b"").hexdigest(), now)
        write_seal(connection.cursor(), seal, b"")
    # The account of the other shard owes what it has sent here, before the journal began.
    server.execute("UPDATE account SET principal = -100, created_at = 0 WHERE creditor_id = 0")
    for line, (code, output) in zip(
        EXAMPLES,
        run_all(server, lines),
        strict=True,
    ):
        assert code == 0, f"{line}: {output}"
        assert output, line
    changes = [words for words, _ in server.rows("SELECT action, audit_id FROM audit ORDER BY audit_id")]
    assert changes == [
        "dead-letters return",
        "dead-letters return",
        *["dead-letters discard"] * 3,
        "credits apply",
        "credits discard",
        "restored begins",
        "restored ends",
        "accounts set-back-config",
        "topology declare",
        "topology unbind",
        "topology delete-queue",
        "tokens create",
        "tokens revoke",
        "tokens create",
    ]
    assert server.rows("SELECT DISTINCT operator FROM audit") == [(ME,)]


@pytest.mark.parametrize("words", FOR_OPERATORS, ids=" ".join)
def test_every_command_explains_itself(words):
    """--help works without settings, and says more than the name."""
    shown = CliRunner().invoke(program, [*words, "--help"], prog_name="swpt-accounts", env={})
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: swpt-accounts {' '.join(words)}")
    assert len(shown.output) > 200


def test_a_returned_message_is_applied(server):
    """A dead letter that is returned reaches the queue through the chores, and a worker takes it."""
    message = configure(CREDITOR, debtor_id=-1, ts=clock.utcnow())
    put_aside(server, 5, "internal_error", message)
    code, output, _ = server.run("dead-letters", "return", "5", "--operator", "olga")
    assert (code, output) == (0, "returned: 5\n")
    with server.running("worker", "chores"):
        query = "SELECT debtor_id, creditor_id FROM account"
        assert wait_until(lambda: server.rows(query), "the account exists") == [(-1, CREDITOR)]
        server.execute("DELETE FROM account_update_due")
    assert server.rows("SELECT operator, target FROM audit") == [("olga", "dead letter 5")]
    assert server.rows("SELECT count(*) FROM dead_letter WHERE state = 'open'") == [(0,)]


def test_machines_read_one_document(server):
    """With --json each command that shows something writes a document on one line."""
    message = configure(CREDITOR, debtor_id=-1, ts=clock.utcnow())
    stand = Stand(server.postgres_url, clock.utcnow)
    stand.apply(message)
    stand.close()
    server.execute("DELETE FROM outbox")
    put_aside(server, 5, "wrong_shard", message)
    words = [
        "dead-letters list",
        "dead-letters show 5",
        "accounts show -1 4294967297",
        "verify",
        "check-shard",
        "outbox list --all",
    ]
    answers = run_all(server, [f"swpt-accounts {command} --json" for command in words])
    assert [code for code, _ in answers] == [0] * len(words)
    listed, shown, account, verified, checked, outbox = (json.loads(output) for _, output in answers)
    assert (listed[0]["id"], listed[0]["reason"], listed[0]["type"]) == (5, "wrong_shard", "ConfigureAccount")
    assert json.loads(shown["body"])["creditor_id"] == CREDITOR
    assert (account["creditor_id"], account["principal"], account["balance"]) == (CREDITOR, 0, 0)
    assert account["last_config_ts"] == render_timestamp(message.ts)
    assert (verified["accounts"], verified["violations"]) == (1, [])
    assert {check["table"] for check in checked} == {
        "account",
        "prepared_transfer",
        "outbox",
        "waiting_request",
    }
    assert outbox == []


def test_a_body_is_shown_raw_and_what_is_returned_waits_in_the_outbox(server):
    """`show --raw` writes the very bytes; a returned message is in the list of the outbox until it leaves."""
    message = configure(CREDITOR, debtor_id=-1)
    put_aside(server, 5, "wrong_shard", message)
    _, output, _ = server.run("dead-letters", "show", "5", "--raw")
    assert output.encode() == body_of(message)
    commands = ["dead-letters return 5", "outbox list --all --json"]
    _, (code, output) = run_all(server, [f"swpt-accounts {command}" for command in commands])
    [row] = json.loads(output)
    assert (code, row["types"], row["accounts"], row["attempts"]) == (0, {"ConfigureAccount": 1}, [], 0)


def test_what_is_wrong_is_exit_code_1(server):
    """verify and check-shard show people and programs that something is wrong (behaviour 62)."""
    stand = Stand(server.postgres_url, clock.utcnow)
    stand.apply(configure(CREDITOR, debtor_id=-1, ts=clock.utcnow()))
    stand.close()
    server.execute("UPDATE account SET principal = 5, total_locked_amount = 3")
    code, output, _ = server.run("verify")
    assert code == 1
    assert re.search(r"V1 +-1 +4294967297 +3 is locked, its transfers lock 0", output)
    assert re.search(r"V3 +-1 +the principals add up to 5, not to 0", output)
    assert output.endswith("1 currencies, 1 accounts (the numbers of 1), 3 violations\n")
    assert re.search(r"V9 +-1 +4294967297 +the principal is 5, by the journal 0", output)
    other = {
        "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "1.#",
        "FETCH_API_URL": "http://other.example",
        "INTERNAL_USER": user_of(server.amqp_url),
    }
    code, output, _ = server.run("check-shard", **other)
    assert code == 1
    assert "-1/4294967297" in output
    assert server.run("verify", **other)[0] == 1
    assert server.run("check-shard")[0] == 0


MISTAKES = [
    ("dead-letters show 4711", 1, "there is no dead letter 4711"),
    ("dead-letters return 4711", 1, "there is no dead letter 4711"),
    ("credits apply 4711", 1, "there is no dead letter 4711"),
    ("accounts show 1 18446744073709551615", 1, "there is no account 1/-1"),
    ("accounts show 1 18446744073709551616", 2, "has more than 64 bits"),
    ("accounts show -1 x", 2, "'x' is no number"),
    ("accounts set-back-config 1 2 --ts 2026-11-21", 2, "like 2026-11-21T10:00:00Z"),
    ("dead-letters discard", 2, "either by their ids or by their --reason"),
    ("dead-letters return 1 --reason bad_json", 2, "either by their ids or by their --reason"),
    ("dead-letters discard --reason bad_json", 1, "no open dead letter with the reason bad_json"),
    ("topology delete-queue swpt_accounts", 1, "the one that PROTOCOL_BROKER_QUEUE names"),
    ("topology delete-queue swpt_accounts.busy", 1, "holds messages, or somebody consumes it"),
    ("credits discard 1", 2, "Missing option '--note'"),
]


def test_a_mistake_is_one_clear_line(server):
    """What cannot be done is shown without a traceback, and leaves no row in the audit."""
    with pika.BlockingConnection(pika.URLParameters(server.amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_declare("swpt_accounts.busy", durable=True)
        channel.confirm_delivery()
        channel.basic_publish("", "swpt_accounts.busy", b"x")
    answers = run_all(server, [f"swpt-accounts {words}" for words, _, _ in MISTAKES])
    for (words, code, line), (shown, errors) in zip(MISTAKES, answers, strict=True):
        assert (shown, line in errors) == (code, True), f"{words}: {errors}"
    assert server.rows("SELECT count(*) FROM audit") == [(0,)]


def test_tables_that_are_missing_are_shown(empty_postgres_url):
    """A command on a database without tables says what to do first."""
    done = subprocess.run(
        (*SERVER, "verify"),
        cwd=TOP,
        env={"POSTGRES_URL": empty_postgres_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("run `swpt-accounts configure` first")


def test_a_restoration_can_be_stopped_and_resumed(server):
    """SIGTERM ends `restored` after the step at hand, which shows how to go on; nothing is done twice."""
    stand = Stand(server.postgres_url, clock.utcnow)
    now = clock.utcnow()
    stand.apply(*(configure(number, ts=now) for number in range(1, 1200)))
    stand.close()
    words = (*SERVER, "restored", "--moment", text(NOW))
    environ = {"PATH": os.environ["PATH"], **server.environ}
    with connections.session(server.postgres_url, "a test") as blocker, blocker.cursor() as cursor:
        cursor.execute("SELECT 1 FROM account WHERE creditor_id = 700 FOR UPDATE")
        process = subprocess.Popen(words, cwd=TOP, env=environ, stderr=subprocess.PIPE, text=True)
        server.wait_until_blocked("swpt_accounts operator")
        process.send_signal(signal.SIGTERM)
        blocker.rollback()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors == f"stopped after 1000 accounts: go on with --moment {text(NOW)}\n"
    code, output, _ = server.run(*words[len(SERVER) :])
    assert (code, output) == (
        0,
        f"restored at {text(NOW)}: 1199 accounts, 199 announced now\n",
    )
    assert server.rows("SELECT min(last_change_seqnum), max(last_change_seqnum) FROM account") == [
        (2**20 + 2, 2**20 + 2)
    ]


def test_a_check_can_be_ended_in_the_middle_of_a_query(server):
    """SIGTERM ends `verify` at once, although the database is still busy with its question."""
    stand = Stand(server.postgres_url, clock.utcnow)
    stand.apply(configure(CREDITOR, debtor_id=-1, ts=clock.utcnow()))
    stand.close()
    environ = {"PATH": os.environ["PATH"], **server.environ}
    with connections.session(server.postgres_url, "a test") as blocker, blocker.cursor() as cursor:
        cursor.execute("LOCK TABLE prepared_transfer IN ACCESS EXCLUSIVE MODE")
        process = subprocess.Popen((*SERVER, "verify"), cwd=TOP, env=environ)
        server.wait_until_blocked("swpt_accounts operator")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM
        blocker.rollback()
