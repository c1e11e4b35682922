"""The users of the broker with the rights of deploy/: who may be the server, and who may not."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker

from apps.tests.backstage.folders import new_folder
from apps.tests.backstage.running import Program
from tests.backstage.applications import STORIES
from tests.backstage.builders import configure, credit
from tests.backstage.commands import TOP
from tests.backstage.server import QUEUE, Server, vhost_of
from tests.backstage.waiting import wait_until
from tests.backstage.wire import body_of

DEFINITIONS = TOP / "deploy" / "rabbitmq-definitions.json"
DEBTOR, MALLORY, ROOT = 4711, 4294967297, 0


@pytest.fixture(scope="module")
def site(own_rabbitmq, tmp_path_factory):
    """A broker with the users and rights of deploy/; it gives their addresses in a new virtual host."""
    definitions = json.loads(DEFINITIONS.read_text())
    vhost = secrets.token_hex(4)
    for kind in ("permissions", "policies"):
        definitions[kind] = [one | {"vhost": vhost} for one in definitions[kind] if one["vhost"] == "/"]
    definitions["vhosts"] = [{"name": vhost}]
    file: Path = tmp_path_factory.mktemp("broker") / "definitions.json"
    file.write_text(json.dumps(definitions))
    rabbitmqctl = own_rabbitmq.rabbitmqctl
    rabbitmqctl("import_definitions", str(file))
    where = urlsplit(own_rabbitmq.url)
    yield lambda user: where._replace(
        netloc=f"{user}:{user}@{where.hostname}:{where.port}", path=f"/{vhost}"
    ).geturl()
    rabbitmqctl("delete_vhost", vhost)
    for user in definitions["users"]:
        rabbitmqctl("delete_user", user["name"])


@contextmanager
def agent(url):
    """A channel of somebody who talks to the server; the broker says whether it takes a message."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        yield channel


def send(channel, message, **properties):
    """Publish a message as agents do."""
    header = pika.BasicProperties(
        content_type="application/json", type=type(message).__name__, delivery_mode=2, **properties
    )
    channel.basic_publish("accounts_in", "0.1", body_of(message), header, mandatory=True)


def forged(**fields):
    """A million for Mallory, out of nothing."""
    return credit(
        MALLORY, 1_000_000, debtor_id=DEBTOR, other_creditor_id=ROOT, change_id=secrets.randbits(62), **fields
    )


@pytest.mark.parametrize("internal_user", ["", "swpt_accounts"])
def test_who_may_write_to_the_server_is_not_the_server(site, postgres_url, internal_user, caplog):
    """A forged credit gives nobody a unit: it is put aside with an alarm, and the broker refuses our name.

    Also the server that expects no credits, because it owns all accounts, takes none; and its user and
    the agent's get along with the rights that deploy/ gives them.
    """
    server = Server(postgres_url, site("swpt_accounts"), INTERNAL_USER=internal_user)
    with server.serving_here(), agent(site("tour")) as channel:
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "to_creditors", "#")
        send(channel, configure(MALLORY, debtor_id=DEBTOR))
        send(channel, forged())
        send(channel, forged(), user_id="tour")
        wait_until(lambda: channel.basic_get(queue, auto_ack=True)[0], "an answer")
        wait_until(lambda: len(server.rows("SELECT 1 FROM dead_letter")) == 2, "both are put aside")
        with agent(site("tour")) as liar, pytest.raises(ChannelClosedByBroker, match="user_id"):
            send(liar, forged(), user_id="swpt_accounts")
        wait_until(lambda: server.count_messages() == 0, "an empty queue")
    assert server.rows("SELECT reason, state FROM dead_letter") == [("not_internal", "open")] * 2
    assert server.rows("SELECT creditor_id, principal FROM account") == [(MALLORY, 0)]
    assert sum(line.startswith("ALARM: dead letter, not_internal: ") for line in caplog.messages) == 2


def test_the_servers_own_credits_are_taken(site, postgres_url):
    """What comes under the name of the server is a credit, as from another shard."""
    server = Server(postgres_url, site("swpt_accounts"), INTERNAL_USER="swpt_accounts")
    with server.serving_here(), agent(site("swpt_accounts")) as channel:
        send(channel, forged(), user_id="swpt_accounts")
        wait_until(lambda: server.rows("SELECT principal FROM account") == [(1_000_000,)], "the credit")
    assert server.rows("SELECT * FROM dead_letter") == []


ATTEMPTS = [
    lambda channel: channel.queue_declare(QUEUE, passive=False, durable=True),
    lambda channel: channel.queue_purge(QUEUE),
    lambda channel: channel.queue_delete(QUEUE),
    lambda channel: channel.basic_get(QUEUE),
    lambda channel: channel.exchange_delete("accounts_in"),
    lambda channel: channel.queue_bind(QUEUE, "to_creditors", "#"),
    lambda channel: channel.basic_publish("to_creditors", "00.00", b"{}"),
    lambda channel: channel.basic_publish("", QUEUE, b"{}"),
    lambda channel: channel.exchange_declare("mine", "fanout"),
]


def refused(url, attempt):
    """Whether the broker refuses an attempt for lack of a right."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            attempt(channel)
        except ChannelClosedByBroker as error:
            return error.reply_code == 403
        return False


def test_an_agent_can_not_break_what_is_the_servers(site, postgres_url):
    """The rights of an agent end at its own queues: it can neither read, empty nor bypass the server's."""
    Server(postgres_url, site("swpt_accounts"))
    assert [place for place, one in enumerate(ATTEMPTS) if not refused(site("tour"), one)] == []


def test_a_right_too_many_of_an_agent_is_seen(site, postgres_url, own_rabbitmq):
    """The list above fails as soon as an agent may read the queues of others."""
    Server(postgres_url, site("swpt_accounts"))
    permissions = json.loads(DEFINITIONS.read_text())["permissions"]
    [rights] = [one for one in permissions if (one["user"], one["vhost"]) == ("tour", "/")]
    vhost, usual = vhost_of(site("tour")), (rights["configure"], rights["write"], rights["read"])
    set_rights = partial(own_rabbitmq.rabbitmqctl, "set_permissions", "-p", vhost, "tour")
    set_rights(*usual[:2], ".*")
    try:
        allowed = [place for place, one in enumerate(ATTEMPTS) if not refused(site("tour"), one)]
    finally:
        set_rights(*usual)
    assert allowed == [1, 3], "to empty it, and to take a message"


def test_applications_share_a_server_with_the_rights_of_deploy(site, postgres_url, postgres):
    """All five at once, each with a database of its own: money moves in each, and `verify` is clean."""
    server = Server(postgres_url, site("swpt_accounts"))
    with server.serving_here(), ExitStack() as stack, ThreadPoolExecutor(len(STORIES)) as pool:

        def play(name):
            database = postgres.create_empty_database()
            stack.callback(postgres.drop_database, database)
            folder = stack.enter_context(new_folder())
            environ = {
                "POSTGRES_URL": postgres.database_url(database),
                "PROTOCOL_BROKER_URL": site("apps"),
                "APP_SAMPLES": "yes",
                "WALLETS_DEPOSITS_BY_ALL": "yes",
                "APP_FOLDER": str(folder),
            }
            program = stack.enter_context(Program(name, environ))
            STORIES[name](program, folder)
            done = program.command("verify")
            assert done.returncode == 0, done.stdout + done.stderr

        for story in [pool.submit(play, name) for name in STORIES]:
            story.result()
    sums = dict(server.rows("SELECT debtor_id, sum(principal) FROM account GROUP BY 1"))
    # The exchange has five currencies.
    assert (len(sums), set(sums.values())) == (len(STORIES) - 1 + 5, {0})
