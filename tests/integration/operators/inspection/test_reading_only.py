"""What operators ask changes nothing: every question is answered on a connection that can only read."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import psycopg2
import pytest

from swpt_accounts.operators import inspection
from swpt_accounts.operators.inspection.keyset import Cut
from swpt_accounts.operators.inspection.shards.part import Part
from swpt_accounts.operators.inspection.transfers import Request
from swpt_accounts.rules.seal import Place, next_seal
from swpt_accounts.storage import connections
from swpt_accounts.storage.sealed_rows import write_seal
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import ALICE, BOB, DAY, DEBTOR, HOUR, NOW, request
from tests.backstage.stories import put_aside, seed, wait_for_agent

REALM = Realm.parse("#")
FIRST = {"cut": Cut(), "limit": 10}
ACCOUNT = {"debtor_id": DEBTOR, "creditor_id": ALICE}

# What each question is asked with, besides the connection.
QUESTIONS: dict[str, dict[str, Any]] = {
    "accounts.list_accounts": {"debtor_id": DEBTOR, **FIRST},
    "accounts.show_account": {**ACCOUNT, "now": NOW},
    "activity.count_waiting": {"now": NOW},
    "activity.latest_transfers": {"limit": 10},
    "activity.transfer_rates": {"now": NOW},
    "activity.refusal_rates": {"now": NOW},
    "agents.list_agents": {},
    "audit.list_audit": FIRST,
    "chores.list_chores": {},
    "dead_letters.list_dead_letters": {"state": None, "reason": None},
    "dead_letters.page_of_dead_letters": {**FIRST, "state": None, "reason": None},
    "dead_letters.show_dead_letter": {"dead_letter_id": None},
    "currency_facts.find_break": {**ACCOUNT, "created_at": NOW},
    "currency_facts.read_currency": {"debtor_id": DEBTOR},
    "currency_facts.read_flows": {"debtor_id": DEBTOR},
    "currency_facts.read_repeated": {"debtor_id": DEBTOR},
    "debtors.list_debtors": FIRST,
    "debtors.find_debtor": {"debtor_id": DEBTOR},
    "debtors.debtors_with": {"creditor_id": ALICE},
    "debtors.top_summaries": {"limit": 10},
    "gauges.read_gauges": {"now": lambda: NOW, "part": Part()},
    "ledger.list_entries": {**ACCOUNT, **FIRST},
    "ledger.principal_at": {**ACCOUNT, "at": NOW + HOUR},
    "ledger.principals_over": {**ACCOUNT, "since": NOW - DAY, "until": NOW + DAY, "points": 10},
    "ledger.read_archived_until": {},
    "loose_ends.check_outbox": {},
    "loose_ends.check_registry": {"start": NOW - DAY},
    "outbox.outbox_state": {},
    "outbox.list_outbox": {"is_all": True},
    "outbox.page_of_outbox": {**FIRST, "is_all": True},
    "refusals.list_refusals": FIRST,
    "refusals.show_refusal": {"refused_at": NOW, "refusal_id": 1},
    "refusals.refusals_of_request": {"coordinator_request_id": 9},
    "seals.check_seals": {},
    "seals.list_seals": {},
    "seals.newest_seal": {},
    "seals.write_segment": {"seal_id": 1, "stream": BytesIO()},
    "shard_check.check_shard": {"realm": REALM},
    "tokens.list_tokens": {},
    "tokens.find_token": {"token": "swpt_AbCdEf" + "x" * 40, "now": NOW},
    "transfers.list_prepared": FIRST,
    "transfers.find_transfer": {**ACCOUNT, "which": Request("direct", ALICE, 1)},
    "transfers.senders_of": {"transfer_id": 1},
    "transfers.transfers_of_request": {"coordinator_request_id": 1},
    "verification.verify": {"realm": REALM},
    "part.realm_since": {},
    "waiting.list_waiting": FIRST,
}


def questions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of `inspection` that ask the database, by module and name."""
    for found in pkgutil.walk_packages(inspection.__path__, f"{inspection.__name__}."):
        module = importlib.import_module(found.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            is_own = function.__module__ == module.__name__ and not name.startswith("_")
            if is_own and next(iter(inspect.signature(function).parameters), "") == "connection":
                yield f"{found.name.rpartition('.')[2]}.{name}", function


ASKED = dict(questions())


@pytest.fixture
def reader(stand):
    """A connection that can only read, to a database with accounts, transfers, refusals and events."""
    seed(stand)
    stand.apply(request())
    stand.apply(request(coordinator_request_id=9, min_locked_amount=10**9, max_locked_amount=10**9))
    wait_for_agent(stand, BOB)
    stand.execute("INSERT INTO registered_balance_change VALUES (%s, 5, 6, %s, 10, %s)", DEBTOR, ALICE, NOW)
    with stand.connection, stand.connection.cursor() as cursor:
        write_seal(cursor, next_seal(None, Place(1), 0, "00" * 32, NOW), b"")
    connection = connections.connect(stand.postgres_url, "reader")
    connection.set_session(readonly=True)
    yield connection
    connection.close()


def test_every_question_is_asked_here():
    """A new one joins the list."""
    assert ASKED.keys() == QUESTIONS.keys()


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_question_writes_nothing(stand, reader, name):
    """It is answered where nothing can be written."""
    arguments = dict(QUESTIONS[name])
    if "dead_letter_id" in arguments:
        arguments["dead_letter_id"] = put_aside(stand)
    answer = ASKED[name](reader, **arguments)
    # Some are answered row by row.
    if isinstance(answer, Iterator):
        assert list(answer)


def test_nothing_can_be_written_there(reader):
    """The proof that these tests can fail."""
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction), reader, reader.cursor() as cursor:
        cursor.execute("DELETE FROM refusal")
