"""Sales while the program is killed again and again, and clients that try again."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Event
from uuid import uuid4

import requests

from tests.backstage.running import Program
from tests.backstage.waiting import wait_until

from .people import Person, register, the_admin


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


def tell(
    program: Program, *, granted: tuple[int, int], grants: int, sales: int, kills: int, seed: int
) -> None:
    """Two sellers with some credits each sell as much, while the program is killed."""
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
    program.verify()
