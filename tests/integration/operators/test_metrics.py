"""/metrics: what all processes count, how things stand in the database, and who may look."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from swpt_accounts.operators.admin.app import create_admin_app
from swpt_accounts.operators.admin.context import AdminContext
from swpt_accounts.operators.admin.exposition import Exposition
from swpt_accounts.operators.inspection import gauges
from swpt_accounts.operators.inspection.horizon import oldest_transaction
from swpt_accounts.operators.inspection.tokens import VIEWER
from swpt_accounts.operators.operations.orders import Order
from swpt_accounts.operators.operations.tokens import create_token
from swpt_accounts.roles import configure
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections
from swpt_accounts.wire.moments import MICROSECONDS, MICROSECONDS_PER_DAY
from tests.backstage.builders import DAY, HOUR, NOW
from tests.backstage.builders import configure as configure_account
from tests.backstage.commands import SERVER, get, running
from tests.backstage.mailbox import Mailbox
from tests.backstage.waiting import wait_until
from tests.services.ports import free_port

TEXT = "text/plain"


def samples(body: str) -> dict[tuple[str, ...], float]:
    """The numbers of an answer, by name and values of labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


@pytest.fixture
def desk(database) -> Iterator[AdminContext]:
    """Connections to the database of the stand, at the moment of the stories."""
    desk = AdminContext(load({"POSTGRES_URL": database}), lambda: NOW, lambda queue: 0)
    yield desk
    desk.close()


@pytest.fixture
def look(stand, desk):
    """Shows the numbers as they are now."""
    exposition = Exposition(desk, kept_seconds=0.0)
    return lambda: samples(exposition.answer(TEXT)[0].decode())


def shard_numbers(stand, database, **environ: str) -> dict[tuple[str, ...], float]:
    """The numbers of one shard of two."""
    keys = {"PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "0.#", "INTERNAL_USER": "guest"}
    keys |= {"FETCH_API_URL": "http://127.0.0.1:1", "POSTGRES_URL": database}
    with closing(AdminContext(load(keys | environ), lambda: NOW, lambda queue: 0)) as desk:
        return samples(Exposition(desk, kept_seconds=0.0).answer(TEXT)[0].decode())


def test_a_shard_tells_its_realm_and_the_money_between_shards(stand, database):
    """What was committed over an hour ago; modulo, so that the sum of all shards is exact (rule V3)."""
    stand.execute("UPDATE shard_record SET realm = '0.#', realm_since = %s", NOW - DAY)
    flow = "INSERT INTO credit_flow (debtor_id, committed_slot, emitted, applied) VALUES (7, %s, %s, %s)"
    stand.execute(flow, 0, 2**62 + 5, 0)
    stand.execute(flow, NOW - 2 * HOUR, 0, 12)
    stand.execute(flow, NOW, 1000, 0)
    found = shard_numbers(stand, database)
    assert found["swpt_accounts_realm", "0.#"] == 1
    assert found["swpt_accounts_credits_balance", "0.#"] == 2**40 - 7
    absent = ("credits_balance", "0.#")
    assert absent not in shard_numbers(stand, database, DELETE_FOREIGN_RECORDS="yes"), "a split goes on"
    stand.execute("UPDATE shard_record SET realm_since = %s", NOW - HOUR // 2)
    assert absent not in shard_numbers(stand, database), "shortly after a split"


def test_an_empty_database_has_no_number_that_worries(look):
    """Nothing waits, nothing is missing, and every question has an answer."""
    found = look()
    assert found["database_up",] == 1
    assert found["gauges_failed",] == 0
    assert found["debtors_unbalanced",] == 0
    worrying = ("outbox_", "dead_letters_open", "prepared_", "account_updates", "debtors", "accounts")
    # Counters, unlike gauges, remember what this process has done before.
    numbers = {key: value for key, value in found.items() if key[0] in gauges.GAUGES}
    assert {key: value for key, value in numbers.items() if key[0].startswith(worrying) and value} == {}
    assert {name for name, *_ in found} >= {*gauges.GAUGES} - {
        # These have no values before there is something, or nobody who shares a folder.
        *(name for name in gauges.GAUGES if name.startswith(("chore_", "debtor_"))),
        "processes",
        "journal_seal",
        # Nothing comes from others to who has all accounts.
        "credits_balance",
        # The broker of this test has no such queue.
        "messages_given_up",
    }


def test_the_outbox_is_counted_by_messages(stand, look):
    """A row holds many messages; what is parked does not wait, and is counted apart."""
    insert = """
        INSERT INTO outbox
            (created_at, publisher_key, type_counts, accounts, payload, attempts, next_attempt_at)
        VALUES (%s, %s, %s::jsonb, '', '', %s, %s)
    """
    stand.execute(insert, NOW - 5 * MICROSECONDS, 1, '{"AccountUpdate": 3, "PreparedTransfer": 2}', 0, None)
    stand.execute(insert, NOW - 60 * MICROSECONDS, None, '{"AccountUpdate": 1}', 4, NOW)
    stand.execute(insert, NOW - 900 * MICROSECONDS, None, '{"AccountPurge": 1}', 9, None)
    found = look()
    assert (found["outbox_rows", "AccountUpdate"], found["outbox_rows", "PreparedTransfer"]) == (4, 2)
    assert found["outbox_refused_rows", "AccountUpdate"] == 1
    assert found["outbox_oldest_seconds", "AccountUpdate"] == 60
    assert found["outbox_oldest_seconds", "PreparedTransfer"] == 5
    assert found["outbox_rows", "AccountPurge"] == found["outbox_oldest_seconds", "AccountPurge"] == 0
    assert found["outbox_parked_rows",] == 1


@pytest.mark.parametrize(
    ("age_days", "bucket"),
    [(0, "0-1d"), (0.9, "0-1d"), (1.1, "1-7d"), (6.9, "1-7d"), (7.1, "7-30d"), (30.1, "30d+"), (89, "30d+")],
)
def test_prepared_transfers_are_counted_by_age(stand, look, age_days, bucket):
    """Each transfer is in one bucket, and the buckets add up."""
    prepared_at = NOW - int(age_days * MICROSECONDS_PER_DAY)
    stand.execute(
        "INSERT INTO prepared_transfer (debtor_id, creditor_id, transfer_id, coordinator_id,"
        " coordinator_request_id, recipient_creditor_id, locked_amount, prepared_at, deadline,"
        " final_interest_rate_ts, coordinator_type) VALUES (1, 2, 3, 4, 5, 6, 7, %s, 0, 0, 'direct')",
        prepared_at,
    )
    found = look()
    assert {age: found["prepared_transfers_by_age", age] for age, _ in gauges.AGES_DAYS} == {
        age: int(age == bucket) for age, _ in gauges.AGES_DAYS
    }
    assert found["prepared_transfers",] == 1


def test_a_big_table_is_estimated_from_a_sample(stand, look, monkeypatch):
    """The estimate is near the truth, although only a part of the pages is read."""
    rows = 100_000
    stand.execute(f"INSERT INTO account_update_due SELECT 1, n, 0 FROM generate_series(1, {rows}) AS n")
    assert look()["account_updates_pending",] == rows
    monkeypatch.setattr(gauges, "SAMPLE_PAGES", 200)
    assert look()["account_updates_pending",] == pytest.approx(rows, rel=0.3)


def test_open_dead_letters_are_counted_by_reason(stand, look):
    """Settled ones do not count."""
    for state in ("open", "open", "returned"):
        stand.execute(
            "INSERT INTO dead_letter (received_at, state, reason, detail, queue, exchange, routing_key,"
            " properties, body_size, body_sha256) VALUES (0, %s, 'bad_json', '', '', '', '', '', 0, '')",
            state,
        )
    found = look()
    assert (found["dead_letters_open", "bad_json"], found["dead_letters_open", "wrong_shard"]) == (2, 0)


@pytest.mark.parametrize(
    ("period", "started", "pass_started", "lag"),
    [
        # on time; late; a pass that takes longer than its period; noted twice a minute only
        (3600, 3000, None, 0),
        (3600, 4000, None, 400),
        (3600, 9000, 4000, 400),
        (3600, 9000, 100, 0),
        (0.5, 45, None, 0),
        (0.5, 160, None, 130),
    ],
)
def test_a_chore_is_late_by_what_exceeds_its_period(stand, look, period, started, pass_started, lag):
    """The lag counts from the last start, of the pass that runs or that was last."""
    stand.execute(
        "INSERT INTO chore (name, period_seconds, last_started_at, last_finished_at, last_seconds,"
        " pass_started_at) VALUES ('tend accounts', %s, %s, %s, 12.5, %s)",
        period,
        NOW - started * MICROSECONDS,
        NOW - started * MICROSECONDS,
        pass_started and NOW - pass_started * MICROSECONDS,
    )
    found = look()
    assert found["chore_lag_seconds", "tend accounts"] == lag
    assert found["chore_finished_seconds", "tend accounts"] == started
    assert found["chore_duration_seconds", "tend accounts"] == 12.5


def test_settings_that_are_on_their_way_have_an_age(stand, look):
    """The oldest ones count; nothing is on its way when all accounts have them."""
    assert look()["settings_propagation_seconds",] == 0
    for debtor_id, age in ((1, 40), (2, 90), (3, 10)):
        stand.execute(
            "INSERT INTO settings_propagation (debtor_id, requested_at) VALUES (%s, %s)",
            debtor_id,
            NOW - age * MICROSECONDS,
        )
    assert look()["settings_propagation_seconds",] == 90


def test_debtors_have_numbers_of_their_own_up_to_a_limit(stand, look):
    """However many debtors there are, the biggest ones show; all of them are checked for lost money."""
    for number in range(gauges.TOP_DEBTORS + 5):
        stand.execute(
            "INSERT INTO debtor_summary VALUES (%s, %s, %s, 1, 0, %s, %s, 0, 0)",
            -number,
            NOW - 7 * MICROSECONDS,
            100 + number,
            10**20,
            # The smallest one, which has no number of its own.
            int(number == 0),
        )
    found = look()
    assert found["debtors",] == gauges.TOP_DEBTORS + 5
    assert len([name for name, *_ in found if name == "debtor_issued"]) == gauges.TOP_DEBTORS
    assert found["debtor_issued", "-24"] == 1e20
    assert found["debtor_accounts", "-24"] == 124
    assert found["debtors_unbalanced",] == 1
    assert found["debtor_summaries_seconds",] == 7


def test_a_shard_of_several_does_not_judge_sums(stand, desk):
    """The principals of one shard alone need not add up to zero."""
    settings = load(
        {
            "POSTGRES_URL": desk.settings.postgres_url,
            "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": "1.#",
            "FETCH_API_URL": "http://h",
            "INTERNAL_USER": "guest",
        }
    )
    with closing(AdminContext(settings, desk.now, lambda queue: 0)) as shard:
        body, _ = Exposition(shard).answer(TEXT)
    assert b"debtors_unbalanced" not in body


def test_the_clocks_are_compared(stand, desk):
    """The clock of this host and that of the database differ by what they differ."""
    shifted = (clock.utcnow() - stand.machine_moment()) / MICROSECONDS
    for seconds in (0, 3600):
        ahead = partial(_ahead, seconds)
        with closing(AdminContext(desk.settings, ahead, lambda queue: 0)) as elsewhere:
            found = samples(Exposition(elsewhere).answer(TEXT)[0].decode())
        assert found["clock_difference_seconds",] == pytest.approx(shifted + seconds, abs=2.0)


def test_a_transaction_that_stays_open_is_shown(stand, look):
    """By seconds and by what has happened since; when it ends, all is well again."""
    found = look()
    assert found["oldest_transaction_seconds",] < 5
    assert found["oldest_transaction_age",] < 1000
    with connections.session(stand.postgres_url, "a forgotten session") as other:
        other.set_session(isolation_level="REPEATABLE READ")
        with other.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("SELECT extract(epoch FROM clock_timestamp() - now())")
            before = float(cursor.fetchone()[0])
            for _ in range(5):
                stand.execute("CREATE TEMPORARY TABLE something (); DROP TABLE something")
            found = look()
            assert found["oldest_transaction_age",] >= 5
            cursor.execute("SELECT extract(epoch FROM clock_timestamp() - now())")
            after = float(cursor.fetchone()[0])
            assert before <= found["oldest_transaction_seconds",] <= after
    assert look()["oldest_transaction_seconds",] < after


def test_a_transaction_of_another_user_is_shown_by_its_age(stand, desk):
    """Who may not read the statistics of others does not learn since when, but how much it holds up."""
    with (
        connections.session(stand.postgres_url, "somebody else") as other,
        connections.session(stand.postgres_url, "a user with few rights") as connection,
    ):
        other.set_session(isolation_level="REPEATABLE READ")
        other.cursor().execute("SELECT 1")
        for _ in range(5):
            stand.execute("CREATE TEMPORARY TABLE something (); DROP TABLE something")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET ROLE pg_signal_backend")  # any role that may not see what others do
            seconds, transactions = oldest_transaction(cursor)
        assert (seconds, transactions >= 5) == (0.0, True)


def _ahead(seconds: int) -> int:
    return clock.utcnow() + seconds * MICROSECONDS


def test_one_question_that_fails_leaves_the_others_alone(stand, look):
    """A table that is in somebody's hands costs its numbers, and the answer says so."""
    with (
        connections.session(stand.postgres_url, "a test") as other,
        other,
        other.cursor() as cursor,
    ):
        cursor.execute("LOCK TABLE dead_letter IN ACCESS EXCLUSIVE MODE")
        found = look()
    assert found["gauges_failed",] == 1
    assert ("dead_letters_open", "bad_json") not in found
    assert found["debtors",] == 0


def test_without_the_database_processes_still_show_what_they_count():
    """An outage is shown by a number, not by an error."""
    settings = load({"POSTGRES_URL": "postgresql://u@127.0.0.1:1/d"})
    desk = AdminContext(settings, lambda: NOW, lambda queue: 0)
    found = samples(Exposition(desk).answer(TEXT)[0].decode())
    assert found["database_up",] == 0
    assert ("principal_overflow_total",) in found


def test_the_database_is_not_asked_for_every_scrape(stand, desk):
    """However often somebody looks, the database is asked once in a few seconds."""
    exposition = Exposition(desk, kept_seconds=3600.0)
    exposition.answer(TEXT)
    stand.execute("INSERT INTO account_update_due VALUES (1, 2, 0)")
    assert samples(exposition.answer(TEXT)[0].decode())["account_updates_pending",] == 0


def test_prometheus_chooses_the_format(stand, desk):
    """OpenMetrics is spoken with those who ask for it."""
    exposition = Exposition(desk)
    body, content_type = exposition.answer("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert exposition.answer("")[1].startswith("text/plain")


def test_metrics_want_the_token_of_a_viewer(stand):
    """Nobody sees the numbers without a token, and a viewer's is enough."""
    app = create_admin_app(load({"POSTGRES_URL": stand.postgres_url}), count_messages=lambda queue: 0)
    order = Order("a test", "here", clock.utcnow)
    _, token = create_token(stand.connection, "prometheus", VIEWER, expires_days=None, order=order)
    client = app.test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert "database_up 1.0" in answer.text


def test_metrics_can_be_opened_by_a_setting(stand):
    """With ADMIN_METRICS_OPEN the numbers need no token; all else still does."""
    settings = load({"POSTGRES_URL": stand.postgres_url, "ADMIN_METRICS_OPEN": "yes"})
    client = create_admin_app(settings, count_messages=lambda queue: 0).test_client()
    assert client.get("/metrics").status_code == 200


def test_the_web_server_shows_what_workers_count(postgres_url, amqp_url):
    """What each worker counts is added up, and goes on when a worker is killed and comes back."""
    environ = {
        "POSTGRES_URL": postgres_url,
        "PROTOCOL_BROKER_URL": amqp_url,
        "WEBSERVER_BIND": "127.0.0.1",
        "WEBSERVER_PORT": str(free_port()),
        "ADMIN_PORT": str(port := free_port()),
        "ADMIN_METRICS_OPEN": "yes",
        "WORKER_PROCESSES": "2",
    }

    def look() -> dict[tuple[str, ...], float]:
        status, body = get(port, "/metrics")
        assert status == 200
        return samples(body.decode())

    def consumed(number: int) -> bool:
        return look()["messages_consumed_total", "ConfigureAccount"] == number

    configure.run(load(environ))
    mailbox = Mailbox(amqp_url)
    try:
        with running((*SERVER, "all"), environ) as server:
            server.wait_for("Serving the admin API")
            worker = int(re.findall(r"\d+", server.wait_for("spawned: 'worker_1' with pid"))[-1])
            wait_until(lambda: look().get(("processes", "worker")) == 2)
            mailbox.send(*(configure_account(n, ts=clock.utcnow()) for n in range(1, 41)))
            wait_until(lambda: consumed(40))
            wait_until(lambda: look()["messages_published_total", "AccountUpdate"] >= 40)
            found = look()
            assert found["batch_messages_sum",] == 40
            batches = found["batch_messages_count",]
            for name in ("batch_seconds", "commit_seconds", "answer_seconds"):
                assert found[f"{name}_count",] == batches
            assert found["confirm_seconds_count",] >= batches
            assert 0 < found["answer_seconds_sum",] / batches < 30
            os.kill(worker, signal.SIGKILL)
            server.wait_for("spawned: 'worker_1' with pid", times=2)
            mailbox.send(*(configure_account(n, ts=clock.utcnow()) for n in range(41, 61)))
            wait_until(lambda: consumed(60))
            wait_until(lambda: look()["processes", "worker"] == 2)
            assert ("rejections_total", "TIMEOUT") in look()
            assert look()["alarms_total",] == 0
            server.stop()
    finally:
        mailbox.close()
