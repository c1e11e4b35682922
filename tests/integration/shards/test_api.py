"""The HTTP interface for other shards, on a real database (rules.md#http-between-shards)."""

import json
import logging
import threading
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event, text

from swpt_accounts.runtime.settings import load
from swpt_accounts.shards.app import create_app
from swpt_accounts.storage.connections import connect
from swpt_accounts.storage.models import Account, RootConfiguration, db
from swpt_accounts.wire.numbers import u64
from swpt_accounts.wire.routing import Realm

D = -1
UD = 2**64 - 1
PLAIN = "text/plain; charset=utf-8"


@pytest.fixture
def make_client(postgres_url):
    """Makes clients of applications with the given settings; the database is that of the test."""
    apps = []

    def make(**environ):
        app = create_app(load({"POSTGRES_URL": postgres_url} | environ))
        apps.append(app)
        return app.test_client()

    yield make
    for app in apps:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


@pytest.fixture
def client(make_client):
    """A client of an application with the settings of one shard alone."""
    return make_client()


@pytest.fixture
def account(client):
    """Creates accounts."""

    def create(debtor_id, creditor_id, *, flags=0, is_deleted=False, config_data=None):
        row = dict.fromkeys(Account.__table__.columns.keys(), 0)
        row |= {
            "debtor_id": debtor_id,
            "creditor_id": creditor_id,
            "config_flags": flags,
            "deleted": is_deleted,
        }
        row |= {"overflown": False}
        with client.application.app_context():
            db.session.execute(Account.__table__.insert().values(row))
            if config_data is not None:
                db.session.add(RootConfiguration(debtor_id=debtor_id, config_data=config_data))
            db.session.commit()

    return create


@pytest.mark.parametrize(
    ("flags", "is_deleted", "status"),
    [
        (0, False, 204),
        # any bits but bit 0
        (2**31 - 2, False, 204),
        (-2, False, 204),
        # scheduled for deletion
        (1, False, 404),
        (-1, False, 404),
        (0, True, 404),
        (1, True, 404),
    ],
)
def test_an_account_is_reachable_while_it_is_open(client, account, flags, is_deleted, status):
    """204 for an existing account that is neither deleted nor scheduled for deletion, else 404."""
    account(D, 4294967297, flags=flags, is_deleted=is_deleted)
    answer = client.get(f"/accounts/{UD}/4294967297/reachable")
    assert (answer.status_code, answer.data) == (status, b"")
    assert answer.headers["Content-Type"] == PLAIN
    assert answer.headers["Cache-Control"] == ("max-age=10" if status == 204 else "no-store")


def test_an_unknown_account_is_not_reachable(client):
    """404 without a body, which nobody may cache, for an account that does not exist."""
    answer = client.get("/accounts/1/2/reachable")
    assert (answer.status_code, answer.data) == (404, b"")
    assert answer.headers["Content-Type"] == PLAIN
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("is_deleted", [None, False, True])
def test_a_root_account_is_always_reachable(client, account, is_deleted):
    """204 for creditor 0, whether the account is missing, scheduled for deletion or deleted."""
    if is_deleted is not None:
        account(D, 0, flags=1, is_deleted=is_deleted)
    answer = client.get(f"/accounts/{UD}/0/reachable")
    assert (answer.status_code, answer.data) == (204, b"")
    assert answer.headers["Cache-Control"] == "max-age=10"


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize(
    ("creditor_id", "config_data"),
    [(0, '{"type":"RootConfigData","rate":5.0,"x":"ж\\n"}'), (0, None), (7, None), (7, '{"rate":1.0}')],
)
def test_config_answers_for_every_row(client, account, creditor_id, config_data, is_deleted):
    """200 with the exact text of a root account, and an empty text for any other, deleted or not."""
    account(D, creditor_id, is_deleted=is_deleted, config_data=config_data)
    answer = client.get(f"/accounts/{UD}/{creditor_id}/config")
    assert answer.status_code == 200
    assert answer.data == ((config_data or "").encode() if creditor_id == 0 else b"")
    assert answer.headers["Content-Type"] == PLAIN
    assert answer.headers["Cache-Control"] == "max-age=86400"


@pytest.mark.parametrize("creditor_id", [0, 7])
def test_config_of_a_missing_account_is_unknown(client, creditor_id):
    """404 without a body, which nobody may cache, also for a root account without a row."""
    answer = client.get(f"/accounts/1/{creditor_id}/config")
    assert (answer.status_code, answer.data) == (404, b"")
    assert answer.headers["Content-Type"] == PLAIN
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("debtor_id", "creditor_id"), [(2**63 - 1, -(2**63)), (-(2**63), 2**63 - 1), (0, 1), (-1, -1)]
)
def test_extreme_ids_are_found(client, account, debtor_id, creditor_id):
    """Ids in paths are unsigned, ids in the database are signed."""
    account(debtor_id, creditor_id)
    path = f"/accounts/{debtor_id % 2**64}/{creditor_id % 2**64}"
    assert client.get(f"{path}/reachable").status_code == 204
    assert client.get(f"{path}/config").status_code == 200


@pytest.mark.parametrize("resource", ["reachable", "config"])
def test_head_is_get_without_the_body(client, account, resource):
    """HEAD has the status and the headers of GET."""
    account(1, 0, config_data='{"rate":1.0}')
    got, head = client.get(f"/accounts/1/0/{resource}"), client.head(f"/accounts/1/0/{resource}")
    assert head.status_code == got.status_code
    assert head.headers == got.headers
    assert head.data == b""


def test_a_shard_answers_for_its_own_accounts(make_client, account):
    """The same account is answered by the shard that owns it."""
    account(123, 456)
    client = make_client(
        PROTOCOL_BROKER_QUEUE_ROUTING_KEY="0.#", FETCH_API_URL="http://router", INTERNAL_USER="guest"
    )
    assert client.get("/accounts/123/456/reachable").status_code == 204


def test_the_ages_of_answers_are_settings(make_client, account):
    """FETCH_API_REACHABLE_MAX_AGE and FETCH_API_CONFIG_MAX_AGE stand in the answers, in whole seconds."""
    account(1, 2)
    client = make_client(FETCH_API_REACHABLE_MAX_AGE="0.5", FETCH_API_CONFIG_MAX_AGE="77")
    assert client.get("/accounts/1/2/reachable").headers["Cache-Control"] == "max-age=0"
    assert client.get("/accounts/1/2/config").headers["Cache-Control"] == "max-age=77"


@pytest.mark.parametrize("resource", ["reachable", "config"])
@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hush@127.0.0.1:1/d", "postgresql://u:hush@127.0.0.1:5432/no_such_database_at_all"],
)
def test_a_missing_database_is_said_soon(make_client, caplog, resource, url):
    """503, which nobody may cache, and one log line without the password."""
    client = make_client(POSTGRES_URL=url)
    answer = client.get(f"/accounts/1/2/{resource}")
    assert answer.status_code == 503
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"Traceback" not in answer.data
    [line] = [entry for entry in caplog.records if entry.name == "swpt_accounts.shards.api"]
    assert line.levelno == logging.ERROR
    assert line.exc_info is None
    assert "hush" not in line.getMessage()


def test_a_database_that_comes_back_is_used_again(client, account, postgres_url):
    """After the server has cut the connections, the next request is answered as if nothing were."""
    account(1, 2)
    assert client.get("/accounts/1/2/reachable").status_code == 204
    with client.application.app_context(), db.engine.connect() as connection:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert client.get("/accounts/1/2/reachable").status_code == 204


@pytest.mark.parametrize("path", ["/accounts/1/2/reachable", "/accounts/1/0/config"])
def test_a_session_that_is_lost_behind_the_answer_is_said(client, account, postgres_url, caplog, path):
    """503 and one line, as for any outage, although what was asked for had been found."""
    account(1, 2)
    account(1, 0)
    found = []

    def lose(connection, cursor, statement, *_rest):
        if "FROM account" in statement:
            found.append(statement)
            session = cursor.connection.info.backend_pid
            with closing(connect(postgres_url, "test")) as other, other, other.cursor() as elsewhere:
                elsewhere.execute("SELECT pg_terminate_backend(%s, 5000)", [session])

    with client.application.app_context():
        event.listen(db.engine, "after_cursor_execute", lose)
    answer = client.get(path)
    assert found
    assert (answer.status_code, answer.headers["Cache-Control"]) == (503, "no-store")
    [line] = [entry for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert line.exc_info is None


def test_a_database_that_hangs_is_not_waited_for(client, account):
    """A question that the database does not answer in time becomes a 503."""
    account(1, 2)
    with client.application.app_context(), db.engine.begin() as connection:
        connection.execute(text("LOCK TABLE account IN ACCESS EXCLUSIVE MODE"))
        answers = []
        ask = threading.Thread(
            target=lambda: answers.append(client.get("/accounts/1/2/reachable").status_code)
        )
        ask.start()
        ask.join(10)
    assert answers == [503]


def test_our_own_fault_shows_no_stack(client, monkeypatch, caplog):
    """An unexpected error is a short 500; the trace is in the log only."""
    monkeypatch.setattr("swpt_accounts.shards.queries.config_data", lambda *_: 1 / 0)
    answer = client.get("/accounts/1/2/config")
    assert (answer.status_code, answer.data) == (500, b"Internal server error.\n")
    assert answer.headers["Cache-Control"] == "no-store"
    assert caplog.records[-1].exc_info


# -- many questions in one call ----------------------------------------------------------------

SHARD = {
    "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "0.#",
    "FETCH_API_URL": "http://x",
    "INTERNAL_USER": "guest",
}


def test_many_accounts_are_asked_for_in_one_call(make_client, account):
    """One answer for each in their order, the same as for single questions; a yes says how long it lasts."""
    client = make_client(**SHARD, FETCH_API_REACHABLE_MAX_AGE="7")
    mine = [number for number in range(1, 60) if Realm.parse("0.#").owns(D, number)][:6]
    states: list[dict[str, Any]] = [{}, {"flags": 1}, {"is_deleted": True}, {"flags": -2}]
    for number, state in zip(mine, states, strict=False):
        account(D, number, **state)
    debtor = next(number for number in range(1, 60) if Realm.parse("0.#").owns(number, 0))
    keys = [*((D, number) for number in mine), (debtor, 0), (D, mine[0])]
    answer = client.post("/realms/0/reachable", data=json.dumps(keys))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "reachable": [True, False, False, True, False, False, True, True],
        "max_age": 7.0,
    }
    singles = [client.get(f"/accounts/{u64(d)}/{u64(c)}/reachable").status_code == 204 for d, c in keys]
    assert singles == answer.json["reachable"]


@pytest.mark.parametrize(
    ("path", "keys", "status"),
    [
        ("/realms/1/reachable", [], 500),
        ("/realms/00/reachable", [], 500),
        # an account of the other shard among others
        ("/realms/0/reachable", [[D, number] for number in range(20)], 500),
        ("/realms/0/reachable", [[D]], 400),
        ("/realms/0/reachable", [[D, 2**63]], 400),
        ("/realms/0/reachable", [[D, "1"]], 400),
        ("/realms/0/reachable", {}, 400),
        ("/realms/0/reachable", [[123, 456]] * 401, 400),
        ("/realms/0/reachable", [[123, 456]] * 400, 200),
        ("/realms/2/reachable", [], 404),
        ("/realms//reachable", [], 404),
        ("/realms/0/config", [], 404),
    ],
)
def test_what_is_no_question_for_this_shard_is_refused(make_client, account, path, keys, status):
    """A realm that is not its own is the caller's error about a split; it asks again."""
    answer = make_client(**SHARD).post(path, data=json.dumps(keys))
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"


def test_answers_say_the_realm_of_who_has_answered(make_client):
    """So other shards learn whom to ask together, and notice that somebody has their queue."""
    client = make_client(**SHARD | {"PROTOCOL_BROKER_QUEUE": "half ½"})
    for path in ("healthz", "123/456/reachable", "123/456/config", f"{UD}/0/reachable"):
        headers = client.get(f"/accounts/{path}").headers
        assert (headers["Shard-Realm"], headers["Shard-Queue"]) == ("0.#", "half%20%C2%BD")
