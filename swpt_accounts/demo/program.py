"""The command `demo`: everything is made, shown, proved, and removed."""

import random
import sys
from time import monotonic
from typing import Final

from swpt_accounts.runtime import settings
from swpt_accounts.runtime.errors import WrongUsage

from .books import read_all_books
from .folder import private_folder
from .interruption import Interruption, noticing_signals
from .proof import Finding, prove
from .report import show_crossings, show_report, show_shards
from .screen import Screen
from .server import Server
from .staying import stay
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
_SHARDS: Final = ("1", "2", "4", "8")


def number_of_shards(text: str) -> int:
    """What was typed as the number of shards.  Raises WrongUsage."""
    if text not in _SHARDS:
        raise WrongUsage(f"{text!r} shards: there can be {', '.join(_SHARDS[:-1])} or {_SHARDS[-1]} of them.")
    return int(text)


def run(transfers: int, keep: bool, seed: int | None = None, shards: int = 1) -> int:
    """Run the demonstration; with `keep` stay up with the web server, until a signal comes.

    Returns 0 if the proof holds, 1 if not, and 128 plus its number if a signal came before.
    Raises OperatorError if the server cannot be started.
    """
    if seed is None:
        seed = random.SystemRandom().randrange(1_000_000)
    screen = Screen()
    with noticing_signals() as interruption:
        try:
            is_proved = _show(transfers, keep, seed, shards, screen, interruption)
        except Exception:
            # What goes wrong when somebody wants us to stop is not worth a word: Ctrl-C reaches the
            # programs that we have just started as well.
            if not interruption.is_wanted:
                raise
            sys.stderr.write("Interrupted: everything is stopped and removed.\n")
            return interruption.exit_code
    return 0 if is_proved else 1


def _show(
    transfers: int, keep: bool, seed: int, shards: int, screen: Screen, interruption: Interruption
) -> bool:
    # libpq would look at PGPORT and its kin, which are about some other server.
    settings.forget("PG")
    honoured = {"WEBSERVER_BIND": "127.0.0.1"}
    honoured |= settings.chosen(*_HONOURED, *(_HONOURED_IF_KEPT if keep else ()))
    # The port of the one must not be in the way of the other.
    honoured.setdefault("ADMIN_PORT", "8082" if honoured.get("WEBSERVER_PORT") == "8081" else "8081")
    with private_folder() as folder:
        server = Server(folder, honoured, shards)
        try:
            server.start_database()
            what = "The accounting server" if shards == 1 else f"A node of {shards} shards"
            screen.say(f"{what} in one process; seed {seed}.")
            screen.say(f"PostgreSQL is here, for the time being: {folder}")
            screen.say("Messages travel in memory: in this mode those in flight are not durable.")
            interruption.check()
            server.start()
            is_proved = _play(server, screen, interruption, seed, transfers)
            if keep:
                stay(server, screen, interruption)
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
    if len(server.shards) > 1:
        show_crossings(screen, evidence, server.realm_of)
        books = read_all_books(server)
        show_shards(screen, books)
        findings += books.findings()
    screen.findings(findings)
    noun = "transfer" if transfers == 1 else "transfers"
    failed = sum(not finding.is_proved for finding in findings)
    screen.say(
        f"\nThe book is right; {transfers:,} {noun} took {seconds:.1f} seconds."
        if not failed
        else f"\nThe book is WRONG: {failed} of {len(findings)} claims failed (seed {seed})."
    )
    return not failed
