"""The kinds of scenes: which processes there are, where they run, and on which database."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.services.faketime import moved_clock
from tests.services.postgres import own_postgres
from tests.services.small_disk import small_disk
from tests.services.succession import followed

from .scene import Scene, scene_on
from .site import DURABLE, Site

_DISK_MEGABYTES: Final = 400
_SMALL_LOG: Final = {"min_wal_size": "32MB", "max_wal_size": "48MB"}


@contextmanager
def usual(site: Site) -> Iterator[Scene]:
    """A worker, the chores and the web server, on this host."""
    postgres_url, customers_url = site.new_databases()
    with scene_on(postgres_url, site.broker.url, customers_url, site=site) as scene:
        yield scene


@contextmanager
def supervised(site: Site) -> Iterator[Scene]:
    """All roles under a supervisor."""
    postgres_url, customers_url = site.new_databases()
    with scene_on(postgres_url, site.broker.url, customers_url, site=site, roles=("all",)) as scene:
        yield scene


@contextmanager
def far(site: Site) -> Iterator[Scene]:
    """Worker and chores on another host, database and broker here."""
    host = site.another_host()
    postgres_url, customers_url = site.new_databases()
    with scene_on(
        postgres_url,
        site.broker.url,
        customers_url,
        site=site,
        roles=("worker", "chores"),
        before=host.words(),
        environ=site.far_environ(postgres_url),
    ) as scene:
        yield scene


@contextmanager
def two_hosts(site: Site) -> Iterator[Scene]:
    """All roles here, and a second worker on another host."""
    host = site.another_host()
    with usual(site) as scene:
        scene.tools["far worker"] = {
            "before": host.words(),
            "environ": site.far_environ(scene.server.postgres_url),
        }
        scene.crew.start("worker 2", **scene.tools["far worker"])
        scene.crew.await_ready()
        yield scene


@contextmanager
def with_standby(site: Site) -> Iterator[Scene]:
    """On a primary whose synchronous standby may take its place, which the third one follows then."""
    with followed() as succession:
        _, customers_url = site.new_databases()
        url = succession.make_database("bank")
        with scene_on(url, site.broker.url, customers_url, site=site) as scene:
            scene.tools["succession"] = succession
            yield scene


@contextmanager
def on_small_disk(site: Site) -> Iterator[Scene]:
    """A database whose disk may be filled, with all that it writes."""
    with (
        small_disk(_DISK_MEGABYTES) as disk,
        own_postgres(DURABLE | _SMALL_LOG, folder=disk) as postgres,
    ):
        _, customers_url = site.new_databases()
        url = postgres.make_database("bank")
        with scene_on(url, site.broker.url, customers_url, site=site) as scene:
            scene.tools.update(disk=disk, postgres=postgres)
            yield scene


@contextmanager
def on_a_clock_of_their_own(site: Site) -> Iterator[Scene]:
    """All roles on a clock that can be moved while they run."""
    with TemporaryDirectory() as folder:
        clock = moved_clock(Path(folder) / "clock")
        postgres_url, customers_url = site.new_databases()
        with scene_on(
            postgres_url, site.broker.url, customers_url, site=site, environ=clock.environ
        ) as scene:
            scene.tools["clock"] = clock
            yield scene
