"""Trades over HTTP against the running program: pairs, rings, both modes, and what goes wrong."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from exchange.booking import LOCK
from tests.backstage.running import Caller, Program
from tests.backstage.traders import PREFIX, Trader
from tests.backstage.waiting import wait_until

from .conftest import NewTrader

MODES = ("direct", "escrow")


@contextmanager
def held(folder: Path, kind: str) -> Iterator[None]:
    """While it lasts, messages of a type do not reach the accounting server."""
    mark = folder / "stage" / f"hold-{kind}"
    mark.touch()
    try:
        yield
    finally:
        mark.unlink()


@pytest.mark.parametrize("mode", MODES)
def test_a_pair(new_trader: NewTrader, mode: str) -> None:
    """One who stood in the book gets the rate asked, who comes gets the better price, in whole cents."""
    one, two = new_trader(OAK="100.00"), new_trader(ASH="300.00")
    stands = one.made("OAK", "100.00", "ASH", "2", mode=mode)
    assert one.seen(stands)["status"] == "open"
    comes = two.made("ASH", "50.01", "OAK", "0.4")
    seen = two.becomes(comes, "open")
    trade = two.trade(comes)
    assert (trade["status"], trade["mode"], len(trade["legs"])) == ("done", mode, 2)
    wait_until(lambda: two.seen(comes)["got"] == "25.00", "what it brings")
    seen = two.seen(comes)
    # 50.01 would have to bring 25.005.
    assert (seen["given"], seen["open"], seen["status"]) == ("50.00", "0.01", "open")
    wait_until(lambda: (one.balance("ASH"), two.balance("OAK")) == ("50.00", "25.00"), "both balances")
    wait_until(lambda: (one.balance("OAK"), two.balance("ASH")) == ("75.00", "250.00"), "what was given")
    kinds = [step["kind"] for step in trade["steps"]]
    assert kinds == (["direct"] if mode == "direct" else ["in", "out"])
    assert all(act["outcome"] == "OK" for leg in trade["legs"] for act in leg["acts"])
    assert one.cancel(stands).json()["status"] == "cancelled"
    assert two.cancel(comes).json()["status"] == "cancelled"


@pytest.mark.parametrize("mode", MODES)
def test_a_ring_of_three_with_whole_balances(new_trader: NewTrader, mode: str) -> None:
    """Three who could not trade in pairs; each offers all there is, and nothing stays with the exchange."""
    one, two, three = new_trader(OAK="10.00"), new_trader(ASH="20.00"), new_trader(ELM="30.00")
    offers = [
        one.made("OAK", "10.00", "ASH", "2"),
        two.made("ASH", "20.00", "ELM", "1.5", mode=mode),
        three.made("ELM", "30.00", "OAK", "0.333333"),
    ]
    for trader, offer_id in zip((one, two, three), offers, strict=True):
        assert trader.becomes(offer_id, "filled")["open"] == "0.00"
    assert len(three.trade(offers[2])["legs"]) == 3
    wait_until(
        lambda: (one.balance("ASH"), two.balance("ELM"), three.balance("OAK")) == ("20.00", "30.00", "10.00"),
        "all balances",
    )
    wait_until(
        lambda: (one.balance("OAK"), two.balance("ASH"), three.balance("ELM")) == ("0.00",) * 3,
        "what was given",
    )


RING = [
    # gives, how much, wants, rate: no sample offer asks less, and nothing is left over
    ("OAK", "0.50", "ASH", "1"),
    ("ASH", "0.50", "ELM", "1"),
    ("ELM", "0.50", "FIR", "1"),
    ("FIR", "0.50", "YEW", "0.6"),
    ("YEW", "0.30", "OAK", "1.666666"),
]


@pytest.mark.parametrize("mode", MODES)
def test_a_ring_of_five(new_trader: NewTrader, mode: str) -> None:
    """The largest there is: five currencies go on by one trader, all of them or none."""
    traders = [new_trader(**{give: amount}) for give, amount, _, _ in RING]
    offers = [trader.made(*terms, mode=mode) for trader, terms in zip(traders, RING, strict=True)]
    for trader, offer_id in zip(traders, offers, strict=True):
        trader.becomes(offer_id, "filled")
    trade = traders[-1].trade(offers[-1])
    assert (trade["status"], trade["mode"], len(trade["legs"])) == ("done", mode, 5)
    receivers = (*traders[-1:], *traders[:-1])
    for receiver, (give, amount, _, _) in zip(receivers, RING, strict=True):
        wait_until(lambda one=receiver, a=give, b=amount: one.balance(a) == b, f"{give}")  # type: ignore[misc]


@pytest.mark.parametrize("mode", MODES)
def test_a_leg_that_is_rejected(new_trader: NewTrader, mode: str) -> None:
    """Who offers more than there is: nothing moves, that offer is refused, the others wait."""
    rich, poor = new_trader(OAK="10.00"), new_trader(ASH="9.99")
    stands = rich.made("OAK", "10.00", "ASH", "1", mode=mode)
    comes = poor.made("ASH", "10.00", "OAK", "1")
    refused = poor.becomes(comes, "refused")
    assert (refused["reason"], refused["open"]) == ("INSUFFICIENT_AVAILABLE_AMOUNT", "10.00")
    trade = poor.trade(comes)
    assert (trade["status"], trade["reason"]) == ("failed", "INSUFFICIENT_AVAILABLE_AMOUNT")
    by = {leg["giver"]: leg for leg in trade["legs"]}
    assert by[poor.trader_id]["refusal"] == "INSUFFICIENT_AVAILABLE_AMOUNT"
    assert by[rich.trader_id]["acts"][0]["outcome"] in ("DISMISSED", "CANCELLED")
    assert (rich.balance("OAK"), poor.balance("ASH")) == ("10.00", "9.99")
    better = new_trader(ASH="10.00")
    better.becomes(better.made("ASH", "10.00", "OAK", "1"), "filled")
    wait_until(lambda: rich.balance("ASH") == "10.00", "the money of a better one")
    assert rich.seen(stands)["status"] == "filled"


def test_an_offer_whose_trade_has_failed_is_never_called_filled(
    exchange: Program, new_trader: NewTrader, folder: Path
) -> None:
    """Not even before all of it is open again; and it can be taken back as soon as the trade is over."""
    rich, poor = new_trader(OAK="4.00"), new_trader()
    stands = rich.made("OAK", "4.00", "ASH", "1")
    with closing(psycopg2.connect(exchange.database_url)) as book:
        with held(folder, "PrepareTransfer"):
            comes = poor.made("ASH", "4.00", "OAK", "1")
            wait_until(lambda: poor.seen(comes)["trades"], "a trade")
            with book.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        assert poor.trade(comes)["status"] == "failed"
        assert [rich.seen(stands)["status"], poor.seen(comes)["status"]] == ["running", "running"]
    assert rich.cancel(stands).json()["status"] == "cancelled"
    assert poor.seen(comes)["status"] == "refused"


def test_time_passes_before_all_is_prepared(new_trader: NewTrader, folder: Path) -> None:
    """Nothing moves, both offers stand again, and meet once more when the server answers."""
    one, two = new_trader(OAK="5.00"), new_trader(ASH="5.00")
    stands = one.made("OAK", "5.00", "ASH", "1")
    with held(folder, "PrepareTransfer"):
        answer = two.offer("ASH", "5.00", "OAK", "1")
        assert (answer.status_code, answer.json()["code"]) == (202, "STILL_RUNNING")
        comes = answer.json()["id"]
        trade = two.trade(comes)
        assert (trade["status"], trade["reason"]) == ("failed", "DECIDE_BY")
    for trader, offer_id in ((one, stands), (two, comes)):
        trader.becomes(offer_id, "filled")
    wait_until(lambda: (one.balance("ASH"), two.balance("OAK")) == ("5.00", "5.00"), "both balances")


# Each has a currency of its own: within eight days the server changes no rate twice.
@pytest.mark.parametrize(("mode", "code"), [("direct", "ELM"), ("escrow", "FIR")])
def test_the_rate_changes_between_prepare_and_commit(
    new_trader: NewTrader, bank: Trader, folder: Path, mode: str, code: str
) -> None:
    """The pinned leg fails, the other one is paid; the failed one is tried anew, and all is done."""
    one, two = new_trader(**{"OAK": "7.00", code: "1.00"}), new_trader(**{code: "7.00"})
    before = rate_of(two, code)
    one.made("OAK", "7.00", code, "1", mode=mode)
    with held(folder, "FinalizeTransfer"):
        comes = two.offer(code, "7.00", "OAK", "1").json()["id"]
        wait_until(lambda: two.seen(comes)["trades"], "a trade")
        trade_id = two.seen(comes)["trades"][0]["trade_id"]
        wait_until(
            lambda: all(
                leg["acts"][0]["state"] == "settled" for leg in two.get(f"/trades/{trade_id}").json()["legs"]
            ),
            "both legs prepared and decided",
        )
        changed = bank.session.put(
            f"{bank._base}/currencies/{code}", json={"interest_rate": before + 1}, timeout=60
        )
        assert changed.status_code == 202, changed.text
        wait_until(lambda: rate_of(two, code) == before + 1, "the new rate on the account")
    two.becomes(comes, "filled")
    trade = two.get(f"/trades/{trade_id}").json()
    attempts = {leg["currency"]: leg["acts"][0]["attempts"] for leg in trade["legs"]}
    assert (trade["status"], attempts) == ("done", {"OAK": 1, code: 2})
    wait_until(lambda: (one.balance(code), two.balance("OAK")) == ("8.00", "7.00"), "both balances")


def test_where_the_rate_is_negative_escrow_is_refused_and_a_part_is_given_directly(
    new_trader: NewTrader, bank: Trader
) -> None:
    """What is locked shrinks, so more is locked than is paid: a whole balance is too little for itself."""
    one, two = new_trader(YEW="4.00"), new_trader(ASH="9.00")
    bank.session.put(f"{bank._base}/currencies/YEW", json={"interest_rate": -5.0}, timeout=60)
    wait_until(lambda: rate_of(one, "YEW") == -5.0, "the new rate on the account")
    refused = one.offer("YEW", "1.00", "ASH", "1", mode="escrow")
    assert (refused.status_code, refused.json()["code"]) == (422, "NEGATIVE_RATE")
    part = one.made("YEW", "1.00", "ASH", "1")
    two.becomes(two.made("ASH", "1.00", "YEW", "1"), "filled")
    one.becomes(part, "filled")
    wait_until(lambda: (one.balance("YEW"), one.balance("ASH")) == ("3.00", "1.00"), "both balances")
    whole, stands = one.made("YEW", "3.00", "ASH", "1"), two.made("ASH", "3.00", "YEW", "1")
    assert one.becomes(whole, "refused")["given"] == "0.00"
    two.cancel(stands)


@pytest.mark.parametrize("rate", [101, -51, "5", None, True, [], 10**400], ids=lambda one: repr(one)[:9])
def test_what_is_no_interest_rate_is_refused(bank: Trader, rate: Any) -> None:
    """It is in percent per year, from -50 to 100."""
    answer = bank.session.put(f"{bank._base}/currencies/OAK", json={"interest_rate": rate}, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_FIELDS")


def rate_of(trader: Trader, code: str) -> float:
    """The interest rate of a trader's account."""
    accounts = trader.get("/accounts").json()["accounts"]
    return float(next(one["interest_rate"] for one in accounts if one["currency"] == code))


def test_an_offer_that_is_stored_is_never_said_not_to_be(exchange: Program, new_trader: NewTrader) -> None:
    """The database is lost while others are looked for: the offer stands, and meets them a moment later."""
    one, two = new_trader(OAK="1.00"), new_trader(ASH="1.00")
    stands = one.made("OAK", "1.00", "ASH", "1")
    waiting = "FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(exchange.database_url)) as book:
        with book.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        asked = pool.submit(two.offer, "ASH", "1.00", "OAK", "1", key="once")

        def is_lost() -> bool:
            exchange.sql(f"SELECT pg_terminate_backend(pid) {waiting}", LOCK)
            return asked.done()

        wait_until(is_lost, "an answer")
    answer = asked.result()
    assert answer.status_code in (201, 202), answer.text
    two.becomes(answer.json()["id"], "filled")
    one.becomes(stands, "filled")


def test_an_offer_is_taken_back(new_trader: NewTrader) -> None:
    """Before it is matched; not by others, not afterwards, and a second time changes nothing."""
    one, two = new_trader(OAK="3.00"), new_trader(ASH="3.00")
    gone = one.made("OAK", "3.00", "ASH", "1")
    other = two.cancel(gone)
    assert (other.status_code, other.json()["code"]) == (403, "NOT_YOURS")
    assert [one.cancel(gone).json()["status"] for _ in range(2)] == ["cancelled", "cancelled"]
    comes = two.made("ASH", "3.00", "OAK", "1")
    assert two.seen(comes)["status"] == "open"
    assert one.get("/offers", limit=500).json()[0]["id"] != gone
    one.becomes(one.made("OAK", "3.00", "ASH", "1"), "filled")
    late = two.cancel(comes)
    assert (late.status_code, late.json()["code"]) == (409, "TOO_LATE")
    assert two.cancel("nothing").status_code == 404


def test_the_same_request_again_is_the_same_offer(new_trader: NewTrader) -> None:
    """Eight times at once: one offer, one trade; with other terms it is a conflict."""
    one, two = new_trader(OAK="80.00"), new_trader(ASH="80.00")
    stands = one.made("OAK", "80.00", "ASH", "1")
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(two.offer, "ASH", "10", "OAK", "1", key="k") for _ in range(8)]
        assert len({one.result().json()["id"] for one in answers}) == 1
    comes = answers[0].result().json()["id"]
    two.becomes(comes, "filled")
    conflict = two.offer("ASH", "11", "OAK", "1", key="k")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "KEY_CONFLICT")
    wait_until(lambda: (one.balance("OAK"), two.balance("OAK")) == ("70.00", "10.00"), "both balances")
    assert one.cancel(stands).json()["open"] == "70.00"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("amount", 1.5, "INVALID_AMOUNT"),
        ("amount", "0", "INVALID_AMOUNT"),
        ("amount", "-1", "INVALID_AMOUNT"),
        ("amount", "1.001", "INVALID_AMOUNT"),
        ("amount", "10000000.00", "INVALID_AMOUNT"),
        ("rate", 1.5, "INVALID_FIELDS"),
        ("rate", "0", "INVALID_FIELDS"),
        ("rate", "1.0000001", "INVALID_FIELDS"),
        ("rate", "-1", "INVALID_FIELDS"),
        ("give", "XYZ", "UNKNOWN_CURRENCY"),
        ("give", "<b>", "UNKNOWN_CURRENCY"),
        ("want", "OAK", "SAME_CURRENCY"),
        ("mode", "quick", "INVALID_FIELDS"),
        ("unknown", "x", "INVALID_FIELDS"),
    ],
)
def test_terms_are_read_strictly(new_trader: NewTrader, field: str, value: object, code: str) -> None:
    """What cannot be is refused, and nothing is stored."""
    one = _somebody(new_trader)
    body = {"give": "OAK", "amount": "1", "want": "ASH", "rate": "1"} | {field: value}
    answer = one.post("/offers", body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert one.get("/offers", whose="mine").json() == []


_known: dict[str, Trader] = {}


def _somebody(new_trader: NewTrader) -> Trader:
    """The same for all who only ask wrongly."""
    return _known.setdefault("somebody", new_trader()) if "somebody" not in _known else _known["somebody"]


def test_only_who_may(exchange: Program, bank: Trader, new_trader: NewTrader) -> None:
    """Others' trades, accounts and offers are not shown, and only the operator admits and issues."""
    one, two, other = new_trader(OAK="1.00"), new_trader(ASH="1.00"), _somebody(new_trader)
    offer_id = one.made("OAK", "1.00", "ASH", "1")
    trade = two.trade(two.made("ASH", "1.00", "OAK", "1"))
    for answer in (
        other.get(f"/offers/{offer_id}"),
        other.get(f"/trades/{trade['id']}"),
        other.get(f"/traders/{one.trader_id}"),
        other.post(f"/traders/{one.trader_id}/key"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_YOURS")
    for answer in (
        other.post("/traders", {"trader_id": "x"}),
        other.post(f"/traders/{other.trader_id}/deposits", {"currency": "OAK", "amount": "1"}),
        bank.offer("OAK", "1", "ASH", "1"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "NOT_ALLOWED")
    assert Caller(exchange.address, PREFIX).get("/offers").status_code == 401
    assert bank.get(f"/trades/{trade['id']}").json()["status"] == "done"


def test_a_key_is_replaced_and_the_old_one_is_worth_nothing(exchange: Program, new_trader: NewTrader) -> None:
    """By its owner, and by the command line."""
    one = new_trader()
    answer = one.post(f"/traders/{one.trader_id}/key")
    assert answer.status_code == 201, answer.text
    assert one.get("/accounts").status_code == 401
    new = Trader(exchange, one.trader_id, answer.json()["api_key"])
    assert new.get("/accounts").status_code == 200
    made = exchange.command("new-key", one.trader_id)
    assert made.returncode == 0, made.stderr
    assert new.get("/accounts").status_code == 401
    assert Trader(exchange, one.trader_id, made.stdout.strip()).get("/accounts").status_code == 200
    assert exchange.command("new-key", "nobody").returncode == 1


def test_who_guesses_keys_has_to_wait(exchange: Program, bank: Trader) -> None:
    """After some wrong keys even a right one is 429 from there, and only there."""
    guesser = Trader(exchange, "nobody", "0123456789ab.0")
    guesser.go_elsewhere()
    statuses = [guesser.get("/accounts").status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    guesser.session.headers["api_key"] = bank.key
    assert guesser.get("/currencies").status_code == 429
    assert bank.get("/currencies").status_code == 200


def test_a_trader_leaves(bank: Trader, new_trader: NewTrader) -> None:
    """With money or open offers not; afterwards the key is nobody's."""
    one = new_trader(OAK="1.00")
    kept = bank.session.delete(f"{bank._base}/traders/{one.trader_id}", timeout=60)
    assert (kept.status_code, kept.json()["code"]) == (409, "NOT_EMPTY")
    two = new_trader()
    assert bank.session.delete(f"{bank._base}/traders/{two.trader_id}", timeout=60).status_code == 204
    assert two.get("/accounts").status_code == 401
    assert bank.session.delete(f"{bank._base}/traders/escrow", timeout=60).status_code == 404


@pytest.mark.parametrize("mode", [pytest.param("direct", marks=pytest.mark.chaos), "escrow"])
def test_a_program_that_is_killed_in_the_middle_of_a_trade(
    exchange: Program, new_trader: NewTrader, folder: Path, mode: str
) -> None:
    """Decided and not yet committed: after the start the trade ends, once."""
    one, two = new_trader(OAK="6.00"), new_trader(ASH="6.00")
    one.made("OAK", "6.00", "ASH", "1", mode=mode)
    with held(folder, "FinalizeTransfer"):
        comes = two.offer("ASH", "6.00", "OAK", "1", key="once").json()["id"]
        wait_until(lambda: two.seen(comes)["trades"], "a trade")
        exchange.kill()
    exchange.start()
    wait_until(lambda: two.get("/accounts").status_code != 503, "a program that answers")
    again = two.offer("ASH", "6.00", "OAK", "1", key="once")
    assert again.json()["id"] == comes
    two.becomes(comes, "filled")
    wait_until(lambda: (one.balance("ASH"), two.balance("OAK")) == ("6.00", "6.00"), "both balances")
    wait_until(lambda: (one.balance("OAK"), two.balance("ASH")) == ("0.00", "0.00"), "what was given")


def test_verify_finds_everything_in_order(exchange: Program, bank: Trader) -> None:
    """Entries, ledgers, offers and trades agree; nothing is left in escrow; what traders have was issued."""
    wait_until(
        lambda: {one["balance"] for one in bank.get("/traders/escrow").json()["accounts"]} == {"0.00"},
        "an empty escrow",
    )
    exchange.verify()
