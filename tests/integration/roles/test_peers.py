"""Two agents on one broker, each with a user of its own: the table of peers keeps them apart."""

import base64
import hashlib
import json
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest

from tests.backstage.builders import configure, finalize, prepared, request
from tests.backstage.server import QUEUE, Server
from tests.backstage.waiting import wait_until
from tests.backstage.wire import body_of

DEBTOR = 4711
ALICE, MALLORY = 5 * 2**40 + 1, 6 * 2**40 + 1
TABLE = """
[peers.alice_RUN]
creditors = ["00.00.05.#"]
coordinator_types = ["direct"]

[peers.mallory_RUN]
creditors = ["00.00.06.#"]
coordinator_types = ["direct", "agent"]

[peers.issuer_RUN]
debtors = [4711]
coordinator_types = ["issuing"]
"""


RUN = secrets.token_hex(4)
"""The names of a run's users end with it, because others may work on the same broker."""


def definition(user):
    """A user whose password is its name, as the broker keeps it."""
    salt = secrets.token_bytes(4)
    hashed = base64.b64encode(salt + hashlib.sha256(salt + user.encode()).digest()).decode()
    algorithm = "rabbit_password_hashing_sha256"
    return {"name": user, "password_hash": hashed, "hashing_algorithm": algorithm, "tags": []}


@pytest.fixture(name="users", scope="module")
def _users(rabbitmq):
    """Addresses in a new virtual host, for each of these users; the server is one of them."""
    vhost = f"test_{RUN}"
    names = [f"{name}_{RUN}" for name in ("server", "alice", "mallory", "issuer", "stranger")]
    rights = {"vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
    definitions = {
        "vhosts": [{"name": vhost}],
        "users": [definition(name) for name in names],
        "permissions": [rights | {"user": name} for name in names],
    }
    rabbitmqctl = rabbitmq.rabbitmqctl
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the broker's own user reads it
        file = Path(folder) / "definitions.json"
        file.write_text(json.dumps(definitions))
        rabbitmqctl("import_definitions", str(file))
    where = urlsplit(rabbitmq.url)
    yield lambda user: where._replace(
        netloc=f"{user}_{RUN}:{user}_{RUN}@{where.hostname}:{where.port}", path=f"/{vhost}"
    ).geturl()
    rabbitmqctl("delete_vhost", vhost)
    for name in names:
        rabbitmqctl("delete_user", name)


@pytest.fixture(name="server")
def _server(users, postgres_url, tmp_path):
    file = tmp_path / "peers.toml"
    file.write_text(TABLE.replace("RUN", RUN))
    return Server(postgres_url, users("server"), PEERS_FILE=str(file))


@contextmanager
def agent(url):
    """Sends messages under its own name, unless told otherwise."""
    parameters = pika.URLParameters(url)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()

        def send(message, user_id=parameters.credentials.username, queue=None):
            header = pika.BasicProperties(
                content_type="application/json",
                type=type(message).__name__,
                delivery_mode=2,
                user_id=user_id,
            )
            exchange, key = ("accounts_in", "0.1") if queue is None else ("", queue)
            channel.basic_publish(exchange, key, body_of(message), header, mandatory=True)

        yield send


def asks(creditor_id, number, **fields):
    """A request to send 10 to Mallory."""
    values = {"min_locked_amount": 10, "max_locked_amount": 10, "coordinator_request_id": number}
    return request(creditor_id, MALLORY, **(values | {"debtor_id": DEBTOR} | fields))


def ends(creditor_id, number, transfer_id, **fields):
    """A request that commits these 10."""
    transfer = prepared(creditor_id, debtor_id=DEBTOR, transfer_id=transfer_id, coordinator_request_id=number)
    return finalize(transfer, 10, **fields)


def transfer_of(server, creditor_id):
    """The one that is prepared."""
    query = "SELECT transfer_id FROM prepared_transfer WHERE creditor_id = %s"
    [(transfer_id,)] = wait_until(lambda: server.rows(query, creditor_id), "a prepared transfer")
    return transfer_id


def open_accounts(server, issuer, alice, mallory):
    """Three accounts, and ten on that of Alice."""
    issuer(configure(0, debtor_id=DEBTOR, negligible_amount=1e30))
    alice(configure(ALICE, debtor_id=DEBTOR))
    mallory(configure(MALLORY, debtor_id=DEBTOR))
    wait_until(lambda: len(server.rows("SELECT 1 FROM account")) == 3, "three accounts")
    issuing = {"coordinator_type": "issuing", "coordinator_id": DEBTOR}
    issuer(asks(0, 1, recipient=f"{ALICE}", **issuing))
    issuer(ends(0, 1, transfer_of(server, 0), **issuing))
    wait_until(lambda: server.rows("SELECT 1 FROM account WHERE principal = 10"), "money")


def test_an_agent_can_do_nothing_with_the_accounts_of_another(server, users, caplog):
    """Mallory configures, spends and finalizes for Alice, and issues: each is put aside, with an alarm.

    What they may do is done, and nothing of the rest has an effect.
    """
    with (
        server.serving_here(),
        agent(users("alice")) as alice,
        agent(users("mallory")) as mallory,
        agent(users("issuer")) as issuer,
        agent(users("stranger")) as stranger,
    ):
        open_accounts(server, issuer, alice, mallory)
        alice(asks(ALICE, 1))
        transfer_id = transfer_of(server, ALICE)
        mallory(configure(ALICE, debtor_id=DEBTOR, seqnum=7))
        mallory(asks(ALICE, 2))
        mallory(ends(ALICE, 1, transfer_id))
        mallory(asks(MALLORY, 3, coordinator_type="trade", coordinator_id=1))
        mallory(configure(0, debtor_id=DEBTOR, seqnum=7))
        mallory(configure(ALICE, debtor_id=DEBTOR, seqnum=8), user_id=None)
        wait_until(lambda: len(server.rows("SELECT 1 FROM dead_letter")) == 6, "all are put aside")
        stranger(configure(ALICE, debtor_id=DEBTOR, seqnum=9))
        wait_until(lambda: len(server.rows("SELECT 1 FROM dead_letter")) == 7, "this one too")
        assert server.rows("SELECT transfer_id FROM prepared_transfer") == [(transfer_id,)]
        alice(ends(ALICE, 1, transfer_id))
        wait_until(lambda: not server.rows("SELECT 1 FROM prepared_transfer"), "Alice's payment")
    not_mine = "creditor_id: an account that this peer does not speak for"
    assert server.rows("SELECT reason, detail FROM dead_letter ORDER BY dead_letter_id") == [
        ("not_allowed", not_mine),
        ("not_allowed", not_mine),
        ("not_allowed", not_mine),
        ("not_allowed", "coordinator_type: not one of this peer"),
        ("not_allowed", not_mine),
        ("not_allowed", "user_id: missing"),
        ("not_allowed", "user_id: not in the table of peers"),
    ]
    assert server.rows("SELECT creditor_id, principal, last_config_seqnum FROM account ORDER BY 1") == [
        (0, -10, 0),
        (ALICE, 0, 0),
        (MALLORY, 10, 0),
    ]
    assert sum(line.startswith("ALARM: dead letter, not_allowed: ") for line in caplog.messages) == 7


def test_what_is_put_back_comes_under_the_name_of_the_server(server, users):
    """The broker has given up two messages: the one that its sender may send is put back, and taken.

    The other one can only be discarded, whatever its reason is.
    """
    with agent(users("mallory")) as mallory:
        mallory(configure(MALLORY, debtor_id=DEBTOR), queue=f"{QUEUE}.XQ")
        mallory(configure(ALICE, debtor_id=DEBTOR), queue=f"{QUEUE}.XQ")
    wait_until(lambda: server.count_messages(f"{QUEUE}.XQ") == 2, "two messages")
    assert server.run("dead-letters", "take-xq")[0] == 0
    [(good, why), (forged, no)] = server.rows(
        "SELECT dead_letter_id, reason FROM dead_letter ORDER BY dead_letter_id"
    )
    assert (why != no, no) == (True, "not_allowed")
    code, _, told = server.run("dead-letters", "return", f"{good}", f"{forged}")
    assert (code, "not_allowed: it can only be discarded" in told) == (1, True)
    server.execute(f"UPDATE dead_letter SET reason = 'wrong_shard' WHERE dead_letter_id = {forged}")
    code, _, told = server.run("dead-letters", "return", f"{forged}")
    assert (code, "is not allowed by the table of peers" in told) == (1, True)
    assert server.run("dead-letters", "return", f"{good}")[0] == 0
    with server.serving_here():
        found = wait_until(lambda: server.rows("SELECT creditor_id FROM account"), "an account")
    assert found == [(MALLORY,)]
    assert server.rows("SELECT dead_letter_id FROM dead_letter WHERE state = 'open'") == [(forged,)]
