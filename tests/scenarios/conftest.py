"""A running server for all stories, another one with short settings, and what watches them."""

import http.client
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any, NamedTuple

import pika.spec
import psycopg2
import pytest

from tests.services.postgres import Postgres
from tests.services.rabbitmq import Rabbitmq

from .agent import Agent, KeptProperties
from .currency import ALICE, BOB, Currency
from .deployment import Deployment, serving

# No two stories share a debtor, also if they are told twice to one server.
_debtors = count(secrets.randbits(61))
_late_debtors = count(2**62 + secrets.randbits(60))


@contextmanager
def _deployed(postgres: Postgres, rabbitmq: Rabbitmq, **options: Any) -> Iterator[Deployment]:
    database, vhost = postgres.create_empty_database(), rabbitmq.take_vhost()
    try:
        with serving(postgres.database_url(database), rabbitmq.vhost_url(vhost), **options) as deployment:
            yield deployment
    finally:
        rabbitmq.give_back_vhost(vhost)
        postgres.drop_database(database)


@pytest.fixture(scope="package")
def _kept_properties() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pika.spec.props, KeptProperties.INDEX, KeptProperties)
        yield


@contextmanager
def _watching(deployment: Deployment) -> Iterator[Agent]:
    with closing(Agent(deployment)) as agent:
        yield agent


@pytest.fixture(scope="package")
def deployment(postgres: Postgres, rabbitmq: Rabbitmq) -> Iterator[Deployment]:
    """The running server that all stories share; one worker, and nothing but defaults."""
    with _deployed(postgres, rabbitmq, configure=True) as running:
        yield running


@pytest.fixture(scope="package")
def agent(deployment: Deployment, _kept_properties: None) -> Iterator[Agent]:
    """Sees all that the server sends."""
    with _watching(deployment) as client:
        yield client


@pytest.fixture
def currency(agent: Agent) -> Currency:
    """A currency of which the server has never heard."""
    return Currency(agent, next(_debtors))


@pytest.fixture
def other_currency(agent: Agent) -> Currency:
    """Another one."""
    return Currency(agent, next(_debtors))


@pytest.fixture(scope="package")
def _short_deployment(postgres: Postgres, rabbitmq: Rabbitmq) -> Iterator[Deployment]:
    with _deployed(
        postgres,
        rabbitmq,
        WORKER_PROCESSES="2",
        ACCOUNT_UPDATE_DELAY="0.25",
        ACCOUNT_UPDATE_MIN_INTERVAL="2",
        MAX_PREPARED_TRANSFERS="2",
        TRANSFER_NOTE_MAX_BYTES="150",
        ACCOUNTS_SCAN_INTERVAL="0.5",
        CREDIT_SAFE_AGE="100000000",
        INTERNAL_USER=rabbitmq.user,
    ) as running:
        yield running


@pytest.fixture(scope="package")
def _short_agent(_short_deployment: Deployment, _kept_properties: None) -> Iterator[Agent]:
    with _watching(_short_deployment) as client:
        yield client


@pytest.fixture
def short_currency(_short_agent: Agent) -> Currency:
    """A currency on a server of two workers: short intervals, low limits, and late credits are welcome."""
    return Currency(_short_agent, next(_debtors))


@pytest.fixture
def chores_done(agent: Agent) -> Callable[[], None]:
    """Returns when the chores have done everything that was due when it was called.

    They announce in the order of moments, and among equals in the order of debtors: so a new account
    of a high debtor is announced last.  The settings of its currency come last as well.
    """

    def done() -> None:
        late = Currency(agent, next(_late_debtors))
        late.open(ALICE)
        late.open_root({"rate": 1})
        late.take("AccountUpdate", creditor_id=ALICE, interest_rate=1.0)
        late.open(BOB)
        late.issue(BOB, 1)
        late.take("AccountUpdate", creditor_id=BOB, principal=1)

    return done


class Answer(NamedTuple):
    """An answer over HTTP; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def ask(deployment: Deployment) -> Callable[..., Answer]:
    """Asks the web server: `ask("/accounts/healthz")`, `ask(path, "POST")`."""

    def request(path: str, method: str = "GET", body: bytes | None = None) -> Answer:
        with closing(http.client.HTTPConnection("127.0.0.1", deployment.web_port, timeout=60)) as connection:
            connection.request(method, path, body)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())

    return request


@pytest.fixture
def is_reachable(ask: Callable[..., Answer]) -> Callable[[Currency, int], bool]:
    """Whether the web server says that an account accepts transfers."""

    def reachable(currency: Currency, creditor_id: int) -> bool:
        status = ask(f"/accounts/{currency.debtor_id % 2**64}/{creditor_id % 2**64}/reachable").status
        assert status in (204, 404)
        return status == 204

    return reachable


class DeadLetter(NamedTuple):
    """What was put aside; read from its table as long as nobody else shows it."""

    reason: str
    detail: str
    body: bytes
    body_size: int
    body_sha256: bytes
    properties: bytes


@pytest.fixture
def dead_letters(deployment: Deployment) -> Iterator[Callable[[], list[DeadLetter]]]:
    """The dead letters of this story so far."""
    with closing(psycopg2.connect(deployment.postgres_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(dead_letter_id), 0) FROM dead_letter")
            (last,) = _one(cursor)

            def new() -> list[DeadLetter]:
                cursor.execute(
                    "SELECT reason, detail, body, body_size, body_sha256, properties FROM dead_letter"
                    " WHERE dead_letter_id > %s AND state = 'open' ORDER BY dead_letter_id",
                    [last],
                )
                return [
                    DeadLetter(reason, detail, bytes(body), size, bytes(digest), bytes(properties))
                    for reason, detail, body, size, digest, properties in cursor
                ]

            yield new


def _one(cursor: Any) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = cursor.fetchone()
    assert row is not None
    return row
