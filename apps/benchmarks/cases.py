"""What is measured: one case for each application, in CASES, and the usual way."""

import json
import random
from typing import Any, Final

from tests.backstage.people import PREFIX, Person, deposit, register
from tests.backstage.running import Caller, Program
from tests.backstage.waiting import wait_until
from tests.shop import people as shop_people
from tests.tap import people as tap_people
from tests.till import people as till_people

from .case import Asker, Case, Question, Turn

_JSON: Final = {"Content-Type": "application/json"}
_MONEY: Final = "100000.00"


def _bytes(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def _usual_askers(program: Program, callers: int) -> list[Asker]:
    caller = Caller(program.address)
    askers: list[Asker] = []
    for number in range(callers):
        token = caller.post("/api/token/", {"payer": number}).json()["token"]
        headers = _JSON | {"Authorization": f"JWT {token}"}

        def ask(count: int, number: int = number, headers: dict[str, str] = headers) -> Turn:
            others = [one for one in range(callers) if one != number]
            payee = random.Random(count).choice(others)
            body = _bytes({"payee": payee, "sum": "0.01"})
            yield Question("/api/make-transfer/", body, headers, 201)

        askers.append(ask)
    return askers


def _wallets_askers(program: Program, callers: int) -> list[Asker]:
    people = [register(program, f"caller{number}@example.com") for number in range(callers)]
    for one in people:
        deposit(one, _MONEY)
    return [_wallets_asker(one, people) for one in people]


def _wallets_asker(payer: Person, people: list[Person]) -> Asker:
    others = [one.email for one in people if one is not payer]
    headers = _JSON | {"Authorization": str(payer.session.headers["Authorization"])}

    def ask(count: int) -> Turn:
        body = _bytes({"user_email": random.Random(count).choice(others), "sum": "0.01"})
        key = {"Idempotency-Key": f"bench-{count}"}
        yield Question(f"{PREFIX}/payments/make-transfer/", body, headers | key, 201)

    return ask


def _till_askers(program: Program, callers: int) -> list[Asker]:
    office = till_people.Administration(program)
    # The password is there a moment after the start.
    wait_until(lambda: office.post("/administration", password=till_people.PASSWORD).status_code == 200, "it")
    askers: list[Asker] = []
    for number in range(callers):
        name = f"Caller {number}"
        person = till_people.Person(program, name, office.admit(name)).log_in().rich(_MONEY)
        product = office.sell(f"Product {number}", "0.01", 1_000_000)
        headers = _JSON | {"Authorization": str(person.session.headers["Authorization"])}

        def ask(_count: int, product: int = product, headers: dict[str, str] = headers) -> Turn:
            answer = yield Question("/api/v1/tokens", b"{}", headers, 201)
            body = {"token": json.loads(answer)["token"], "product_id": product, "price": "0.01"}
            yield Question("/api/v1/purchases", _bytes(body), headers, 201)

        askers.append(ask)
    return askers


def _tap_askers(program: Program, callers: int) -> list[Asker]:
    bank = tap_people.Holder(program, "operator", program.command("new-key", "--operator").stdout.strip())
    holders = [tap_people.create(program, bank, f"caller{number}", _MONEY) for number in range(callers)]
    wait_until(lambda: all(one.balance == _MONEY for one in holders), "the money")
    return [_tap_asker(one, holders) for one in holders]


def _tap_asker(payer: tap_people.Holder, holders: list[tap_people.Holder]) -> Asker:
    others = [one for one in holders if one is not payer]

    def ask(count: int) -> Turn:
        payee, key = random.Random(count).choice(others), f"a-key-of-bench-{count:018}"
        send = {"key": key, "user_id": payer.user_id, "transfer_amount": "0.01"}
        yield Question("/api/v1/send/", _bytes(send), _JSON | {"api_key": payer.key}, 202)
        receive = {
            "key": key,
            "user_id": payee.user_id,
            "sender_id": payer.user_id,
            "expected_amount": "0.01",
        }
        yield Question("/api/v1/receive/", _bytes(receive), _JSON | {"api_key": payee.key}, 200)

    return ask


def _shop_askers(program: Program, callers: int) -> list[Asker]:
    admin = shop_people.the_admin(program)
    sellers = [shop_people.register(program, f"caller{number}") for number in range(callers)]
    for one in sellers:
        admin.decide(one.ask(_MONEY).json()["id"], "approve")
    wait_until(lambda: all(one.balance == _MONEY for one in sellers), "the credit")
    askers: list[Asker] = []
    for seller in sellers:
        headers = _JSON | {"Authorization": str(seller.session.headers["Authorization"])}

        def ask(count: int, headers: dict[str, str] = headers) -> Turn:
            key = {"Idempotency-Key": f"bench-{count}"}
            body = _bytes({"phone_number": "+15550100", "amount": "0.01"})
            yield Question("/api/charge/", body, headers | key, 202, running=b'"pending"')

        askers.append(ask)
    return askers


USUAL: Final = Case(
    name="the usual way",
    program="benchmarks.usual",
    environ={"APP_SAMPLES": "yes"},
    make_ready=_usual_askers,
    survives="kill -9; a repeated request pays twice",
)
_OURS: Final = "kill -9, repeated requests, a ledger that an operator verifies"
CASES: Final = {
    "wallets": Case(
        name="a transfer",
        program="wallets",
        environ={"WALLETS_DEPOSITS_BY_ALL": "yes"},
        make_ready=_wallets_askers,
        survives=_OURS,
    ),
    "till": Case(
        name="a purchase",
        program="till",
        environ={"TILL_DAILY_RECHARGE": _MONEY},
        make_ready=_till_askers,
        survives=f"{_OURS}; two requests, the first is for the one-time token",
    ),
    "tap": Case(
        name="a tap",
        program="tap",
        environ={},
        make_ready=_tap_askers,
        survives=f"{_OURS}; two requests, a half each",
    ),
    "shop": Case(
        name="a sale",
        program="shop",
        environ={},
        make_ready=_shop_askers,
        survives=_OURS,
    ),
}
