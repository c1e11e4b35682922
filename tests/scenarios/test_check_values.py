"""The check values of docs/rules.md, as a running server says them.

The past is written into the database; then a message lets the server say what has become of it.  It does
so some milliseconds later than the table says, and names the moment: `at` brings what it says to the moment
of the table, by the formula of rules.md#interest-on-a-balance, which is written here once more, in decimal
numbers.

What can not be seen from outside is left to tests/unit/rules/test_balances.py: the factors behind R(s), of
which a client sees whole units only, and that R(0) is exact without a clock that was set back.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, NamedTuple

import psycopg2
import pytest

from .agent import PATIENCE_SECONDS, Event
from .currency import ALICE, BOB, CAROL, MAX_INT64, ROOT, Currency, instant
from .deployment import Deployment

DAY = 86400
YEAR = 31557600
LONG_AGO = 10 * YEAR

OK, TOO_LITTLE = "OK", "INSUFFICIENT_AVAILABLE_AMOUNT"

_change_ids = count(1)


def ago(seconds: float) -> datetime:
    """The moment so many seconds before now."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def microseconds(moment: datetime) -> int:
    """A moment as the database holds it."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def between(start: datetime, end: str) -> Decimal:
    """The seconds from a moment to another one, as the server names it."""
    return Decimal((instant(end) - start) // timedelta(microseconds=1)) / 10**6


def at(seconds: float, start: datetime, told_at: str, balance: Decimal, rate: float) -> Decimal:
    """The balance that was announced a little later, so many seconds after the start."""
    late = between(start, told_at) - Decimal(seconds)
    assert abs(late) < PATIENCE_SECONDS
    return balance * (1 + Decimal(rate) / 100) ** (-late / YEAR)


def interest_at(seconds: float, start: datetime, update: Event, rate: float | None = None) -> float:
    """The interest that an AccountUpdate says, so many seconds after the start.

    `rate` was in force until then, if it is not the one of the AccountUpdate.
    """
    balance = update.principal + Decimal(update.interest)
    if rate is None:
        rate = update.interest_rate
    return float(at(seconds, start, update.last_change_ts, balance, rate) - update.principal)


def nearly(value: float, tolerance: float = 1e-9) -> Any:
    """Equal within the tolerance of rules.md#interest-and-balances; those of 1e-10 are not relative."""
    if tolerance == 1e-10:
        return pytest.approx(value, abs=tolerance)
    return pytest.approx(value, rel=tolerance, abs=0.0)


@pytest.fixture
def currency(short_currency: Currency) -> Currency:
    """A currency on the server that tends its accounts all the time, and takes credits that are years old."""
    return short_currency


class Past:
    """Writes what happened before the story into the database of the server."""

    def __init__(self, postgres_url: str, debtor_id: int) -> None:
        self._postgres_url = postgres_url
        self._debtor_id = debtor_id

    def _write(self, table: str, names: str, key: tuple[int, ...], values: dict[str, Any]) -> None:
        changes = ", ".join(f"{name} = %s" for name in values)
        new = [microseconds(v) if isinstance(v, datetime) else v for v in values.values()]
        with closing(psycopg2.connect(self._postgres_url)) as connection, connection:
            cursor = connection.cursor()
            cursor.execute(
                f"UPDATE {table} SET {changes} WHERE (debtor_id, {names}) = %s",
                [*new, (self._debtor_id, *key)],
            )
            assert cursor.rowcount == 1

    def account(self, creditor_id: int, **values: Any) -> datetime:
        """An account has had these values since `last_change_ts`, which comes back.

        Its interest is paid long after the story, unless the story wants it earlier.
        """
        since: datetime = values.setdefault("last_change_ts", ago(0))
        self._write("account", "creditor_id", (creditor_id,), {"last_capitalization_ts": ago(0), **values})
        return since

    def transfer(self, prepared: Event, age_seconds: float) -> None:
        """A transfer was prepared so many seconds ago, and can still be committed."""
        key = prepared.creditor_id, prepared.transfer_id
        self._write("prepared_transfer", "creditor_id, transfer_id", key, {"prepared_at": ago(age_seconds)})


@pytest.fixture
def past(_short_deployment: Deployment, currency: Currency) -> Past:
    """What happened before."""
    return Past(_short_deployment.postgres_url, currency.debtor_id)


@pytest.fixture
def earning(currency: Currency) -> Callable[[float, int], None]:
    """Gives ALICE an account with money, in a currency with this rate."""

    def earn(rate: float, principal: int) -> None:
        currency.open_root({"rate": rate})
        assert currency.open(ALICE).interest_rate == rate
        if principal:
            currency.issue(ALICE, principal)

    return earn


# -- interest (rules.md#whole-balance) ---------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "constant"),
    [
        (-50.0, -2.1964508725630127e-08),
        (-10.0, -3.338673272296572e-09),
        (3.567, 1.1106218557939947e-09),
        (5.0, 1.5460670066618503e-09),
        (10.0, 3.020197347210335e-09),
        (15.0, 4.428788703043282e-09),
        (100.0, 2.1964508725630127e-08),
    ],
)
def test_a_balance_grows_by_the_rate_constant(earning, currency, past, rate, constant):
    """What a year has made of 10^15 is exp(k(r) s), with the k(r) of the table."""
    earning(rate, 10**15)
    since = past.account(ALICE, last_change_ts=ago(YEAR), interest=0.0)
    update = currency.open(ALICE)
    growth = 1 + Decimal(update.interest) / 10**15
    assert float(growth.ln() / between(since, update.last_change_ts)) == nearly(constant, 1e-14)


@pytest.mark.parametrize(
    ("principal", "interest", "rate", "seconds", "expected", "tolerance"),
    [
        (1_000_000, 0.0, 10.0, 365 * DAY, 1_099_928.242451653 - 1_000_000, 1e-9),
        (1_000_000, 0.0, -10.0, 365 * DAY, 900_064.9061487499 - 1_000_000, 1e-9),
        (10**12, 0.0, 100.0, 1, 21_964.50896684995, 1e-9),
        (1000, 0.0, 10.0, YEAR, 100.0, 1e-10),
        (200, -150.0, 10.0, DAY, -149.986951045004, 1e-9),
        (10**18, 0.25, 5.0, 1, 1_546_067_008.107012, 1e-9),
        # Nothing grows on a balance that is not positive.
        (0, -0.3, 10.0, YEAR, -0.3, 0.0),
    ],
)
def test_interest_is_what_the_table_says(
    earning, currency, past, principal, interest, rate, seconds, expected, tolerance
):
    """An AccountUpdate says the interest of the check values (behaviour 46)."""
    earning(rate, principal)
    since = past.account(ALICE, last_change_ts=ago(seconds), interest=interest)
    update = currency.open(ALICE)
    assert update.has(principal=principal, interest_rate=rate)
    if principal == 0:
        assert update.interest == expected
    else:
        assert interest_at(seconds, since, update) == nearly(expected, tolerance)


@pytest.mark.parametrize(("rate", "seconds"), [(0.0, 0), (10.0, DAY)])
def test_negative_interest_leaves_less_to_lock(earning, currency, past, rate, seconds):
    """Of 200 with interest -150 there are 50 to be locked, now and a day later (behaviours 34 and 46)."""
    earning(rate, 200)
    past.account(ALICE, last_change_ts=ago(seconds), interest=-150.0)
    prepared = currency.prepared(ALICE, ROOT, min_locked_amount=0, max_locked_amount=MAX_INT64)
    assert prepared.locked_amount == 50


def test_whole_units_are_right_beyond_the_digits_of_binary64(earning, currency, past):
    """Of 10^18 after a second, W is 1000000001546067008 (rules.md#whole-balance)."""
    earning(5.0, 10**18)
    since = past.account(ALICE, last_change_ts=ago(1), interest=0.25)
    prepared = currency.prepared(ALICE, ROOT, min_locked_amount=0, max_locked_amount=MAX_INT64)
    whole = at(1, since, prepared.prepared_at, Decimal(prepared.locked_amount), 5.0)
    # Each moment has a part of a unit of its own that is cut off.
    assert abs(whole - 1_000_000_001_546_067_008) < 1


def test_a_part_of_a_unit_that_is_owed_costs_a_whole_one(earning, currency, past):
    """With principal 0 and interest -0.3, W is -1, and a year changes nothing (behaviour 46)."""
    earning(10.0, 0)
    past.account(ALICE, last_change_ts=ago(YEAR), interest=-0.3)
    assert currency.open(ALICE).interest == -0.3
    for whole in (0, 1):  # one unit more than before, each time
        currency.issue(ALICE, 1)
        prepared = currency.prepared(ALICE, ROOT, min_locked_amount=0, max_locked_amount=9)
        assert prepared.locked_amount == whole
        currency.finalize(prepared, 0)


# -- due interest (rules.md#interest-of-a-late-credit) -----------------------------------------


class Late(NamedTuple):
    """A credit from another shard: seconds before now, rates, and the interest that it carries."""

    amount: int
    committed: float
    changed: float
    previous_rate: float
    rate: float
    due: float
    tolerance: float = 1e-9


LATE_CREDITS = [
    Late(1000, 2 * YEAR, YEAR, 0.0, 10.0, 100.0, 1e-10),
    Late(-1000, 2 * YEAR, YEAR, 0.0, 10.0, -100.0, 1e-10),
    Late(1000, DAY, LONG_AGO, 0.0, 10.0, 0.2609790999203267),
    Late(1000, 356.25 * DAY, 183 * DAY, 5.0, 15.0, 97.64528106250685),
    Late(1000, -5, LONG_AGO, 5.0, 10.0, 0.0),
]


def test_late_credits_carry_the_interest_of_the_table(currency, past):
    """One that was committed in the future carries none, any other what it would have earned (behaviour 44).

    The currency has its root account on another shard, and so its rates are what they are.
    """
    accounts = dict(enumerate(LATE_CREDITS, ALICE))
    for creditor_id in accounts:
        currency.open(creditor_id)
    now = ago(0)
    for creditor_id, late in accounts.items():
        past.account(
            creditor_id,
            interest_rate=late.rate,
            previous_interest_rate=late.previous_rate,
            last_interest_rate_change_ts=now - timedelta(seconds=late.changed),
        )
        currency.agent.send_as_server(
            {
                "type": "PendingBalanceChange",
                "debtor_id": currency.debtor_id,
                "creditor_id": creditor_id,
                "change_id": next(_change_ids),
                "coordinator_type": "direct",
                "transfer_note": "",
                "transfer_note_format": "",
                "committed_at": (now - timedelta(seconds=late.committed)).isoformat(),
                "principal_delta": late.amount,
                "other_creditor_id": CAROL,
            }
        )
    for creditor_id, late in accounts.items():
        update = currency.take("AccountUpdate", creditor_id=creditor_id, principal=late.amount)
        if late.due == 0.0:
            assert update.interest == 0.0
        else:
            assert interest_at(0, now, update) == nearly(late.due, late.tolerance), late


# -- what a reservation guarantees (rules.md#what-a-reservation-guarantees) --------------------

GONE = -1_000_000


@pytest.mark.parametrize(
    ("age", "free", "committed", "status"),
    [
        # Only the reservation covers it: R(s) of the table, and not one unit more.
        pytest.param(-3600, GONE, 1000, OK, id="0 s, by a clock that was set back"),
        (1, GONE, 999, OK),
        (1, GONE, 1000, TOO_LITTLE),
        (DAY, GONE, 998, OK),
        (DAY, GONE, 999, TOO_LITTLE),
        (10 * DAY, GONE, 981, OK),
        (10 * DAY, GONE, 982, TOO_LITTLE),
        (30 * DAY, GONE, 944, OK),
        (30 * DAY, GONE, 945, TOO_LITTLE),
        (90 * DAY, GONE, 842, OK),
        (90 * DAY, GONE, 843, TOO_LITTLE),
        # Behaviour 35: a unit or five are missing beside it.
        (1, -1, 1000, TOO_LITTLE),
        (10 * DAY, -5, 995, OK),
        (10 * DAY, GONE, 980, OK),
        (10 * DAY, GONE, 995, TOO_LITTLE),
    ],
)
def test_a_reservation_of_a_thousand_shrinks_as_in_the_table(currency, past, age, free, committed, status):
    """What is left of it can be committed, whatever is missing on the account (behaviours 35 and 114)."""
    currency.open_root()
    currency.open(ALICE)
    currency.issue(ALICE, 1000)
    prepared = currency.prepared(ALICE, ROOT, 1000)
    past.account(ALICE, interest=float(free))
    past.transfer(prepared, age)
    assert currency.finalize(prepared, committed).status_code == status


def test_an_issuer_has_no_demurrage(currency, past):
    """What it has locked can be committed in full, though its limit was lowered (behaviour 35)."""
    currency.open_root({"limit": 1000})
    currency.open(ALICE)
    prepared = currency.prepared(ROOT, ALICE, 1000)
    currency.open_root({"limit": 0})
    past.transfer(prepared, 90 * DAY)
    currency.commit(prepared, 1000)


# -- what an issuer can lock (rules.md#what-can-be-locked) -------------------------------------


@pytest.mark.parametrize(
    ("negligible_amount", "settings", "most"),
    [
        (0.0, "", 0),
        (1e30, "", MAX_INT64),
        (9.223372036854776e18, "", MAX_INT64),
        (1e30, {"limit": 100}, 100),
        (100.7, "", 100),
        (123456789.0, "", 123456789),
    ],
)
def test_an_issuer_locks_what_the_table_says(currency, negligible_amount, settings, most):
    """The lowest balance follows from negligible amount and limit, cut to whole units (behaviour 92)."""
    currency.open_root(settings, negligible_amount=negligible_amount)
    currency.open(BOB)
    prepared = currency.prepared(ROOT, BOB, min_locked_amount=0, max_locked_amount=MAX_INT64)
    assert prepared.locked_amount == most


# -- capitalization, and the longer story (rules.md#whole-balance) -----------------------------


def interest_payment(currency: Currency, creditor_id: int) -> Event:
    """The next interest payment to an account."""
    return currency.take("AccountTransfer", creditor_id=creditor_id, coordinator_type="interest")


def test_interest_is_paid_when_it_passes_a_ten_thousandth(currency, past):
    """At five percent after 0.7486 days, and not before."""
    currency.open_root({"rate": 5.0})
    since = {}
    for creditor_id, days in ((ALICE, 0.7485), (BOB, 0.74865)):
        currency.open(creditor_id)
        currency.issue(creditor_id, 10**12)
        since[creditor_id] = past.account(
            creditor_id, last_change_ts=ago(days * DAY), interest=0.0, last_capitalization_ts=0
        )
    paid = [interest_payment(currency, BOB)]
    paid += [event for event in currency.inbox if event.has(coordinator_type="interest")]
    for event in paid:
        seconds = between(since[event.creditor_id], event.committed_at)
        assert seconds > Decimal("0.74855") * DAY, "rounded, that is 0.7486 days"
    assert paid[0].acquired_amount >= 10**8


def test_the_longer_story(earning, currency, past):
    """Each row begins where the row before it ends, and is held to a billionth (behaviours 41 and 47)."""

    def balance() -> int:
        """W, as a client finds it out."""
        prepared = currency.prepared(ALICE, ROOT, min_locked_amount=0, max_locked_amount=MAX_INT64)
        currency.finalize(prepared, 0)
        whole: int = prepared.locked_amount
        return whole

    earning(5.0, 1_000_000)
    assert balance() == 1_000_000

    since = past.account(ALICE, last_change_ts=ago(30 * DAY), interest=0.0)
    update = currency.open(ALICE)
    assert interest_at(30 * DAY, since, update) == nearly(4015.446068191015)
    assert balance() == 1_004_015

    past.account(ALICE, interest=4015.446068191015)
    currency.pay(ALICE, ROOT, 400_000)
    assert balance() == 604_015

    since = past.account(ALICE, last_change_ts=ago(10 * DAY), interest=4015.446068191015)
    update = currency.open(ALICE)
    assert update.principal == 600_000
    assert interest_at(10 * DAY, since, update) == nearly(4822.830177461985)
    assert balance() == 604_822

    since = past.account(ALICE, interest=4822.830177461985, last_capitalization_ts=0)
    paid = interest_payment(currency, ALICE)
    assert paid.has(acquired_amount=4822, principal=604_822)
    update = currency.open(ALICE)
    assert update.principal == 604_822
    assert interest_at(0, since, update) == nearly(0.8301774619849311)
    assert balance() == 604_822

    since = past.account(ALICE, interest=0.8301774619849311, last_interest_rate_change_ts=ago(40 * DAY))
    currency.open_root({"rate": -2.0})
    update = currency.take("AccountUpdate", creditor_id=ALICE, interest_rate=-2.0)
    assert interest_at(0, since, update, rate=5.0) == nearly(0.8301774619849311)
    assert balance() == 604_822

    since = past.account(ALICE, last_change_ts=ago(20 * DAY), interest=0.8301774619849311)
    update = currency.open(ALICE)
    assert interest_at(20 * DAY, since, update) == nearly(-667.8790629530273)
    assert balance() == 604_154
