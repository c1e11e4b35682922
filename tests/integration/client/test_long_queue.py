"""A client was away while its server worked: all that waits is taken, in little memory, and counts once."""

import json
import os
import subprocess
from typing import Any

import pytest

from swpt_client.moments import DAY
from swpt_client.policy import Timers
from tests.backstage.commands import PYTHON, TOP
from tests.backstage.waiting import wait_until
from tests.integration.client.conftest import ALICE, BOB, DEBTOR, Bank, open_accounts

PROGRAM = TOP / "tests" / "backstage" / "returning.py"
PATIENT = Timers(prepare_pauses=(DAY,), finalize_pauses=(DAY,))
"""Nothing is asked twice, so that all that waits is news."""
QUEUE = "client"


def begin(bank: Bank, count: int) -> None:
    """Open accounts; then the server is away, and payments of 1 are asked for."""
    with bank.server.serving_here(), bank.agent(QUEUE) as agent:
        ids = open_accounts(agent, ALICE, BOB)
        agent.issue("issue", debtor_id=DEBTOR, recipient=ids[ALICE], amount=count)
        assert agent.wait("issue", 20).outcome == "OK"  # type: ignore[union-attr]
        bank.server.wait_until_done()
    with bank.agent(QUEUE, timers=PATIENT) as agent:
        for place in range(0, count, 100):
            with agent.begin() as session:
                for number in range(place, min(place + 100, count)):
                    agent.transfer(
                        f"{number}",
                        debtor_id=DEBTOR,
                        sender=ALICE,
                        recipient=ids[BOB],
                        amount=1,
                        session=session,
                    )
        wait_until(lambda: bank.server.count_messages() == count, "all requests", 300.0)


def serve(bank: Bank, least: int) -> int:
    """The server works while the client is away; how many messages wait for the client then."""
    with bank.server.serving_here():
        wait_until(lambda: bank.server.count_messages(QUEUE) >= least, f"{least} messages", 900.0)
        bank.server.wait_until_done()
    return bank.server.count_messages(QUEUE)


def come_back(bank: Bank, count: int) -> Any:
    """A new process of the client; what it says at its end."""
    where = [bank.engine.url.render_as_string(hide_password=False), bank.server.amqp_url]
    done = subprocess.run(
        [*PYTHON, "-W", "error", str(PROGRAM), *where, QUEUE, str(count)],
        cwd=TOP,
        env={"PATH": os.defpath, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
        timeout=1300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def take(bank: Bank, count: int) -> tuple[int, Any]:
    """All of it: how many messages have waited for a client that came back, and what it says."""
    begin(bank, count)
    serve(bank, count)
    with bank.agent(QUEUE, timers=PATIENT):
        wait_until(lambda: bank.server.count_messages() == count, "all decisions", 300.0)
    # Of each payment the outcome waits, and an entry in both ledgers.
    waiting = serve(bank, 3 * count)
    with bank.server.serving_here():
        done = come_back(bank, count)
        bank.server.wait_until_done()
    assert (done["outcomes"], done["principals"], done["letters"]) == ({"OK": count}, [0, count], 0)
    assert bank.server.count_messages(QUEUE) == 0
    assert bank.server.rows("SELECT count(*) FROM prepared_transfer") == [(0,)]
    return waiting, done


def test_a_client_comes_back_to_what_waits(closed_bank):
    """Nothing is lost, and nothing counts twice."""
    take(closed_bank, 50)


@pytest.mark.chaos
def test_a_client_comes_back_to_a_hundred_thousand_messages(closed_bank, capsys):
    """They stay with the broker until it is their turn."""
    waiting, done = take(closed_bank, 34_000)
    with capsys.disabled():
        print(
            f"\n{waiting:,} messages in {done['seconds']:.1f} s, {done['peak_megabytes']:.0f} MB at the most"
        )
    # Ten thousand need nearly as much: it does not grow with what waits.
    assert done["peak_megabytes"] < 160
