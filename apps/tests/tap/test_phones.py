"""The script that plays two phones, and a program that is killed between their halves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until

from .people import Holder, create, new_tap, operator


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    """Tap, with all in one folder."""
    with embedded("tap", folder) as one:
        wait_until((folder / "sample-keys.json").exists, "sample people")
        yield one


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--amount", "1.20"), "ada -> blaise: 1.20: done\n"),
        (
            ("--amount", "1.20", "--mismatch"),
            "ada -> blaise: 1.20: failed 300 (The phones name different amounts.)\n",
        ),
        (("--amount", "1.20", "--alone"), "ada -> ?: 1.20: waiting\n"),
        (("--amount", "0.10", "--many", "5"), "5 x ada -> blaise: 0.10: done\n"),
    ],
)
def test_phones_touch_each_other(program: Program, arguments: tuple[str, ...], said: str) -> None:
    """The script says what became of each tap."""
    played = program.command("phones", *arguments)
    assert (played.returncode, played.stdout) == (0, said), played.stderr


def test_a_wrong_amount_is_wrong_usage(program: Program) -> None:
    """One line says what is expected."""
    played = program.command("phones", "--amount", "1.234")
    assert played.returncode == 2
    assert "at most two decimals" in played.stderr


def test_a_program_that_is_killed_between_two_halves_goes_on(program: Program, folder: Path) -> None:
    """The first half is there after the start, and the second moves the money once."""
    bank = operator(program, folder)
    payer, payee = (create(program, bank, name, "10.00") for name in ("kim", "lee"))
    key = new_tap()
    assert payer.send(key, "4").status_code == 202
    program.kill()
    program.start()
    payer, payee = (Holder(program, one.user_id, one.key) for one in (payer, payee))
    wait_until(lambda: payee.get(f"/transactions/{key}").status_code != 503, "a program that answers")
    assert payer.send(key, "4").json()["status"] == "waiting"
    seen = payee.receive(key, "kim", "4").json()["status"]
    assert seen in ("running", "done")
    wait_until(lambda: (payer.balance, payee.balance) == ("6.00", "14.00"), "both balances")
