"""An application whose database was lost, and put back from a backup: what README says of it, done."""

import pytest

from tests.backstage.elsewhere import back_up, restore, server_elsewhere, swpt_client
from tests.backstage.people import Person, deposit, register
from tests.backstage.running import Program
from tests.backstage.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


def pay(payer: Person, payee: Person, sum_: str, key: str) -> int:
    """A payment; the status of the answer."""
    body = {"user_email": payee.email, "sum": sum_}
    return payer.post("/payments/make-transfer/", body, key=key).status_code


def again(program: Program, one: Person) -> Person:
    """The same person, after the program has come back."""
    person = Person(program, one.email)
    wait_until(lambda: person.get("/payments/balance/").status_code != 503, "a program that answers")
    person.log_in()
    return person


def test_after_a_restore_nothing_is_paid_again_and_ledgers_catch_up() -> None:
    """What was paid after the backup stays paid, once: it comes back as one marked entry of each ledger."""
    with server_elsewhere("wallets") as environ:
        url = environ["POSTGRES_URL"]
        program = Program("wallets", environ | {"WALLETS_DEPOSITS_BY_ALL": "yes"})
        with program:
            payer, payee = (register(program, f"{name}@example.com") for name in ("payer", "payee"))
            deposit(payer, "100.00")
            assert pay(payer, payee, "10.00", "before") == 201
            wait_until(lambda: payee.balance == "10.00", "the first payment")
        copy = back_up(url)
        with program:
            payer, payee = again(program, payer), again(program, payee)
            assert pay(payer, payee, "20.00", "after") == 201
            wait_until(lambda: payee.balance == "30.00", "the second payment")
        restore(url, copy)
        swpt_client(url, "park")
        with program:
            payer, payee = again(program, payer), again(program, payee)
            assert (payer.balance, payee.balance) == ("90.00", "10.00")
            assert pay(payer, payee, "5.00", "later") in (201, 202)
            wait_until(lambda: len(swpt_client(url, "behind").splitlines()) >= 2, "what the server tells")
            swpt_client(url, "close-tails")
            wait_until(lambda: (payer.balance, payee.balance) == ("65.00", "35.00"), "both balances")
            assert pay(payer, payee, "65.00", "all") in (201, 202)
            wait_until(lambda: (payer.balance, payee.balance) == ("0.00", "100.00"), "both balances")
            program.verify()
