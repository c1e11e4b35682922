"""Workers and chores as processes that a test may kill, and when all their work is done."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import dramatiq
import pika

from swpt_accounts.roles.chores.process import work
from swpt_accounts.roles.composition import make_broker
from swpt_accounts.roles.worker.wiring import make_worker_broker
from swpt_accounts.runtime import clock
from swpt_accounts.runtime.settings import load
from swpt_accounts.storage import connections
from swpt_accounts.storage.fitness import make_ready
from tests.backstage.commands import SERVER, TOP, Command, running

from .waiting import wait_until

CONSUMING: Final = "Consumer of swpt_accounts: connected"
QUEUE: Final = "swpt_accounts"


def vhost_of(amqp_url: str) -> str:
    """The name of the virtual host in a URL."""
    return unquote(urlsplit(amqp_url).path[1:])


class Server:
    """A configured server in one database and one virtual host, whose processes a test starts."""

    def __init__(self, postgres_url: str, amqp_url: str, **environ: str) -> None:
        self.postgres_url = postgres_url
        self.amqp_url = amqp_url
        self.environ = {
            "POSTGRES_URL": postgres_url,
            "PROTOCOL_BROKER_URL": amqp_url,
            "ACCOUNT_UPDATE_DELAY": "0",
            "ACCOUNT_UPDATE_MIN_INTERVAL": "0",
            "OUTBOX_RETRY_MIN_DELAY": "0.1",
            **environ,
        }
        self.settings = load(self.environ)
        with connections.session(postgres_url, "a test") as connection:
            make_ready(connection, self.settings, clock.utcnow())
        make_broker(self.settings).declare_topology(QUEUE, "#")

    def run(self, *words: str, program: tuple[str, ...] = SERVER, **environ: str) -> tuple[int, str, str]:
        """A command that ends: exit code, standard output, standard error."""
        done = subprocess.run(
            (*program, *words),
            cwd=TOP,
            env={"PATH": os.environ["PATH"], **self.environ, **environ},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    @contextmanager
    def worker(self, **environ: str) -> Iterator[Command]:
        """A worker that consumes."""
        with self.running("worker", environ) as worker:
            worker.wait_for(CONSUMING)
            yield worker

    @contextmanager
    def running(self, *roles: str | Mapping[str, str]) -> Iterator[Any]:
        """Processes of these roles, the last of them as a value; a mapping changes the environment."""
        environ = dict(self.environ)
        for role in roles:
            if isinstance(role, Mapping):
                environ |= role
        with ExitStack() as stack:
            for role in roles:
                if isinstance(role, str):
                    command = stack.enter_context(running((*SERVER, role), environ))
            yield command

    @contextmanager
    def serving_here(self) -> Iterator[None]:
        """A worker and the chores as threads of this process, which start faster; they end in order."""
        worker = dramatiq.Worker(make_worker_broker(self.settings), worker_threads=1, worker_timeout=100)
        stop = threading.Event()
        chores = threading.Thread(target=lambda: work(self.settings, make_broker(self.settings), stop))
        worker.start()
        chores.start()
        try:
            yield
        finally:
            worker.stop()
            stop.set()
            chores.join()

    # -- looking -------------------------------------------------------------------------------

    def rows(self, query: str, *parameters: object) -> list[Any]:
        """What a query finds."""
        with connections.session(self.postgres_url, "a test") as connection, connection.cursor() as cursor:
            cursor.execute(query, parameters)
            found: list[Any] = cursor.fetchall()
            return found

    def execute(self, statement: str) -> None:
        """Run statements in a transaction of their own."""
        with (
            connections.session(self.postgres_url, "a test") as connection,
            connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)

    def count_messages(self, queue: str = QUEUE) -> int:
        """How many messages of a queue are ready."""
        with pika.BlockingConnection(pika.URLParameters(self.amqp_url)) as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
            count: int = declared.method.message_count
            return count

    def sessions(self, name: str, state: str = "%") -> list[int]:
        """The database's processes that serve connections of this name and wait for this."""
        query = """
            SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s
            AND coalesce(wait_event_type, '') LIKE %s
        """
        return [pid for (pid,) in self.rows(query, name, state)]

    def wait_until_blocked(self, name: str = "swpt_accounts worker") -> int:
        """Wait until a process of the server waits for a lock; the database's process for it."""
        return wait_until(lambda: self.sessions(name, "Lock"), f"{name} waits for a lock")[0]

    def wait_until_done(self, timeout: float = 90.0) -> None:
        """Wait until nothing waits: in the queue, in the outbox, to be announced."""
        query = """
            SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM account_update_due)
        """
        wait_until(lambda: self.count_messages() == 0, "an empty queue", timeout)
        wait_until(lambda: self.rows(query) == [(0, 0)], "an empty outbox", timeout)


def kill(command: Command) -> None:
    """End a process as a power failure would, and wait until it is gone."""
    os.kill(command.process.pid, signal.SIGKILL)
    command.wait()


@contextmanager
def locking(postgres_url: str, statement: str) -> Iterator[Any]:
    """A transaction that has run this statement, and ends with the context at the latest."""
    with connections.session(postgres_url, "a test that locks") as connection:
        with connection.cursor() as cursor:
            # The limit is for our own sessions; this one is somebody who takes his time.
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
            cursor.execute(statement)
        yield connection
        connection.rollback()
