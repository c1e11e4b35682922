"""An application is tested in milliseconds: the real agent beside a server in memory."""

import subprocess
import sys
from typing import Any

import pytest

from swpt_client.errors import NotFound
from swpt_client.limits import HUGE_AMOUNT, ROOT_CREDITOR_ID
from swpt_client.moments import DAY, HOUR
from swpt_client.news import ConfigEffectual, TransferFinished
from swpt_client.testing.bench import DEBTOR_ID, SUBNET, Bench

pytest_plugins = ["swpt_client.testing.fixtures"]
ALICE, BOB = SUBNET + 1, SUBNET + 2


def open_accounts(bench: Bench) -> None:
    """A currency and two accounts."""
    agent = bench.agent
    agent.open_account(DEBTOR_ID, ROOT_CREDITOR_ID, negligible_amount=HUGE_AMOUNT)
    for creditor in (ALICE, BOB):
        agent.open_account(DEBTOR_ID, creditor)
    bench.settle(lambda: all(account(bench, one).is_effectual for one in (ROOT_CREDITOR_ID, ALICE, BOB)))


def account(bench: Bench, creditor_id: int) -> Any:
    """One of the accounts."""
    found = bench.agent.account(DEBTOR_ID, creditor_id)
    assert found is not None
    return found


def outcome(bench: Bench, key: str) -> str:
    """Of a transfer; empty while it runs."""
    return bench.agent.wait(key, 0.0).outcome  # type: ignore[union-attr]


def pay_around(bench: Bench, count: int) -> None:
    """Alice gets money, and pays Bob."""
    open_accounts(bench)
    recipient = account(bench, ALICE).account_id
    bench.agent.issue("issue", debtor_id=DEBTOR_ID, recipient=recipient, amount=10_000)
    bench.settle(lambda: outcome(bench, "issue") == "OK")
    recipient = account(bench, BOB).account_id
    for number in range(count):
        bench.agent.transfer(str(number), debtor_id=DEBTOR_ID, sender=ALICE, recipient=recipient, amount=10)
    bench.settle(lambda: all(outcome(bench, str(number)) for number in range(count)))
    assert {outcome(bench, str(number)) for number in range(count)} == {"OK"}
    # What is late arrives, ledgers as well.
    bench.settle(lambda: account(bench, BOB).principal == 10 * count)
    assert bench.server.principal(DEBTOR_ID, BOB) == 10 * count
    # A surplus, from a request that came twice, is dismissed when the server reminds of it.
    bench.settle(lambda: bench.server.locked_count() == 0, pause=6 * HOUR)


def test_an_application_pays_and_hears_of_it(smp_bench):
    """Two accounts, money, payments, both ledgers; on a perfect network."""
    pay_around(smp_bench, 20)


def test_the_same_on_a_network_that_loses_doubles_and_shuffles(smp_bad_bench):
    """The application sees no difference, but that time passes."""
    began = smp_bad_bench.clock.now
    pay_around(smp_bad_bench, 20)
    assert smp_bad_bench.clock.now > began
    assert smp_bad_bench.network.to_server.counts["lost"] > 0


def test_handlers_hear_news_of_the_bench():
    """Within the transaction of their batch, as with a real server."""
    heard = []
    bench = Bench()

    @bench.agent.on(TransferFinished)
    def hear(session: Any, news: TransferFinished) -> None:
        heard.append(news.transfer.key)

    with bench:
        pay_around(bench, 3)
    assert sorted(heard) == ["0", "1", "2", "issue"]


def bench_of_a_broken_handler() -> Bench:
    """It hears of no account with pleasure."""
    bench = Bench()

    @bench.agent.on(ConfigEffectual)
    def hear(session: Any, news: ConfigEffectual) -> None:
        raise ZeroDivisionError(f"not {news.account.key.creditor_id - SUBNET}")

    return bench


def test_a_handler_that_fails_fails_the_test():
    """It is only a dead letter else; the error is named."""
    named = "ConfigEffectual: ZeroDivisionError: not 1"
    with pytest.raises(AssertionError, match=named), bench_of_a_broken_handler() as bench:
        open_accounts(bench)


def test_a_handler_that_was_to_fail_is_no_failure():
    """The test has closed its letters."""
    with bench_of_a_broken_handler() as bench:
        open_accounts(bench)
        for letter in bench.agent.persons.letters():
            assert bench.agent.persons.discard(letter.id)


def test_a_test_that_fails_by_itself_says_why():
    """Of handlers it is told later."""
    with pytest.raises(KeyError), bench_of_a_broken_handler() as bench:
        open_accounts(bench)
        raise KeyError


def test_the_fixtures_tell_of_handlers_as_well(tmp_path):
    """At the end of a test that is green, and not of one that is red."""
    (tmp_path / "test_it.py").write_text(
        """
import pytest
from swpt_client.news import ConfigEffectual
pytest_plugins = ["swpt_client.testing.fixtures"]

@pytest.mark.parametrize("result", [True, False])
def test_it(smp_bench, result):
    bench = smp_bench
    bench.agent.on(ConfigEffectual)(lambda session, news: 1 / 0)
    bench.agent.open_account(-1, 0)
    bench.settle(lambda: bench.agent.wait_for_account(-1, 0, 0).is_effectual)
    assert result
"""
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "1 failed, 1 passed, 1 error" in done.stdout, done.stdout
    assert done.stdout.count("a handler has failed, of 1 news: ConfigEffectual: ZeroDivisionError") > 0
    assert "ERROR at teardown of test_it[True]" in done.stdout


def test_a_week_of_outage_takes_no_time(smp_bench):
    """The network is cut, the clock goes on, and afterwards everything does by itself."""
    open_accounts(smp_bench)
    recipient = account(smp_bench, ALICE).account_id
    smp_bench.network.cut()
    smp_bench.agent.issue("issue", debtor_id=DEBTOR_ID, recipient=recipient, amount=500)
    smp_bench.clock.advance(7 * DAY)
    assert outcome(smp_bench, "issue") == ""
    smp_bench.network.mend()
    smp_bench.settle(lambda: account(smp_bench, ALICE).principal == 500)
    assert outcome(smp_bench, "issue") == "OK"


def test_what_never_comes_true_says_so(smp_bench, monkeypatch):
    """A test of an application does not hang."""
    monkeypatch.setattr("swpt_client.testing.bench._WAIT_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        smp_bench.settle(lambda: False)
    with pytest.raises(NotFound):
        smp_bench.agent.wait("nothing", 0.0)
