"""Sales while the program is killed again and again, and clients that try again."""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
import requests

from tests.backstage.elsewhere import server_elsewhere
from tests.backstage.running import Program, embedded
from tests.backstage.waiting import wait_until

from .people import Person, register, the_admin


@pytest.fixture
def program(folder: Path) -> Iterator[Program]:
    """The program, with all in one folder."""
    with embedded("shop", folder) as one:
        yield one


def sell(seller: Person, key: str, over: Event) -> str:
    """Ask again until there is an answer; gives the id of the sale."""
    while not over.is_set():
        try:
            answer = seller.charge("50.00", key=key)
        except requests.RequestException:
            answer = None
        if answer is not None and answer.status_code == 202:
            found: str = answer.json()["id"]
            return found
        assert answer is None or answer.status_code in (503, 504), answer.text
        time.sleep(0.1)
    raise AssertionError("it took too long")


def play(program: Program, granted: tuple[int, int], grants: int, sales: int, kills: int, seed: int) -> None:
    """Two sellers with some credits each sell as much, while the program is killed."""
    print(f"seed {seed}")
    chance = random.Random(seed)
    admin = the_admin(program)
    sellers = [register(program, f"killed{number}") for number in range(2)]
    for seller, credit in zip(sellers, granted, strict=True):
        for _ in range(grants):
            assert admin.decide(seller.ask(str(credit)).json()["id"], "approve").status_code in (200, 202)
    full = [f"{credit * grants}.00" for credit in granted]
    wait_until(lambda: [one.balance for one in sellers] == full, "the credit")
    keys = [(seller, str(uuid4())) for seller in sellers for _ in range(sales)]
    over = Event()
    with ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(sell, seller, key, over) for seller, key in keys]
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.2, 3.0))
                program.kill()
                program.start()
            known = {one.result(timeout=600) for one in asked}
        finally:
            over.set()
    assert len(known) == len(keys), "each key is one sale"
    left = [f"{credit * grants - 50 * sales}.00" for credit in granted]
    wait_until(lambda: [one.balance for one in sellers] == left, "all sales", 120)
    for one in sellers:
        total, after = Decimal(0), 0
        while rows := one.get("/transactions/", after=after).json():
            total, after = total + sum(Decimal(row["amount"]) for row in rows), rows[-1]["id"]
        assert total == Decimal(one.balance)
    program.verify_all()


def test_a_killed_shop_sells_once(program: Program) -> None:
    """Killed once in the middle: each sale counts once, and nothing is lost."""
    play(program, granted=(1000, 1500), grants=1, sales=10, kills=1, seed=1)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_thousand_sales(program: Program) -> None:
    """Ten credits of 10,000 and of 15,000; 500 sales of 50 each: 75,000.00 and 125,000.00 are left."""
    play(program, granted=(10_000, 15_000), grants=10, sales=500, kills=20, seed=random.randrange(10**6))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_thousand_sales_beside_a_server_elsewhere() -> None:
    """The same, while the accounting server is another process, with a broker between them."""
    with server_elsewhere("shop") as environ, Program("shop", environ | {"APP_SAMPLES": "yes"}) as program:
        play(program, granted=(10_000, 15_000), grants=10, sales=500, kills=20, seed=random.randrange(10**6))
