"""The exchange killed at every step of a trade; and legs that cannot be repaired."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests

from tests.backstage.running import Program, embedded
from tests.backstage.traders import Trader, admit, operator
from tests.backstage.waiting import wait_until

from .test_trades import MODES, held, rate_of

_MOST_STEPS = 60


@pytest.fixture
def alone() -> Iterator[tuple[Program, Path]]:
    """A program of its own, whose failed legs are not tried again for long."""
    with TemporaryDirectory(prefix="swpt-app-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        environ = {"STAGE": str(folder / "stage"), "EXCHANGE_REPAIR_SECONDS": "8"}
        with embedded("tests.exchange.staged", folder, **environ) as program:
            wait_until((folder / "sample-keys.json").exists, "sample traders")
            yield program, folder


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mode", MODES)
def test_killed_at_every_step(alone: tuple[Program, Path], mode: str) -> None:
    """After each start the trade ends, once, and everybody has what was agreed."""
    program, folder = alone
    bank = operator(program, folder)
    for number in range(1, _MOST_STEPS):
        one, two = admit(program, bank, OAK="6.00"), admit(program, bank, ASH="6.00")
        one.made("OAK", "6.00", "ASH", "1", mode=mode)
        (folder / "stage" / f"die-{number}").touch()
        with suppress(requests.RequestException):
            two.offer("ASH", "6.00", "OAK", "1", key="once")
        has_died = dies_or_ends(program, two)
        program.kill()
        program.start()
        wait_until(lambda who=two: who.get("/accounts").status_code == 200, "a program that answers")  # type: ignore[misc]
        offer_id = two.offer("ASH", "6.00", "OAK", "1", key="once").json()["id"]
        two.becomes(offer_id, "filled")
        wait_until(
            lambda a=one, b=two: (a.balance("ASH"), b.balance("OAK")) == ("6.00", "6.00"),  # type: ignore[misc]
            "both balances",
        )
        # Each ledger is told by messages of its own.
        wait_until(
            lambda a=one, b=two: (a.balance("OAK"), b.balance("ASH")) == ("0.00", "0.00"),  # type: ignore[misc]
            "what was given",
        )
        if not has_died:
            assert number > 5, "a trade has more steps"
            print(f"{mode}: {number - 1} steps")
            break
    program.verify()


def dies_or_ends(program: Program, trader: Trader) -> bool:
    """Whether the program has died, and not ended the trade before."""

    def is_over() -> bool:
        if not program.is_running:
            return True
        with suppress(requests.RequestException):
            offers = trader.get("/offers", whose="mine").json()
            return bool(offers) and offers[0]["status"] == "filled"
        return False

    wait_until(is_over, "a death, or an end")
    return not program.is_running


@pytest.mark.chaos
@pytest.mark.parametrize(("mode", "status"), [("escrow", "failed"), ("direct", "torn")])
def test_a_leg_that_fails_after_the_decision_and_cannot_be_repaired(
    alone: tuple[Program, Path], mode: str, status: str
) -> None:
    """In escrow what was paid in is paid back; directly the trade is torn, and a person has to look at it."""
    program, folder = alone
    bank = operator(program, folder)
    one, two = admit(program, bank, OAK="7.00"), admit(program, bank, ELM="7.00")
    stands = one.made("OAK", "7.00", "ELM", "1", mode=mode)
    before = rate_of(two, "ELM")
    with ExitStack() as stack:
        decisions = stack.enter_context(ExitStack())
        decisions.enter_context(held(folder, "FinalizeTransfer"))
        comes = two.offer("ELM", "7.00", "OAK", "1").json()["id"]
        wait_until(lambda: two.seen(comes)["trades"], "a trade")
        trade_id = two.seen(comes)["trades"][0]["trade_id"]
        wait_until(
            lambda: all(
                leg["acts"][0]["state"] == "settled" for leg in two.get(f"/trades/{trade_id}").json()["legs"]
            ),
            "both legs decided",
        )
        assert one.cancel(stands).status_code == 409
        bank.session.put(f"{bank._base}/currencies/ELM", json={"interest_rate": before + 1}, timeout=60)
        wait_until(lambda: rate_of(two, "ELM") == before + 1, "the new rate")
        debtor_id = next(one["debtor_id"] for one in bank.get("/currencies").json() if one["code"] == "ELM")
        # No attempt to repair it arrives.
        stack.enter_context(held(folder, f"PrepareTransfer-{debtor_id}"))
        decisions.close()
        trade = two.trade(comes)
    assert trade["status"] == status
    legs = {leg["currency"]: leg["acts"][0] for leg in trade["legs"]}
    assert (legs["OAK"]["is_paid"], legs["OAK"]["is_paid_back"]) == (True, mode == "escrow")
    assert (legs["ELM"]["is_paid"], legs["ELM"]["outcome"]) == (False, "CANCELLED")
    if mode == "escrow":
        # Both offers stand again, and meet at the new rate.
        two.becomes(comes, "filled")
        wait_until(lambda: (one.balance("ELM"), two.balance("OAK")) == ("7.00", "7.00"), "both balances")
    else:
        wait_until(lambda: (one.balance("OAK"), two.balance("OAK")) == ("0.00", "7.00"), "what has moved")
    program.verify()
