"""A server under load, of which something will break, and everything that a scenario may break."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec
from sqlalchemy import create_engine, make_url

from swpt_accounts.storage import migrations
from tests.backstage.server import Server
from tests.services.ports import free_port

from .crew import ROLES, Crew
from .customers import Customers
from .site import Site


class Scene(msgspec.Struct, frozen=True):
    """Where a scenario is played; the site is None if the servers belong to others."""

    server: Server
    crew: Crew
    customers: Customers
    site: Site | None
    tools: dict[str, Any] = {}
    """What one kind of scene has besides."""


@contextmanager
def scene_on(
    postgres_url: str,
    amqp_url: str,
    customers_url: str,
    *,
    site: Site | None = None,
    roles: tuple[str, ...] = ROLES,
    before: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    tools: dict[str, Any] | None = None,
    rate: float = 20.0,
) -> Iterator[Scene]:
    """A server in an empty database and virtual host, with customers who pay already.

    `before` and `environ` are how its processes are started, and what they know besides.
    """
    migrations.upgrade(postgres_url)
    server = Server(
        postgres_url,
        amqp_url,
        ACCOUNT_UPDATE_MIN_INTERVAL="1",
        WEBSERVER_BIND="127.0.0.1",
        WEBSERVER_PORT=str(free_port()),
        ADMIN_PORT=str(free_port()),
    )
    with ExitStack() as stack:
        engine = create_engine(make_url(customers_url).set(drivername="postgresql+psycopg2"))
        stack.callback(engine.dispose)
        crew = Crew(server.environ | dict(environ or {}), before=before)
        stack.callback(crew.close)
        customers = Customers(engine, amqp_url, rate=rate)
        stack.callback(customers.close)
        crew.start_all(*roles)
        customers.open()
        yield Scene(server, crew, customers, site, tools or {})
