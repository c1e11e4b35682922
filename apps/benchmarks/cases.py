"""What is measured: one case for each application, in CASES, and the usual way."""

import json
import random
from typing import Final

from tests.backstage.people import PREFIX, Person, deposit, register
from tests.backstage.running import Caller, Program

from .case import Asker, Case, Question

_JSON: Final = {"Content-Type": "application/json"}


def _usual_askers(program: Program, callers: int) -> list[Asker]:
    caller = Caller(program.address)
    askers: list[Asker] = []
    for number in range(callers):
        token = caller.post("/api/token/", {"payer": number}).json()["token"]
        headers = _JSON | {"Authorization": f"JWT {token}"}

        def ask(count: int, number: int = number, headers: dict[str, str] = headers) -> Question:
            others = [one for one in range(callers) if one != number]
            payee = random.Random(count).choice(others)
            return Question(
                "/api/make-transfer/", json.dumps({"payee": payee, "sum": "0.01"}).encode(), headers, 201
            )

        askers.append(ask)
    return askers


def _wallets_askers(program: Program, callers: int) -> list[Asker]:
    people = [register(program, f"caller{number}@example.com") for number in range(callers)]
    for one in people:
        deposit(one, "100000.00")
    return [_wallets_asker(one, people) for one in people]


def _wallets_asker(payer: Person, people: list[Person]) -> Asker:
    others = [one.email for one in people if one is not payer]
    headers = _JSON | {"Authorization": str(payer.session.headers["Authorization"])}

    def ask(count: int) -> Question:
        body = {"user_email": random.Random(count).choice(others), "sum": "0.01"}
        key = {"Idempotency-Key": f"bench-{count}"}
        return Question(f"{PREFIX}/payments/make-transfer/", json.dumps(body).encode(), headers | key, 201)

    return ask


USUAL: Final = Case(
    name="the usual way",
    program="benchmarks.usual",
    environ={"APP_SAMPLES": "yes"},
    make_ready=_usual_askers,
    survives="kill -9; a repeated request pays twice",
)
CASES: Final = {
    "wallets": Case(
        name="a transfer",
        program="wallets",
        environ={"WALLETS_DEPOSITS_BY_ALL": "yes"},
        make_ready=_wallets_askers,
        survives="kill -9, repeated requests, a ledger that an operator verifies",
    ),
}
