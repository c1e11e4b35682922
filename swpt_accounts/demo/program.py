"""The command `demo`: everything is made, shown, proved, and removed."""

import random
import sys
from dataclasses import replace
from time import monotonic
from typing import Final

from swpt_accounts.roles import web
from swpt_accounts.runtime import settings
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .folder import private_folder
from .interruption import Interruption, noticing_signals
from .plan import CREDITORS, DEBTOR_ID
from .proof import Finding, prove
from .report import show_report
from .screen import Screen
from .server import Server
from .story import Stalled, Story

_HONOURED: Final = ("LOG_LEVEL", "LOG_FORMAT")
_HONOURED_IF_KEPT: Final = (
    "WEBSERVER_BIND",
    "WEBSERVER_PORT",
    "WEBSERVER_THREADS",
    "ADMIN_BIND",
    "ADMIN_PORT",
    "ADMIN_THREADS",
)
_PORTS_TO_TRY: Final = 100
_LAST_PORT: Final = 65535


def run(transfers: int, keep: bool, seed: int | None = None) -> int:
    """Run the demonstration; with `keep` stay up with the web server, until a signal comes.

    Returns 0 if the proof holds, 1 if not, and 128 plus its number if a signal came before.
    Raises OperatorError if the server cannot be started.
    """
    if seed is None:
        seed = random.SystemRandom().randrange(1_000_000)
    screen = Screen()
    with noticing_signals() as interruption:
        try:
            is_proved = _show(transfers, keep, seed, screen, interruption)
        except Exception:
            # What goes wrong when somebody wants us to stop is not worth a word: Ctrl-C reaches the
            # programs that we have just started as well.
            if not interruption.is_wanted:
                raise
            sys.stderr.write("Interrupted: everything is stopped and removed.\n")
            return interruption.exit_code
    return 0 if is_proved else 1


def _show(transfers: int, keep: bool, seed: int, screen: Screen, interruption: Interruption) -> bool:
    # libpq would look at PGPORT and its kin, which are about some other server.
    settings.forget("PG")
    honoured = {"WEBSERVER_BIND": "127.0.0.1"}
    honoured |= settings.chosen(*_HONOURED, *(_HONOURED_IF_KEPT if keep else ()))
    # The port of the one must not be in the way of the other.
    honoured.setdefault("ADMIN_PORT", "8082" if honoured.get("WEBSERVER_PORT") == "8081" else "8081")
    with private_folder() as folder:
        server = Server(folder, honoured)
        try:
            server.start_database()
            screen.say(f"The accounting server in one process; seed {seed}.")
            screen.say(f"PostgreSQL is here, for the time being: {folder}")
            screen.say("Messages travel in memory: in this mode those in flight are not durable.")
            interruption.check()
            server.start()
            is_proved = _play(server, screen, interruption, seed, transfers)
            if keep:
                _stay(server, screen, interruption)
        finally:
            server.stop()
    return is_proved


def _play(server: Server, screen: Screen, interruption: Interruption, seed: int, transfers: int) -> bool:
    story = Story(server, screen, interruption, seed)
    started = monotonic()
    stalled = None
    try:
        story.play(transfers)
    except Stalled as error:
        stalled = Finding("the server answers everything", [str(error)])
    seconds = monotonic() - started
    evidence = story.evidence()
    findings = [*([stalled] if stalled else []), *prove(evidence)]
    show_report(screen, story.client, evidence)
    screen.findings(findings)
    noun = "transfer" if transfers == 1 else "transfers"
    failed = sum(not finding.is_proved for finding in findings)
    screen.say(
        f"\nThe book is right; {transfers:,} {noun} took {seconds:.1f} seconds."
        if not failed
        else f"\nThe book is WRONG: {failed} of {len(findings)} claims failed (seed {seed})."
    )
    return not failed


def _listen(wanted: Settings) -> tuple[Settings, web.Listeners]:
    """The wanted ports, or the next ones that are free.  Raises OperatorError."""
    chosen = wanted
    while True:
        try:
            return chosen, web.listen(chosen)
        except web.PortInUse as error:
            port = getattr(chosen, error.setting)
            if port >= min(getattr(wanted, error.setting) + _PORTS_TO_TRY, _LAST_PORT):
                raise
            chosen = replace(chosen, **{error.setting: port + 1})


def _stay(server: Server, screen: Screen, interruption: Interruption) -> None:
    wanted = server.settings.webserver_port
    chosen, listeners = _listen(server.settings)
    port = chosen.webserver_port
    if port != wanted:
        screen.say(f"Port {wanted} is in use by another program; taking {port} instead.")
    base = f"http://{chosen.webserver_bind}:{port}/accounts"
    screen.say("\nThe server stays up until Ctrl-C. Other services would ask it:")
    screen.say(f"  {base}/healthz")
    screen.say(f"  {base}/{DEBTOR_ID}/{CREDITORS[0]}/reachable    (204: can be paid)")
    screen.say(f"  {base}/{DEBTOR_ID}/{CREDITORS[-1] + 1}/reachable    (404: does not exist)")
    screen.say(f"  {base}/{DEBTOR_ID}/{ROOT_CREDITOR_ID}/config")
    screen.say("Operators would log in, with this token:")
    screen.say(f"  http://{chosen.admin_bind}:{chosen.admin_port}/admin/")
    screen.say(f"  {server.make_token()}")
    screen.say("Its database:")
    screen.say(f"  psql '{server.settings.postgres_url}'")
    web.serve(chosen, listeners, lambda: interruption.is_wanted, server.transport.count_messages)
    screen.say("Stopped; everything is removed.")
