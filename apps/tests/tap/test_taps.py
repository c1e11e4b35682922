"""Taps with figures, over HTTP against the running program."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import pytest
import requests

from tests.backstage.running import Caller, Program
from tests.backstage.waiting import wait_until

from .people import PREFIX, Holder, let_five_minutes_pass, new_tap

NewHolder: TypeAlias = Callable[..., Holder]


def both(payer: Holder, payee: Holder, amount: str, expected: str, sender: str = "") -> requests.Response:
    """Two phones touch each other; the answer to the second half."""
    key = new_tap()
    assert payer.send(key, amount).status_code == 202
    return payee.receive(key, sender or payer.user_id, expected)


@pytest.mark.parametrize(
    ("amount", "expected", "is_other_sender", "errors", "left", "got"),
    [
        ("30", "30.00", False, [], "70.00", "130.00"),
        ("100.00", "100", False, [], "0.00", "200.00"),
        ("150.00", "150.00", False, [100], "100.00", "100.00"),
        ("50", "49.95", False, [300], "100.00", "100.00"),
        ("50", "50", True, [200], "100.00", "100.00"),
        ("50", "49.95", True, [200, 300], "100.00", "100.00"),
    ],
    ids=["30 of 100", "exactly all", "more than all", "other amount", "other sender", "both wrong"],
)
def test_two_halves_with_100_on_each_account(
    new_holder: NewHolder,
    amount: str,
    expected: str,
    is_other_sender: bool,
    errors: list[int],
    left: str,
    got: str,
) -> None:
    """Sender and amount of both halves are compared, and the money moves once, or not at all."""
    payer, payee = new_holder(), new_holder()
    other = "somebody.else" if is_other_sender else ""
    answer = both(payer, payee, amount, expected, other)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["status"], said["errors"]) == ("failed" if errors else "done", errors)
    assert len(said["meanings"]) == len(errors)
    assert (payer.balance, payee.balance) == (left, got)
    assert payer.get(f"/transactions/{said['key']}").json()["errors"] == errors
    assert [one["number"] for one in payee.get("/errors").json()] == errors


def test_the_halves_come_in_any_order_and_the_old_spelling_is_known(new_holder: NewHolder) -> None:
    """The payee's half may be first; old phones say `/recieve/`."""
    payer, payee = new_holder(), new_holder("0.00")
    key = new_tap()
    first = payee.receive(key, payer.user_id, "12.34", path="/recieve/")
    assert (first.status_code, first.json()["status"], first.json()["payer"]) == (202, "waiting", None)
    assert first.headers["Location"].endswith(f"/transactions/{key}")
    assert payer.send(key, "12.34").json()["status"] == "done"
    assert (payer.balance, payee.balance) == ("87.66", "12.34")


@pytest.mark.parametrize(
    "amount", ["-50", -50, 0, "0.00", "1.234", 1.5, "1e3", "", None, True, "10000000.00"]
)
def test_what_is_no_amount_is_refused(new_holder: NewHolder, amount: object) -> None:
    """Negative, zero, three decimals, floats, beyond the limit: nothing is stored."""
    payer, key = new_holder(), new_tap()
    answer = payer.send(key, amount)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in ("INVALID_AMOUNT", "INVALID_FIELDS")
    assert payer.get(f"/transactions/{key}").status_code == 404


def test_many_halves_at_once_move_the_money_once(new_holder: NewHolder) -> None:
    """Eight times each half of one tap, all at once, between two others that are not disturbed."""
    payer, payee, key = new_holder(), new_holder(), new_tap()
    others = [(new_holder(), new_tap()) for _ in range(2)]
    with ThreadPoolExecutor(20) as pool:
        sends = [pool.submit(payer.send, key, "10") for _ in range(8)]
        receives = [pool.submit(payee.receive, key, payer.user_id, "10") for _ in range(8)]
        for other, its_key in others:
            sends.append(pool.submit(other.send, its_key, "1"))
            receives.append(pool.submit(payee.receive, its_key, other.user_id, "1"))
        assert {one.result().status_code for one in sends + receives} <= {200, 202}
    wait_until(lambda: (payer.balance, payee.balance) == ("90.00", "112.00"), "both balances")


def test_a_half_that_is_sent_again_with_other_terms_is_a_conflict(new_holder: NewHolder) -> None:
    """The same half again changes nothing; another amount, or another phone, is refused."""
    payer, other, payee, key = new_holder(), new_holder(), new_holder(), new_tap()
    assert payer.send(key, "10").status_code == 202
    assert payer.send(key, "10.00").status_code == 202
    for answer in (payer.send(key, "11"), other.send(key, "10")):
        assert (answer.status_code, answer.json()["code"]) == (409, "KEY_CONFLICT")
    assert payee.receive(key, payer.user_id, "10").json()["status"] == "done"
    assert payer.send(key, "10").json()["status"] == "done"
    assert payer.send(key, "11").status_code == 409
    assert payer.balance == "90.00"


def test_a_half_that_stays_alone_ends_with_500_and_disturbs_nobody(
    tap: Program, new_holder: NewHolder
) -> None:
    """Nothing is locked meanwhile; the other half comes too late, and the key is worth nothing more."""
    payer, payee, lone = new_holder(), new_holder(), new_tap()
    assert payer.send(lone, "100").status_code == 202
    assert both(payer, payee, "100", "100").json()["status"] == "done"
    assert payer.get(f"/transactions/{lone}").json()["status"] == "waiting"
    let_five_minutes_pass(tap, lone)
    wait_until(
        lambda: payer.get(f"/transactions/{lone}").json()["status"] == "failed", "the end of a lone half"
    )
    late = payee.receive(lone, payer.user_id, "100")
    assert (late.status_code, late.json()["errors"]) == (200, [500])
    assert (payer.balance, payee.balance) == ("0.00", "200.00")


def test_nobody_pays_oneself(new_holder: NewHolder) -> None:
    """Two phones of one person are told so before anything is stored."""
    payer = new_holder()
    answer = payer.receive(new_tap(), payer.user_id, "1")
    assert (answer.status_code, answer.json()["code"]) == (422, "SAME_ACCOUNT")


def test_a_key_belongs_to_one_user(new_holder: NewHolder, bank: Holder) -> None:
    """Somebody else's user id, tap or account is not theirs; the operator sees all, and pays for nobody."""
    one, two, key = new_holder(), new_holder(), new_tap()
    assert one.send(key, "1").status_code == 202
    two.user_id, whose = one.user_id, two.user_id
    for answer in (
        two.send(new_tap(), "1"),
        two.get(f"/transactions/{key}"),
        two.get(f"/accounts/{one.user_id}"),
        two.post(f"/accounts/{one.user_id}/key/"),
        bank.post("/send/", {"key": key, "user_id": one.user_id, "transfer_amount": "1"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_YOURS")
    assert bank.get(f"/transactions/{key}").status_code == 200
    assert two.get(f"/accounts/{whose}").status_code == 200
    answer = two.post("/create/", {"user_id": "x", "account_number": "y", "balance": "1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")


def test_a_key_is_replaced_and_the_old_one_is_worth_nothing(new_holder: NewHolder, tap: Program) -> None:
    """A phone that was lost: its key ends with the new one, which the command line also makes."""
    one = new_holder()
    answer = one.post(f"/accounts/{one.user_id}/key/")
    assert answer.status_code == 201
    assert one.get(f"/accounts/{one.user_id}").status_code == 401
    assert Holder(tap, one.user_id, answer.json()["api_key"]).balance == "100.00"
    made = tap.command("new-key", one.user_id)
    assert made.returncode == 0, made.stderr
    assert Holder(tap, one.user_id, made.stdout.strip()).balance == "100.00"
    assert tap.command("new-key", "nobody").returncode == 1


def test_create_opens_one_account_for_each_user(bank: Holder, new_holder: NewHolder) -> None:
    """The same request again is the same account; another account, or another user of the number, is none."""
    one = new_holder("25.00")
    body = {
        "user_id": one.user_id,
        "account_number": f"N-{one.user_id}",
        "balance": "25.00",
        "account_type": "current",
        "bank_sender": "A Bank",
    }
    again = bank.post("/create/", body)
    assert (again.status_code, "api_key" in again.json()) == (201, False)
    for other in ({"balance": "26.00"}, {"user_id": "somebody"}):
        answer = bank.post("/create/", body | other)
        assert (answer.status_code, answer.json()["code"]) == (409, "KEY_CONFLICT")
    too_much = bank.post("/create/", body | {"user_id": "rich", "account_number": "r", "balance": "10000000"})
    assert (too_much.status_code, too_much.json()["code"]) == (422, "INVALID_AMOUNT")


def test_an_account_is_removed_when_it_is_empty(bank: Holder, new_holder: NewHolder) -> None:
    """With money on it, it stays; without, its key is nobody's, and the user's name is not given again."""
    one = new_holder("0.00")
    rich = new_holder("1.00")
    kept = bank.session.delete(f"{bank._base}/accounts/{rich.user_id}", timeout=60)
    assert (kept.status_code, kept.json()["code"]) == (409, "NOT_EMPTY")
    assert bank.session.delete(f"{bank._base}/accounts/{one.user_id}", timeout=60).status_code == 204
    assert one.get(f"/accounts/{one.user_id}").status_code == 401
    assert bank.get(f"/accounts/{one.user_id}").json()["status"] == "closed"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "short"),
        ("key", "x" * 101),
        ("key", "0123456789abcde\n"),
        ("key", 5),
        ("user_id", ""),
        ("user_id", "a b"),
        ("os_sender", "x" * 41),
        ("os_sender", "\x1b[31m"),
        ("unknown", "x"),
    ],
)
def test_fields_are_read_strictly(new_holder: NewHolder, field: str, value: object) -> None:
    """What cannot be is refused with the name of the field."""
    one = new_holder("0.00")
    body = {"key": new_tap(), "user_id": one.user_id, "transfer_amount": "1"}
    answer = one.post("/send/", body | {field: value})
    assert answer.status_code == 422, answer.text
    assert field in answer.json()["detail"] or field in answer.json().get("fields", {})


def test_who_guesses_keys_has_to_wait(tap: Program, new_holder: NewHolder) -> None:
    """A wrong key is 401 and a line in the log; after some of them even a right one is 429 from there."""
    good, guesser = new_holder("0.00"), Caller(tap.address, PREFIX).go_elsewhere()
    assert guesser.get("/errors").status_code == 401
    statuses = []
    for number in range(12):
        guesser.session.headers["api_key"] = f"0123456789abcdef.{number}"
        statuses.append(guesser.get("/errors").status_code)
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert any("Error 500-key" in line for line in tap.lines)
    guesser.session.headers["api_key"] = good.key
    assert guesser.get("/errors").status_code == 429
    assert good.get("/errors").status_code == 200


def test_verify_finds_everything_in_order(tap: Program) -> None:
    """Entries, ledgers and taps agree after all that."""
    tap.verify()
