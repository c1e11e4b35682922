"""Broker, accounting server or database away while a person stands before the till: what is said then."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.backstage.cables import Cable
from tests.backstage.elsewhere import Elsewhere, elsewhere
from tests.backstage.running import Caller, Program

from .people import PASSWORD, Administration, Browser, Person, until


class Stand:
    """A till beside a server elsewhere, and the cables to broker and database."""

    def __init__(self, program: Program, server: Elsewhere, broker: Cable, database: Cable) -> None:
        self.program, self.server, self.broker, self.database = program, server, broker, database
        self.office = Administration(program)
        until(
            lambda: self.office.post("/administration", password=PASSWORD).status_code == 200, "the password"
        )
        self.person = Person(program, "Careful", self.office.admit("Careful")).log_in().rich("10.00")
        self.product = self.office.sell("Biscuit", "1.50", 10)
        self.sweet = self.office.sell("Sweet", "0.50", 10)
        self.browser = Browser(program)
        self.browser.post("/login", on="/enter", name="Careful", password=PASSWORD)


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    """Everything is well at first."""
    with (
        elsewhere("till") as server,
        Cable(server.environ["PROTOCOL_BROKER_URL"]) as broker,
        Cable(server.environ["POSTGRES_URL"]) as database,
        Program("till", _settings(broker, database)) as program,
    ):
        yield Stand(program, server, broker, database)


def _settings(broker: Cable, database: Cable) -> dict[str, str]:
    return {
        "PROTOCOL_BROKER_URL": broker.url,
        "POSTGRES_URL": database.url,
        "APP_SAMPLES": "yes",
        "APP_THREADS": "8",
    }


def test_without_the_broker_it_is_stored_and_happens_once_later(stand: Stand) -> None:
    """The page says that one need not wait, and should not do it again; the stock has fallen already."""
    before, stock = stand.person.balance, stand.office.stock(stand.product)
    stand.broker.cut()
    form = stand.browser.form(f"/products/{stand.product}", "/buy")
    answer = stand.browser.post("/buy", on="/", **form)
    assert "/deeds/" in answer.url
    assert "It is stored, and will happen once" in answer.text
    assert 'http-equiv="refresh"' in answer.text
    undo = stand.person.undo(answer.url.rpartition("/")[2])
    assert (undo.status_code, undo.json()["code"]) == (409, "NOT_YET")
    again = stand.browser.post("/buy", on="/", **form)
    assert again.url == answer.url
    assert (stand.person.balance, stand.office.stock(stand.product)) == (before, stock - 1)
    stand.broker.mend()
    until(
        lambda: "done</span>" in stand.browser.get(answer.url.removeprefix(stand.program.address)).text, "it"
    )
    until(lambda: stand.person.balance == f"{float(before) - 1.5:.2f}", "the payment")
    assert stand.office.stock(stand.product) == stock - 1


def test_without_the_accounting_server_it_is_stored_and_its_token_tells_later(stand: Stand) -> None:
    """Nothing hangs: more people than there are threads are all told so; each pays once, when it is back."""
    before, stock = stand.person.balance, stand.office.stock(stand.sweet)
    stand.server.stop()
    tokens = [stand.person.token() for _ in range(4)]
    body = {"product_id": stand.sweet, "price": "0.50"}

    def ask(token: str) -> tuple[int, str, str]:
        answer = Caller.post(stand.person, "/purchases", body | {"token": token})
        return answer.status_code, answer.json()["code"], answer.headers["Location"]

    with ThreadPoolExecutor(12) as pool:
        told = set(pool.map(ask, tokens * 3))
    assert {(status, code) for status, code, _ in told} == {(202, "STILL_RUNNING")}
    assert len({where for _, _, where in told}) == 4
    stand.server.start()
    assert [stand.person.post("/purchases", body | {"token": one}).status_code for one in tokens] == [201] * 4
    until(lambda: stand.person.balance == f"{float(before) - 2:.2f}", "four payments")
    assert stand.office.stock(stand.sweet) == stock - 4


def test_without_the_database_it_did_not_happen_and_can_be_asked_again(stand: Stand) -> None:
    """A sentence, no stack trace; the button sends the same form again, and it happens once."""
    before = stand.person.balance
    form = stand.browser.form(f"/products/{stand.product}", "/buy")
    stand.database.cut()
    answer = stand.browser.session.post(f"{stand.program.address}/buy", data=form, timeout=60)
    assert answer.status_code == 503
    assert "It did not happen, and nothing was stored" in answer.text
    assert "Ask again" in answer.text
    assert "Traceback" not in answer.text
    page = stand.browser.get("/history")
    assert (page.status_code, 'role="alert"' in page.text) == (503, True)
    document = stand.person.get("/me")
    assert (document.status_code, document.json()["code"]) == (503, "SERVER_AWAY")
    stand.database.mend()
    until(lambda: stand.browser.get("/").status_code == 200, "the database")
    for _ in range(2):
        answer = stand.browser.session.post(f"{stand.program.address}/buy", data=form, timeout=60)
        assert answer.status_code == 200, answer.text
    until(lambda: stand.person.balance == f"{float(before) - 1.5:.2f}", "the payment")


def test_verify_beside_a_server_elsewhere(stand: Stand) -> None:
    """After all that nothing differs."""
    stand.program.verify()


def test_who_guesses_passwords_has_to_wait(stand: Stand) -> None:
    """The last story of this program: whoever comes from this address waits a minute then."""
    browser = Browser(stand.program)

    def guess() -> int:
        return browser.post("/login", on="/enter", name="Emmy", password="wrong").status_code

    assert guess() == 401
    until(lambda: guess() == 429, "the throttle")
