"""A real browser, and a console at a real port."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import waitress
from playwright.sync_api import Browser, sync_playwright
from waitress import wasyncore

from swpt_accounts.runtime import clock
from tests.backstage.front_desk import FrontDesk, front_desk
from tests.backstage.stand import standing
from tests.services.chromium import require_chromium
from tests.services.errors import ServiceMissing, give_up

from .visitor import Visitor


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test may have to wait until the browser is installed."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; nothing is downloaded.

    Playwright keeps an event loop running in this thread for as long as it is there, and then no other
    test can call `asyncio.run`; so it goes when the file ends, not with the whole run.
    """
    try:
        command = require_chromium()
    except ServiceMissing as error:
        give_up(error)
    # Its sandbox refuses to work for root, and in many containers.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=command, chromium_sandbox=False, timeout=120_000)
        yield running
        running.close()
    asyncio.run(asyncio.sleep(0))  # raises where a loop was left behind


@pytest.fixture
def desk(postgres_url: str) -> Iterator[FrontDesk]:
    """The admin application on a database of its own, with the clock of the machine."""
    with standing(postgres_url, clock=clock.utcnow) as stand, front_desk(stand) as desk:
        desk.now = clock.utcnow()
        yield desk


@pytest.fixture
def address(desk: FrontDesk) -> Iterator[str]:
    """Where the console is served."""
    sockets: dict[int, Any] = {}
    server = waitress.create_server(desk.app, host="127.0.0.1", port=0, threads=4, map=sockets)
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            wasyncore.loop(0.1, use_poll=True, map=sockets, count=1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}/admin/"
    stop.set()
    thread.join(10)
    server.task_dispatcher.shutdown()
    for channel in list(sockets.values()):
        channel.close()


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Callable[..., Visitor]]:
    """Opens the console in a window of its own; whatever the browser complained about fails the test."""
    visitors: list[Visitor] = []

    def open_window(**options: Any) -> Visitor:
        visitors.append(Visitor(browser.new_context(**options), address))
        return visitors[-1]

    yield open_window
    for visitor in visitors:
        visitor.leave()
