"""A node of two shards, as agents see it: transfers between them, settings, faults (rules.md#shards)."""

import json
import re
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
import pytest

from swpt_accounts.wire.routing import Realm
from tests.backstage.commands import PYTHON, SERVER, TOP, answered, said
from tests.backstage.router import Router, routing
from tests.backstage.waiting import wait_until
from tests.services.postgres import Postgres
from tests.services.rabbitmq import Rabbitmq

from .agent import Agent, now
from .currency import ALICE, Currency
from .deployment import Deployment, serving

REALMS = ("0.#", "1.#")

_debtors = count(secrets.randbits(60))


class Node(NamedTuple):
    """Two shards on one broker, behind one router."""

    shards: dict[str, Deployment]
    router: Router
    agent: Agent
    internal_user: str

    @property
    def amqp_url(self) -> str:
        """The broker of the node."""
        return self.shards[REALMS[0]].amqp_url

    def last_words(self) -> str:
        """What the shards have said last."""
        return "\n".join(shard.last_words() for shard in self.shards.values())

    def shard_of(self, debtor_id: int, creditor_id: int) -> Deployment:
        """Who has the account."""
        return next(s for key, s in self.shards.items() if Realm.parse(key).owns(debtor_id, creditor_id))

    def environ_of(self, key: str) -> dict[str, str]:
        """The settings of a shard, for commands."""
        return {
            "POSTGRES_URL": self.shards[key].postgres_url,
            "PROTOCOL_BROKER_URL": self.amqp_url,
            "PROTOCOL_BROKER_QUEUE_ROUTING_KEY": key,
            "INTERNAL_USER": self.internal_user,
            "FETCH_API_URL": self.router.url,
        }

    def rows(self, shard: Deployment, query: str, *parameters: object) -> list[Any]:
        """What a query finds in the database of a shard."""
        connection = psycopg2.connect(shard.postgres_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, parameters)
                found: list[Any] = cursor.fetchall()
                return found
        finally:
            connection.close()


class _Broker(NamedTuple):
    """What an agent needs to know of the node."""

    amqp_url: str
    node: list[Node]

    def last_words(self) -> str:
        return self.node[0].last_words()


@pytest.fixture(scope="module")
def node(postgres: Postgres, rabbitmq: Rabbitmq, _kept_properties: None) -> Iterator[Node]:
    """Two shards that run, with short intervals."""
    vhost = rabbitmq.take_vhost()
    names = [postgres.create_empty_database() for _ in REALMS]
    amqp_url = rabbitmq.vhost_url(vhost)
    try:
        with routing() as router, ExitStack() as stack:
            shards = {}
            for key, name in zip(REALMS, names, strict=True):
                shards[key] = stack.enter_context(
                    serving(
                        postgres.database_url(name),
                        amqp_url,
                        allowed_alarms=(
                            "dead letter, wrong_shard",
                            "dead letter, credit_",
                            "dead letter, not_internal",
                        ),
                        PROTOCOL_BROKER_QUEUE=f"shard_{key[0]}",
                        PROTOCOL_BROKER_QUEUE_ROUTING_KEY=key,
                        INTERNAL_USER=rabbitmq.user,
                        FETCH_API_URL=router.url,
                        FETCH_TIMEOUT="2",
                        FETCH_RETRY_MAX_DELAY="1",
                        ROOT_CONFIG_CACHE_TTL="1",
                        ACCOUNT_UPDATE_DELAY="0.25",
                        ACCOUNT_UPDATE_MIN_INTERVAL="1",
                        ALLOW_UNSAFE_SETTINGS="yes",
                    )
                )
                router.ports[key] = shards[key].web_port
            holder: list[Node] = []
            agent = Agent(_Broker(amqp_url, holder))  # type: ignore[arg-type]
            holder.append(Node(shards, router, agent, rabbitmq.user))
            try:
                yield holder[0]
            finally:
                agent.close()
    finally:
        rabbitmq.give_back_vhost(vhost)
        for name in names:
            postgres.drop_database(name)


class Parties(NamedTuple):
    """A currency, and who lives where: `near` with the root account, `far` on the other shard."""

    currency: Currency
    near: int
    far: int


@pytest.fixture
def parties(node: Node) -> Parties:
    """A currency of which the node has never heard."""
    currency = Currency(node.agent, next(_debtors))
    home = node.shard_of(currency.debtor_id, 0)
    places: dict[bool, int] = {}
    for creditor_id in range(ALICE, ALICE + 100):
        places.setdefault(node.shard_of(currency.debtor_id, creditor_id) is home, creditor_id)
    return Parties(currency, places[True], places[False])


def test_money_goes_from_shard_to_shard_and_back(parties: Parties, node: Node):
    """Issued, paid across, paid back: each party hears of it, and nothing is lost (rule V3)."""
    currency, near, far = parties
    currency.open_root()
    currency.open(near)
    currency.open(far)
    currency.issue(near, 1000)
    currency.issue(far, 500)
    assert currency.take("AccountTransfer", creditor_id=far).principal == 500
    currency.commit(currency.prepared(near, far, 300), 300, transfer_note="across")
    currency.commit(currency.prepared(far, near, 800), 800)
    out = currency.take("AccountTransfer", creditor_id=near, acquired_amount=-300)
    come = currency.take("AccountTransfer", creditor_id=far, acquired_amount=300)
    assert out.committed_at == come.committed_at
    assert (come.transfer_number, come.principal, come.transfer_note) == (2, 800, "across")
    assert currency.take("AccountTransfer", creditor_id=near, acquired_amount=800).principal == 1500
    sums = {
        key: node.rows(
            shard,
            "SELECT (SELECT coalesce(sum(principal), 0) FROM account WHERE debtor_id = %s)"
            " + (SELECT coalesce(sum(emitted - applied), 0) FROM credit_flow WHERE debtor_id = %s)",
            currency.debtor_id,
            currency.debtor_id,
        )
        for key, shard in node.shards.items()
    }
    assert sums == {key: [(0,)] for key in REALMS}, "V3 on each shard"
    for key in node.shards:
        code, lines = said((*SERVER, "check-shard"), node.environ_of(key))
        assert code == 0, lines


def test_the_books_of_all_shards_add_up(parties: Parties, node: Node, tmp_path: Path):
    """`verify --json` on each shard, and `verify --node` with the files of all of them (rule V3)."""
    currency, near, far = parties
    currency.rich(near, 100)
    currency.open(far)
    currency.commit(currency.prepared(near, far, 30), 30)
    currency.take("AccountTransfer", creditor_id=far)
    files = []
    for key in node.shards:
        code, text = answered((*SERVER, "verify", "--json"), node.environ_of(key))
        assert code == 0, text
        files.append(tmp_path / f"{key[0]}.json")
        files[-1].write_text(text)
    code, text = answered((*SERVER, "verify", "--node", *map(str, files)), {})
    assert (code, "2 shards, 0 violations" in text) == (0, True), text
    assert f"debtor {currency.debtor_id}" not in text, "nothing is on its way"
    code, text = answered((*SERVER, "verify", "--json", "--node", str(files[0])), {})
    told = json.loads(text)
    assert (code, [one["rule"] for one in told["violations"]]) == (1, ["realms"])
    books = json.loads(files[0].read_text())
    [sums] = [one for one in books["currencies"] if one["debtor_id"] == currency.debtor_id]
    sums["principals"] += 1
    files[0].write_text(json.dumps(books))
    code, text = answered((*SERVER, "verify", "--json", "--node", *map(str, files)), {})
    assert [(one["rule"], one["debtor_id"]) for one in json.loads(text)["violations"]] == [
        ("V3", currency.debtor_id)
    ]


def test_a_recipient_of_another_shard_that_does_not_exist_is_unreachable(parties: Parties, node: Node):
    """404 of its shard is a rejection (P4)."""
    currency, near, far = parties
    currency.rich(near, 100)
    assert currency.rejected(near, far, 10).status_code == "RECIPIENT_IS_UNREACHABLE"
    currency.open(far)
    currency.prepared(near, far, 10)


def test_while_another_shard_is_away_a_request_waits(parties: Parties, node: Node):
    """Neither rejected nor prepared; within the shard all goes on; the answer comes later (behaviour 70)."""
    currency, near, far = parties
    currency.rich(near, 100)
    currency.open(far)
    node.router.away.update(REALMS)
    try:
        asked = currency.request(near, far, 10)
        again = currency.request(near, far, 10, coordinator_request_id=asked["coordinator_request_id"])
        shard = node.shard_of(currency.debtor_id, near)
        wait_until(
            lambda: node.rows(shard, "SELECT attempts > 1 FROM waiting_request") == [(True,)],
            "attempts",
            30.0,
        )
        currency.prepared(near, 0, 5)
        assert [
            e
            for e in currency.inbox
            if e.fields.get("coordinator_request_id") == asked["coordinator_request_id"]
        ] == []
    finally:
        node.router.away.clear()
    answer = currency.answer(again, "PreparedTransfer")
    currency.commit(answer, 10)
    assert currency.take("AccountTransfer", creditor_id=far).principal == 10


def test_a_rate_and_info_from_another_shard_come_with_a_second_update(parties: Parties, node: Node):
    """First without, then with both together; a new rate reaches old accounts as well (behaviour 8)."""
    currency, _, far = parties
    currency.open_root({"rate": 3.567, "info": {"type": "DebtorInfo", "iri": "https://example.com/"}})
    first = currency.open(far)
    assert (first.interest_rate, first.debtor_info_iri, first.last_change_seqnum) == (0.0, "", 1)
    second = currency.take("AccountUpdate", creditor_id=far, last_change_seqnum=2)
    assert (second.interest_rate, second.debtor_info_iri) == (3.567, "https://example.com/")
    assert second.last_config_ts == first.last_config_ts
    currency.open_root(
        {"rate": 3.567, "info": {"type": "DebtorInfo", "iri": "https://example.com/2"}}, seqnum=1
    )
    third = currency.take("AccountUpdate", creditor_id=far, last_change_seqnum=3, within=30.0)
    assert (third.interest_rate, third.debtor_info_iri) == (3.567, "https://example.com/2")


def _change(
    currency: Currency, creditor_id: int, other: int, change_id: int, **fields: Any
) -> dict[str, Any]:
    return {
        "type": "PendingBalanceChange",
        "debtor_id": currency.debtor_id,
        "creditor_id": creditor_id,
        "change_id": change_id,
        "coordinator_type": "direct",
        "transfer_note": "",
        "transfer_note_format": "",
        "committed_at": now(),
        "principal_delta": 50,
        "other_creditor_id": other,
    }


def _letters(node: Node, shard: Deployment) -> list[str]:
    return [
        reason for (reason,) in node.rows(shard, "SELECT reason FROM dead_letter ORDER BY dead_letter_id")
    ]


def test_a_credit_that_comes_twice_is_applied_once(parties: Parties, node: Node):
    """And with other content, or too old, it is a dead letter with an alarm (behaviours 60 and 101)."""
    currency, near, far = parties
    shard = node.shard_of(currency.debtor_id, far)
    before = len(_letters(node, shard))
    credit = _change(currency, far, near, 77)
    for _ in range(2):
        currency.agent.send(credit, user_id=node.internal_user)
    assert currency.take("AccountTransfer", creditor_id=far).principal == 50
    currency.agent.send(credit | {"principal_delta": 51}, user_id=node.internal_user)
    old = {"change_id": 78, "committed_at": (datetime.now(UTC) - timedelta(days=100)).isoformat()}
    currency.agent.send(credit | old, user_id=node.internal_user)
    currency.agent.send(credit | {"change_id": 79})
    expected = {"credit_conflict", "credit_too_old", "not_internal"}
    wait_until(lambda: set(_letters(node, shard)[before:]) == expected, "three dead letters", 30.0)
    [(principal,)] = node.rows(
        shard,
        "SELECT principal FROM account WHERE debtor_id = %s AND creditor_id = %s",
        currency.debtor_id,
        far,
    )
    assert principal == 50


def test_a_message_for_another_shard_is_a_dead_letter(parties: Parties, node: Node):
    """Whoever has sent it to the wrong queue hears nothing, operators do (behaviour 61)."""
    currency, near, far = parties
    wrong = node.shard_of(currency.debtor_id, near)
    key = next(key for key, shard in node.shards.items() if shard is wrong)
    before = len(_letters(node, wrong))
    message = json.dumps(currency.configuration(far)).encode()
    currency.agent.publish(message, routing_key=".".join(key[0] * 24), type="ConfigureAccount")
    wait_until(lambda: _letters(node, wrong)[before:] == ["wrong_shard"], "a dead letter", 30.0)


def test_a_router_that_leads_astray_is_told(node: Node):
    """`check-shard` looks at the parts of the node, too; a shard that is away is no fault."""
    near, far = REALMS
    check = (*SERVER, "check-shard")
    ports = dict(node.router.ports)
    try:
        node.router.away.add(far)
        code, lines = said(check, node.environ_of(near))
        assert (code, lines[-1]) == (0, "no answer from the shard of 1.#: its part was not checked")
        node.router.away.clear()
        node.router.ports[far] = ports[near]
        code, lines = said(check, node.environ_of(near))
        wrong = "the parts of the node do not fit: the router leads to 0.# where somebody asks for an account"
        assert (code, lines[-1]) == (1, f"{wrong} in 1.#")
    finally:
        node.router.away.clear()
        node.router.ports.update(ports)


def test_the_tour_between_shards_is_what_the_page_shows(node: Node):
    """A reader of docs/shards.md who plays it sees what stands there."""
    page = (TOP / "docs" / "shards.md").read_text()
    [shown] = re.findall(r"tour\.py across\n```\n\n```text\n(.+?)\n```", page, re.S)
    code, text = answered((*PYTHON, "scripts/tour.py", "across"), {"PROTOCOL_BROKER_URL": node.amqp_url})
    assert code == 0, text
    assert re.sub(r"transfer_id=\d+", "…", text).strip() == re.sub(r"transfer_id=\d+", "…", shown)


def test_the_interface_of_a_shard_says_who_it_is(node: Node):
    """An account of another shard is an error of the router: 500."""
    for key, shard in node.shards.items():
        other = next(n for n in range(1, 99) if not Realm.parse(key).owns(n, 0))
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(f"http://127.0.0.1:{shard.web_port}/accounts/{other}/0/reachable")
        error.value.close()
        assert (error.value.code, error.value.headers["Shard-Realm"]) == (500, key)
