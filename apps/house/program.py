"""The program around an application: start, stop, and the commands that all have."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from threading import Event, Thread
from typing import Any, Final

import click
import psycopg2
from flask import Flask, request
from sqlalchemy import make_url
from sqlalchemy.orm import Session

from swpt_client.agent import Agent
from swpt_client.embedded import EmbeddedServer, OperatorError, embedded_transport
from swpt_client.store.sql import SqlStore
from swpt_client.transport.base import Transport
from swpt_client.transport.rabbitmq import RabbitmqTransport

from . import headers, health, problems, serving
from .chores import do_chores
from .database import Database, make_engine
from .errors import StartError
from .problems import Problem
from .room import Application, Room, debtor_ids, keep_room
from .settings import Settings, read_settings
from .shipped import static_folder
from .tables import upgrade
from .verifying import Report

_LOOK_SECONDS: Final = 0.05
_FIRST_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY_SECONDS: Final = 1.0
_ANNOUNCE_SECONDS: Final = 5.0
_PREPARE_SECONDS: Final = 30.0
_CLAIM_SECONDS: Final = 3.0
"""So long a message of a program that was killed waits; one that leaves twice is harmless."""
_logger = logging.getLogger(__name__)


def run(application: Application, arguments: list[str] | None = None) -> int:
    """The whole command line of an application; gives the exit status."""
    try:
        _cli(application).main(arguments, prog_name=application.name, standalone_mode=False)
    except (StartError, OperatorError) as error:
        print(f"{application.name}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _cli(application: Application) -> click.Group:
    @click.group(invoke_without_command=True, help=f"{application.title}.  Without a command: serve.")
    @click.pass_context
    def cli(context: click.Context) -> None:
        if context.invoked_subcommand is None:
            serve(application, os.environ)

    @cli.command("serve", help="Run it, until SIGTERM or Ctrl-C.")
    def _serve() -> None:
        serve(application, os.environ)

    @cli.command("verify", help="Compare own tables, ledgers and what the server has told.")
    def _verify() -> None:
        with visiting(application, os.environ) as room:
            report = room.verify()
        click.echo(show_report(report))
        if not report.is_clean:
            raise SystemExit(1)

    @cli.command("rotate-keys", help="Sign cookies and tokens with a new key.")
    @click.option("--log-everybody-out", is_flag=True, help="Forget the old keys at once.")
    def _rotate(log_everybody_out: bool) -> None:
        with visiting(application, os.environ) as room:
            room.signing.rotate(keep=0 if log_everybody_out else 1)

    for command in application.commands:
        cli.add_command(command)
    return cli


def show_report(report: Report) -> str:
    """A report for people."""
    lines = [f"{report.compared} compared, {len(report.differences)} differ, {len(report.not_yet)} not yet."]
    lines += [
        f"DIFFERS: {one.about}: expected {one.expected}, found {one.found}" for one in report.differences
    ]
    lines += [f"not yet: {one}" for one in report.not_yet]
    return "\n".join(lines)


def serve(application: Application, environ: Mapping[str, str]) -> None:
    """Run an application until it is told to stop.  Raises StartError, and OperatorError."""
    settings = read_settings(application.name, application.defaults, environ)
    _set_up_logging()
    stop = _stop_on_signals()
    listeners = serving.listen(settings)
    with ExitStack() as stack:
        for one in listeners:
            stack.callback(one.close)
        url, transport = stack.enter_context(_surroundings(application, settings))
        room = make_room(application, settings, environ, url, transport)
        stack.callback(room.database.engine.dispose)
        app = make_app(application, room)
        starter = Thread(target=start, args=(application, room, stop), name="start", daemon=True)
        starter.start()
        stack.callback(room.agent.stop)
        stack.callback(starter.join, 30.0)
        stack.callback(stop.set)
        address = serving.address_of(listeners, settings)
        Thread(target=_announce, args=(application, room, address), name="announce", daemon=True).start()
        serving.serve(app, listeners, settings, stop.is_set)


def _announce(application: Application, room: Room, address: str) -> None:
    """Print where it is found, as soon as it is of use, or after a moment."""
    is_ready = room.is_ready.wait(_ANNOUNCE_SECONDS)
    if is_ready:
        room.is_prepared.wait(_PREPARE_SECONDS)
    print(f"{application.title}: {address}", flush=True)  # noqa: T201
    if not is_ready:
        away = "Its database is away, or the server; until they come, every request is answered so."
        print(away, flush=True)  # noqa: T201
    if room.settings.has_samples and (greeting := application.greeting(room)):
        print(greeting, flush=True)  # noqa: T201


def make_room(
    application: Application, settings: Settings, environ: Mapping[str, str], url: str, transport: Transport
) -> Room:
    """The room of a process, with an agent that is not started yet."""
    engine = make_engine(url, connections=settings.threads)
    agent = Agent(
        engine,
        transport,
        subnet=settings.subnet,
        debtor_ids=debtor_ids(application, settings),
        claim_seconds=_CLAIM_SECONDS,
    )
    return Room(application, settings, environ, agent, Database(agent, engine))


def make_app(application: Application, room: Room) -> Flask:
    """The Flask application, with everything in it."""
    app = Flask(application.name, static_folder=None, root_path=str(static_folder()))
    app.config["MAX_CONTENT_LENGTH"] = serving.MAX_BODY_BYTES
    keep_room(app, room)
    headers.set_up(app, is_https=room.settings.is_https)
    problems.set_up(app, codes=application.codes)
    health.set_up(app, room)

    @app.before_request
    def refuse_nul() -> None:
        """It is in no text that a database keeps; in bodies of an API the fields refuse it."""
        if any("\0" in text for text in (request.path, *request.args.values(), *request.form.values())):
            raise Problem("INVALID_FIELDS", "There is a character that no text has.")

    @app.before_request
    def wait_for_tables() -> None:
        if not room.is_ready.is_set() and not health.is_open():
            raise Problem(
                "SERVER_AWAY",
                "It did not happen: the program has just begun, or its database or the server is away.",
            )

    application.set_up(room, app)
    return app


def start(application: Application, room: Room, stop: Event) -> None:
    """What needs the database, again and again until it has succeeded."""
    _insist(lambda: upgrade(room.database.engine, application.tables), "its tables", stop)
    if stop.is_set():
        return
    room.agent.start()
    _insist(lambda: room.database.transact(lambda session: _found(room, session)), "its currency", stop)
    _insist(lambda: _wait_for_server(room, stop), "the accounting server", stop)
    if stop.is_set():
        return
    room.is_ready.set()
    if room.settings.has_samples:
        _insist(lambda: application.prepare(room), "its sample people", stop)
    room.is_prepared.set()
    do_chores(application.chores, room, stop)


def _found(room: Room, session: Session) -> None:
    for desk in room.desks:
        desk.found(session)


def _wait_for_server(room: Room, stop: Event) -> None:
    """Until the server has told of the currencies: what is issued before would be refused for good."""

    def are_there(session: Session) -> bool:
        return all(desk.is_founded(session) for desk in room.desks)

    while not room.database.transact(are_there) and not stop.is_set():
        stop.wait(_LOOK_SECONDS)


def _insist(work: Callable[[], Any], what: str, stop: Event) -> None:
    told, pause = "", _FIRST_RETRY_SECONDS
    while not stop.is_set():
        try:
            work()
        except Exception as error:  # whatever is away may come back
            why = str(error).partition("\n")[0] or type(error).__name__
            if why != told:
                _logger.warning("The application waits for %s (%s); it is tried again.", what, why)
            told = why
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_RETRY_SECONDS)
        else:
            return


@contextmanager
def _surroundings(application: Application, settings: Settings) -> Iterator[tuple[str, Transport]]:
    """The address of the application's database, and its transport."""
    if settings.postgres_url is not None:
        assert settings.broker_url is not None, "settings are complete"
        yield (
            settings.postgres_url,
            RabbitmqTransport(settings.broker_url, queue_name(application), with_user_id=True),
        )
        return
    with _embedded(settings) as server:
        yield server.database_url(application.name), embedded_transport(server, queue_name(application))


def _embedded(settings: Settings) -> EmbeddedServer:
    """The server in the application's folder, which is made if it is not there.  Raises StartError."""
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"APP_FOLDER={settings.folder}: cannot be made ({error.strerror}).") from None
    return EmbeddedServer(settings.folder)


def queue_name(application: Application) -> str:
    """The queue of the application's agent."""
    return f"swpt.app.{application.name}"


@contextmanager
def visiting(application: Application, environ: Mapping[str, str]) -> Iterator[Room]:
    """A room for a command, beside the program or without it; nothing is sent or received by it."""
    settings = read_settings(application.name, application.defaults, environ)
    with ExitStack() as stack:
        url = settings.postgres_url
        if url is None:
            server = _embedded(settings)
            try:
                url = server.database_url(application.name)
            except psycopg2.OperationalError:
                server.start_database()
                stack.callback(server.stop)
                url = server.database_url(application.name)
        room = make_room(application, settings, environ, url, NoTransport())
        stack.callback(room.database.engine.dispose)
        try:
            upgrade(room.database.engine, application.tables)
            SqlStore(room.database.engine).prepare()
        except Exception as error:
            where = make_url(url).render_as_string(hide_password=True)
            why = str(error).partition("\n")[0]
            raise StartError(f"the database cannot be used ({where}): {why}") from error
        yield room


class NoTransport:
    """Of a room that only looks."""

    is_connected = False

    def start(self, inbox: Any, bindings: Any) -> None:
        raise AssertionError("a visitor starts nothing")

    def publish(self, publications: Any) -> None:
        raise AssertionError("a visitor sends nothing")

    def ack(self, channel: int, tag: int) -> None:
        raise AssertionError("a visitor receives nothing")

    def pause(self) -> None:
        """Nothing."""

    def resume(self) -> None:
        """Nothing."""

    def stop(self, timeout: float) -> None:
        """Nothing."""


def _stop_on_signals() -> Event:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


def _set_up_logging() -> None:
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    logging.Formatter.converter = __import__("time").gmtime
    for name, level in {
        "waitress": logging.ERROR,
        "waitress.queue": logging.ERROR,
        "pika": logging.CRITICAL,
    }.items():
        logging.getLogger(name).setLevel(level)
    for name in ("swpt_accounts", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
