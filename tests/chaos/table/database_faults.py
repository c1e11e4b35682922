"""Scenarios in which the database dies, writes nothing, or ends sessions."""

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import psycopg2

from swpt_accounts.storage.postgres_from_wheel import EmbeddedPostgres
from tests.services.small_disk import filled

from .playing import Fault, Scenario
from .scene import Scene
from .stages import on_small_disk, usual, with_standby


def postgres_of(scene: Scene) -> EmbeddedPostgres:
    """Ours."""
    assert scene.site is not None, "who breaks the database has one of his own"
    return scene.site.postgres


@contextmanager
def stopped_at_once(scene: Scene) -> Iterator[None]:
    """An immediate stop: no session hears a word, no checkpoint is made."""
    postgres = postgres_of(scene)
    process = postgres._server
    assert process is not None, "it runs"
    process.send_signal(signal.SIGQUIT)
    process.wait(60)
    yield
    postgres.start()


@contextmanager
def killed(scene: Scene) -> Iterator[None]:
    """All its processes."""
    postgres_of(scene).kill()
    yield
    postgres_of(scene).start()


@contextmanager
def promoted(scene: Scene) -> Iterator[None]:
    """The primary is killed, and the standby promoted; a new standby follows once the load goes on."""
    succession = scene.tools["succession"]
    if succession.primary is not scene.tools.get("first", succession.primary):
        succession.follow()
    scene.tools["first"] = succession.primary
    succession.primary.kill()
    yield
    succession.promote()


@contextmanager
def read_only(scene: Scene) -> Iterator[None]:
    """`default_transaction_read_only`, for all sessions but ours."""
    _say_to_postgres(scene, "ALTER SYSTEM SET default_transaction_read_only = on")
    yield
    _say_to_postgres(scene, "ALTER SYSTEM RESET default_transaction_read_only")


def _say_to_postgres(scene: Scene, statement: str) -> None:
    options = "-c default_transaction_read_only=off"
    with closing(psycopg2.connect(scene.server.postgres_url, options=options)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.execute("SELECT pg_reload_conf()")


@contextmanager
def disk_full(scene: Scene) -> Iterator[None]:
    """Neither tables nor the write-ahead log can grow; who has died of it is started again."""
    postgres: EmbeddedPostgres = scene.tools["postgres"]
    with filled(scene.tools["disk"]):
        yield
    if postgres._server is None or postgres._server.poll() is not None:
        postgres.start()


def sessions_ended(like: str) -> Fault:
    """`pg_terminate_backend` of all sessions of such a name."""

    @contextmanager
    def fault(scene: Scene) -> Iterator[None]:
        ended = scene.server.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE %s",
            like,
        )
        assert ended, f"there is no session {like}"
        yield

    return fault


SCENARIOS: Final = (
    Scenario(
        name="database stopped at once",
        done="SIGQUIT (`pg_ctl stop -m immediate`), started again 3 s later",
        fault=stopped_at_once,
        stage=usual,
        seconds=3.0,
    ),
    Scenario(
        name="database killed",
        done="all its processes `kill -9`, started again 3 s later",
        fault=killed,
        stage=usual,
        seconds=3.0,
    ),
    Scenario(
        name="standby promoted",
        done="the primary killed, its synchronous standby promoted 2 s later; then the next one",
        fault=promoted,
        stage=with_standby,
    ),
    Scenario(
        name="database read-only",
        done="`default_transaction_read_only`, and off again 5 s later",
        fault=read_only,
        stage=usual,
        seconds=5.0,
    ),
    Scenario(
        name="database's disk full",
        done="data and write-ahead log on a disk that is filled to the last byte, freed 8 s later",
        fault=disk_full,
        stage=on_small_disk,
        seconds=8.0,
    ),
    Scenario(
        name="relay's session ended",
        done="`pg_terminate_backend` of the sessions of the outboxes",
        fault=sessions_ended("swpt_accounts outbox%"),
        stage=usual,
        seconds=0.0,
    ),
    Scenario(
        name="all sessions ended",
        done="`pg_terminate_backend` of all of the server's",
        fault=sessions_ended("swpt_accounts%"),
        stage=usual,
        seconds=0.0,
    ),
)
