"""What `--keep` does: the web servers of all shards stay up, and say where they are."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from threading import Event
from typing import Final

from swpt_accounts.roles import web
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.wire.numbers import ROOT_CREDITOR_ID

from .interruption import Interruption
from .plan import CREDITORS, DEBTOR_ID
from .screen import Screen
from .server import Server, Shard

_PORTS_TO_TRY: Final = 100
_LAST_PORT: Final = 65535


def stay(server: Server, screen: Screen, interruption: Interruption) -> None:
    """Serve until a signal comes.  Raises OperatorError if there is no port."""
    served = [_listen(screen, shard.settings, place) for place, shard in enumerate(server.shards)]
    if server.router is None:
        _say_addresses(server.shards[0], served[0][0], screen)
    else:
        _say_addresses_of_node(server, [chosen for chosen, _ in served], screen)
    _serve(served, server.transport.count_messages, interruption)
    screen.say("Stopped; everything is removed.")


def _listen(screen: Screen, settings: Settings, place: int) -> tuple[Settings, web.Listeners]:
    """The wanted ports, or the next ones that are free; each shard wants two of its own."""
    wanted = replace(
        settings,
        webserver_port=min(settings.webserver_port + 2 * place, _LAST_PORT),
        admin_port=min(settings.admin_port + 2 * place, _LAST_PORT),
    )
    chosen = wanted
    while True:
        try:
            listeners = web.listen(chosen)
        except web.PortInUse as error:
            port = getattr(chosen, error.setting)
            if port >= min(getattr(wanted, error.setting) + _PORTS_TO_TRY, _LAST_PORT):
                raise
            chosen = replace(chosen, **{error.setting: port + 1})
        else:
            break
    if place == 0 and chosen.webserver_port != wanted.webserver_port:
        screen.say(
            f"Port {wanted.webserver_port} is in use by another program; "
            f"taking {chosen.webserver_port} instead."
        )
    return chosen, listeners


def _serve(
    served: list[tuple[Settings, web.Listeners]],
    count_messages: Callable[[str], int],
    interruption: Interruption,
) -> None:
    """All of them at once; if one of them fails, the others end, too."""
    has_failed = Event()
    with ThreadPoolExecutor(len(served)) as pool:
        running = [
            pool.submit(
                web.serve,
                settings,
                listeners,
                lambda: interruption.is_wanted or has_failed.is_set(),
                count_messages,
            )
            for settings, listeners in served
        ]
        for one in as_completed(running):
            if one.exception() is not None:
                has_failed.set()
    for one in running:
        one.result()


def _say_addresses(shard: Shard, chosen: Settings, screen: Screen) -> None:
    screen.say("\nThe server stays up until Ctrl-C. Other services would ask it:")
    _say_questions(f"http://{chosen.webserver_bind}:{chosen.webserver_port}", screen)
    screen.say("Operators would log in, with this token:")
    screen.say(f"  {_console(chosen)}")
    screen.say(f"  {shard.make_token()}")
    screen.say("Its database:")
    screen.say(f"  psql '{chosen.postgres_url}'")


def _say_addresses_of_node(server: Server, chosen: list[Settings], screen: Screen) -> None:
    assert server.router is not None
    screen.say("\nThe node stays up until Ctrl-C. Its router leads to the shard that has an account:")
    _say_questions(server.router.url, screen)
    screen.say("Operators would log in at each shard, with the token below it:")
    for shard, settings in zip(server.shards, chosen, strict=True):
        screen.say(f"  {_console(settings)}    ({settings.protocol_broker_queue_routing_key})")
        screen.say(f"  {shard.make_token()}")
    screen.say("The databases:")
    for settings in chosen:
        screen.say(f"  psql '{settings.postgres_url}'")


def _console(chosen: Settings) -> str:
    return f"http://{chosen.admin_bind}:{chosen.admin_port}/admin/"


def _say_questions(address: str, screen: Screen) -> None:
    base = f"{address}/accounts"
    screen.say(f"  {base}/healthz")
    screen.say(f"  {base}/{DEBTOR_ID}/{CREDITORS[0]}/reachable    (204: can be paid)")
    screen.say(f"  {base}/{DEBTOR_ID}/{CREDITORS[-1] + 1}/reachable    (404: does not exist)")
    screen.say(f"  {base}/{DEBTOR_ID}/{ROOT_CREDITOR_ID}/config")
