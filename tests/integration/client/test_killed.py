"""A client is killed at each of its steps: no money is lost, none is paid twice, no outcome is unknown."""

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from swpt_accounts.demo.folder import private_folder
from swpt_client.agent.agent import CRASH_POINTS
from tests.backstage.commands import PYTHON, TOP
from tests.backstage.paying import ISSUED, amount_of

PROGRAM = TOP / "tests" / "backstage" / "paying.py"


def run(kind: str, where: str, step: str, number: int, count: int, timeout: float = 150.0) -> Any:
    """Run the client until it ends, or kills itself; what it has printed."""
    done = subprocess.run(
        [*PYTHON, "-W", "error", str(PROGRAM), kind, where, step, str(number), str(count)],
        cwd=TOP,
        env={"PATH": os.defpath, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == (-signal.SIGKILL if number else 0), done.stderr
    return None if number else json.loads(done.stdout)


def check(done: Any, count: int) -> None:
    """Every payment has happened once."""
    total = sum(map(amount_of, range(count)))
    assert done == {
        "outcomes": {"OK": count},
        "principals": [ISSUED - total, total],
        "entries": [count + 1, count],
        "letters": 0,
    }


def test_a_client_on_rabbitmq_is_killed(bank):
    """At every step, each life with new payments; the last one ends all that the others have begun."""
    where = f"{bank.engine.url.render_as_string(hide_password=False)} {bank.server.amqp_url}"
    count = 0
    for step in CRASH_POINTS:
        count += 20
        # A quiet machine claims all payments at once, so the first time is the only one that is sure.
        run("rabbitmq", where, step, 1, count)
    check(run("rabbitmq", where, "", 0, count), count)
    bank.server.wait_until_done()
    assert bank.server.rows("SELECT count(*) FROM prepared_transfer") == [(0,)]
    assert bank.server.rows("SELECT sum(principal) FROM account") == [(0,)]


def test_a_client_with_its_server_is_killed():
    """Both are in one process, and die together."""
    with private_folder() as folder:
        run("embedded", str(folder), "before_commit", 4, 50)
        check(run("embedded", str(folder), "", 0, 50), 50)


@pytest.mark.chaos
@pytest.mark.parametrize("kind", ["rabbitmq", "embedded"])
def test_a_busy_client_is_killed_many_times(kind, bank, capsys):
    """20,000 payments, and twenty deaths: four at each step."""
    count = 20_000
    with private_folder() as folder:
        where = str(folder)
        if kind == "rabbitmq":
            where = f"{bank.engine.url.render_as_string(hide_password=False)} {bank.server.amqp_url}"
        for number in range(4):
            for step in CRASH_POINTS:
                run(kind, where, step, 5 + 7 * number, count, timeout=600)
        check(run(kind, where, "", 0, count, timeout=1500), count)
