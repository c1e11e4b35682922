"""Fixtures for all rings: fresh databases and virtual hosts, and how hard Hypothesis tries."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from tests.backstage.patience import pytest_timeout_set_timer
from tests.services import postgres as postgres_service
from tests.services import rabbitmq as rabbitmq_service
from tests.services.errors import ServiceMissing, give_up
from tests.services.faketime import mend_sleep
from tests.services.leftovers import folder_of_this_run
from tests.services.postgres import Postgres
from tests.services.rabbitmq import Rabbitmq
from tests.services.rabbitmq_node import Rabbitmqctl, RabbitmqNode
from tests.services.sharing import shared_by_processes

# The usual run is the same every time; `make soak` and `make chaos` look for news.
settings.register_profile(
    "usual",
    derandomize=True,
    max_examples=50,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough",
    max_examples=2000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# Thousands of runs, each of which must find only one fault, and need not find its smallest example.
settings.register_profile(
    "quick",
    derandomize=True,
    max_examples=10,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "usual"))

__all__ = ["pytest_timeout_set_timer"]

_RINGS = ("unit", "properties", "integration", "scenarios")


def pytest_configure(config: pytest.Config) -> None:
    """Clean up when we are asked to end, too: `kill` is an interrupt like Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    mend_sleep()
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    stack.enter_context(folder_of_this_run())
    if config.getoption("numprocesses", None):
        stack.enter_context(shared_by_processes())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Inner rings first: they are quick, and what fails there fails further out as well.

    With several processes the long ones come first, so that no process has one left at the end.
    """
    order = {ring: number for number, ring in enumerate(_RINGS)}
    folder = Path(__file__).parent
    items.sort(
        key=lambda item: order.get(item.path.relative_to(folder).parts[0], 9),
        reverse="PYTEST_XDIST_WORKER" in os.environ,
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what is missing, however many tests need it."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(report.longrepr[2]).removeprefix("Skipped: ") for report in skipped)
    for reason, number in reasons.items():
        terminalreporter.write_line(f"{number} skipped. {reason}", yellow=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL of this run; a test wants `postgres_url` instead."""
    try:
        with postgres_service.postgres() as server:
            yield server
    except ServiceMissing as error:
        give_up(error)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A database with the newest schema and no rows, for this test alone."""
    name = postgres.create_database()
    yield postgres.database_url(name)
    postgres.drop_database(name)


@pytest.fixture
def empty_postgres_url(postgres: Postgres) -> Iterator[str]:
    """A database without any tables, for this test alone."""
    name = postgres.create_empty_database()
    yield postgres.database_url(name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def restartable_postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of our own, to be stopped, killed and started; a test leaves it running."""
    try:
        with postgres_service.own_postgres() as server:
            yield server
    except ServiceMissing as error:
        give_up(error)


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[Rabbitmq]:
    """The RabbitMQ of this run; a test wants `amqp_url` instead."""
    try:
        with rabbitmq_service.rabbitmq() as broker:
            yield broker
    except ServiceMissing as error:
        give_up(error)


@pytest.fixture
def amqp_url(rabbitmq: Rabbitmq) -> Iterator[str]:
    """A virtual host with nothing declared in it, for this test alone."""
    name = rabbitmq.take_vhost()
    yield rabbitmq.vhost_url(name)
    rabbitmq.give_back_vhost(name)


@pytest.fixture
def rabbitmqctl(rabbitmq: Rabbitmq) -> Rabbitmqctl:
    """Runs rabbitmqctl on the broker of this run: `rabbitmqctl("list_queues", "-p", vhost, "name")`."""
    return rabbitmq.rabbitmqctl


@pytest.fixture(scope="session")
def own_rabbitmq() -> Iterator[RabbitmqNode]:
    """A RabbitMQ of our own; a test wants `restartable_rabbitmq`, unless it brings a virtual host."""
    try:
        with rabbitmq_service.own_rabbitmq() as node:
            yield node
    except ServiceMissing as error:
        give_up(error)


@pytest.fixture
def restartable_rabbitmq(own_rabbitmq: RabbitmqNode) -> Iterator[RabbitmqNode]:
    """A RabbitMQ of our own, with nothing declared in it, to be stopped, killed and started."""
    yield own_rabbitmq
    own_rabbitmq.make_empty()
