"""A shard becomes two while agents go on, by the guided command (rules.md#splitting-a-shard)."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import psycopg2
import pytest

from swpt_accounts.wire.routing import Realm
from tests.backstage.commands import SERVER, answered
from tests.backstage.router import Router, routing
from tests.backstage.waiting import wait_until
from tests.services.postgres import Postgres
from tests.services.rabbitmq import Rabbitmq

from .agent import Agent
from .currency import ALICE, Currency
from .deployment import Deployment, serving

CHILDREN = ("0.#", "1.#")
ELSE = 3
_SHORT = {
    "FETCH_TIMEOUT": "2",
    "FETCH_RETRY_MAX_DELAY": "1",
    "ACCOUNTS_SCAN_INTERVAL": "2",
    "ACCOUNT_UPDATE_DELAY": "0.25",
    "ACCOUNT_UPDATE_MIN_INTERVAL": "1",
    "ALLOW_UNSAFE_SETTINGS": "yes",
}


class Site(NamedTuple):
    """Where a shard is split: addresses of the parent and of the children to be."""

    amqp_url: str
    urls: tuple[str, str, str]
    settings: dict[str, str]
    router: Router

    def parent(self) -> dict[str, str]:
        """The settings of the parent, for commands."""
        return {"POSTGRES_URL": self.urls[0], "PROTOCOL_BROKER_URL": self.amqp_url, **self.settings}

    def child(self, side: int) -> dict[str, str]:
        """Those of a child."""
        more = {"PROTOCOL_BROKER_QUEUE": f"swpt_accounts_{side}", "DELETE_FOREIGN_RECORDS": "yes"}
        more |= {"PROTOCOL_BROKER_QUEUE_ROUTING_KEY": CHILDREN[side]}
        return self.parent() | more | {"POSTGRES_URL": self.urls[1 + side]}

    def split(self, *words: str) -> tuple[int, str]:
        """What the command answers."""
        return answered((*SERVER, "split", *self.urls[1:], "--copy-here", *words), self.parent())


@pytest.fixture
def site(postgres: Postgres, rabbitmq: Rabbitmq, _kept_properties: None) -> Iterator[Site]:
    """A virtual host, one database, and the names of two that are not there."""
    vhost, names = rabbitmq.take_vhost(), [postgres.create_empty_database() for _ in range(3)]
    for name in names[1:]:
        postgres.drop_database(name)
    try:
        with routing() as router:
            settings = {**_SHORT, "INTERNAL_USER": rabbitmq.user, "FETCH_API_URL": router.url}
            urls = tuple(postgres.database_url(name) for name in names)
            yield Site(rabbitmq.vhost_url(vhost), urls, settings, router)  # type: ignore[arg-type]
    finally:
        rabbitmq.give_back_vhost(vhost)
        for name in names:
            postgres.drop_database(name)


class _Broker(NamedTuple):
    amqp_url: str

    def last_words(self) -> str:
        return ""


def _rows(url: str, query: str) -> list[Any]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            found: list[Any] = cursor.fetchall()
            return found
    finally:
        connection.close()


def _running(stack: ExitStack, environ: dict[str, str]) -> Deployment:
    settings: dict[str, Any] = dict(environ)
    addresses = [settings.pop(name) for name in ("POSTGRES_URL", "PROTOCOL_BROKER_URL")]
    return stack.enter_context(serving(*addresses, **settings))


def test_a_shard_is_split_while_agents_go_on(site: Site, tmp_path: Any):
    """Every request is answered, no account is missing or twice, the books of the node add up."""
    with ExitStack() as children, ExitStack() as parent:
        _running(parent, site.parent())
        agent = Agent(_Broker(site.amqp_url))  # type: ignore[arg-type]
        children.callback(agent.close)
        currency = Currency(agent, secrets.randbits(60))
        home = next(side for side in (0, 1) if Realm.parse(CHILDREN[side]).owns(currency.debtor_id, 0))
        payers = list(range(ALICE, ALICE + 8))
        currency.open_root()
        for payer in payers:
            currency.open(payer)
            currency.issue(payer, 100)
        pairs = list(zip(payers, payers[1:] + payers[:1], strict=True))
        locked = [currency.prepared(sender, recipient, 10) for sender, recipient in pairs]

        # Requests come all the time: some for the parent, the others wait for the children.
        asked = [currency.request(sender, recipient, 7) for sender, recipient in pairs]
        assert site.split("--once")[0] == ELSE, "begun"
        asked += [currency.request(sender, recipient, 7) for sender, recipient in pairs]
        for prepared in locked:
            agent.send(currency.finalization(prepared, 10))
        wait_until(lambda: "stop all roles of this shard" in site.split()[1], "an empty queue", 30.0)
        parent.close()
        assert site.split("--once")[1].startswith("done: nobody is at work")
        code, text = site.split()
        assert (code, text.count("done: "), "start the server of 0.#" in text) == (ELSE, 4, True), text
        code, text = answered((*SERVER, "configure"), site.parent())
        assert code != 0, "the parent is closed for good"

        with ThreadPoolExecutor() as pool:
            shards = list(pool.map(lambda side: _running(children, site.child(side)), (0, 1)))
        site.router.ports.update(zip(CHILDREN, (shard.web_port for shard in shards), strict=True))
        for request in asked:
            prepared = currency.answer(request, "PreparedTransfer")
            agent.send(currency.finalization(prepared, 7))
            locked.append(prepared)
        for prepared in locked:
            assert currency.finalized(prepared).status_code == "OK"
        code, text = site.split("--wait", "40")
        assert (code, "the split is done" in text) == (0, True), text

        accounts = [
            _rows(url, "SELECT creditor_id, principal, total_locked_amount FROM account")
            for url in site.urls[1:]
        ]
        assert (0, -800, 0) in accounts[home]
        assert sorted(accounts[0] + accounts[1])[1:] == [(payer, 100, 0) for payer in payers]
        files = []
        for side in (0, 1):
            code, text = answered((*SERVER, "verify", "--json"), site.child(side))
            assert code == 0, text
            files.append(tmp_path / f"{side}.json")
            files[-1].write_text(text)
        code, text = answered((*SERVER, "verify", "--node", *map(str, files)), {})
        assert (code, text) == (0, "2 shards, 0 violations\n")
