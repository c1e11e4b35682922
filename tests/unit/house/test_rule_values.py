"""The numbers and names in docs/rules.md are those of the code: each table is read, and computed anew."""

import re
from datetime import date
from typing import Any, get_args

import pytest

from swpt_accounts.broker import topology
from swpt_accounts.events import AccountUpdate
from swpt_accounts.operators.inspection import gauges
from swpt_accounts.rules import accounts, upkeep
from swpt_accounts.rules.balances import (
    accumulated_interest,
    due_interest,
    guaranteed_amount,
    rate_constant,
    whole_balance,
)
from swpt_accounts.rules.currency import CurrencySettings
from swpt_accounts.rules.flows import late_before, slot_of
from swpt_accounts.rules.interventions import least_transfer_id
from swpt_accounts.runtime import metrics
from swpt_accounts.runtime.settings import Settings
from swpt_accounts.runtime.variables import variables
from swpt_accounts.wire.codes import CT_DELETE, CT_INTEREST
from swpt_accounts.wire.messages.malformed import Reason
from swpt_accounts.wire.numbers import MAX_INT64
from swpt_accounts.wire.routing import Realm, account_digest, binary_key, hex_key
from tests.backstage.builders import DAY, NOW, POLICY, SECOND, account, root
from tests.backstage.rules import microseconds, section, table

Row = dict[str, str]


def cases(title: str, first_column: str) -> Any:
    """The rows of a table as cases of a test, called by their first cells."""
    rows = table(title, first_column)
    assert rows
    return pytest.mark.parametrize("row", rows, ids=[" ".join(list(row.values())[:3]) for row in rows])


def about(cell: str) -> object:
    """What a cell says, within the tolerance that the document gives."""
    if cell.startswith("≈"):
        return pytest.approx(float(cell.removeprefix("≈")), rel=0.0, abs=1e-10)
    return pytest.approx(float(cell), rel=1e-9, abs=0.0)


def rounded(cell: str) -> object:
    """A cell that was rounded to its last digit."""
    return pytest.approx(float(cell), rel=0.0, abs=0.6 * 10.0 ** -len(cell.partition(".")[2]))


def code(cell: str) -> str:
    """What stands between the backticks of a cell."""
    return cell.strip("`")


# -- interest and balances ---------------------------------------------------------------------


@cases("Rate constant", "r")
def test_a_rate_constant(row: Row):
    """k(r), to the last digit but one."""
    assert rate_constant(float(row["r"])) == pytest.approx(float(row["k(r)"]), rel=1e-15, abs=0.0)


@cases("Whole balance", "principal")
def test_a_balance(row: Row):
    """x and W of a principal with interest."""
    principal, interest = int(row["principal"]), float(row["interest"])
    later = NOW + microseconds(row["elapsed"])
    grown = accumulated_interest(principal, interest, float(row["rate"]), NOW, later)
    assert grown == about(row["x"])
    assert not row["W"] or whole_balance(principal, grown) == int(row["W"])


def test_the_moment_at_which_interest_passes_a_ten_thousandth():
    """At the rate and after the days that the document says, rounded to its last digit."""
    pattern = r"At (\S+) percent interest passes (\S+) of the principal after (\S+) days"
    [(rate, part, days)] = re.findall(pattern, section("Whole balance"))
    principal, bound = 10**12, float(part) * 10**12
    for shift, passes in ((-0.00005, False), (0.00005, True)):
        later = NOW + round((float(days) + shift) * DAY)
        assert (accumulated_interest(principal, 0.0, float(rate), NOW, later) > bound) is passes


def test_the_longer_story():
    """Each event begins with what the one before has left, and ends with what its row says."""
    principal, interest, rate, now = 0, 0.0, 0.0, NOW
    for row in table("Whole balance", "event"):
        later = now + microseconds(row["time passes"])
        interest = accumulated_interest(principal, interest, rate, now, later)
        now = later
        principal += int(row["principal changes by"])
        interest += float(row["interest changes by"])
        rate = float(row["rate from now on"])
        assert principal == int(row["principal"]), row["event"]
        assert interest == about(row["interest"]), row["event"]
        assert whole_balance(principal, interest) == int(row["W"]), row["event"]


@cases("What a reservation guarantees", "age")
def test_a_reservation(row: Row):
    """R of 1000, and the factor behind it."""
    age_seconds = microseconds(row["age"]) / SECOND
    assert guaranteed_amount(1000, age_seconds) == int(row["R of 1000"])
    assert guaranteed_amount(10**18, age_seconds) / 10**18 == rounded(row["factor"])


@cases("Interest of a late credit", "amount")
def test_a_late_credit(row: Row):
    """What is due, from rates and moments."""
    due = due_interest(
        int(row["amount"]),
        NOW - microseconds(row["committed ago"]),
        NOW,
        float(row["rate"]),
        float(row["previous rate"]),
        NOW - microseconds(row["rate changed ago"]),
    )
    assert due == about(row["due"])


@cases("What can be locked", "negligible_amount of the root")
def test_an_issuing_limit(row: Row):
    """How far the balance of a root account may fall."""
    limit = int(row["limit"] or MAX_INT64)
    configured = root(negligible_amount=float(row["negligible_amount of the root"]))
    assert accounts.min_balance(configured, CurrencySettings(issuing_limit=limit)) == int(row["min_balance"])


# -- ids, moments, notes -----------------------------------------------------------------------


@cases("Ids of transfers", "created on")
def test_a_first_transfer_id(row: Row):
    """Of an account that is created on that day, at whatever time."""
    days = (date.fromisoformat(row["created on"]) - date(1970, 1, 1)).days
    assert days == int(row["day"])
    for moment in (days * DAY, (days + 1) * DAY - 1):
        assert accounts.new_account(1, 2, moment).last_transfer_id + 1 == int(row["first transfer id"])


@cases("The books of a node", "committed, in seconds")
def test_a_late_flow(row: Row):
    """The slot of a transfer, and when it has to have come."""
    slot = slot_of(int(row["committed, in seconds"]) * SECOND)
    assert slot == int(row["slot"]) * SECOND
    late_at = int(row["late after, at the latest"]) * SECOND
    assert late_before(late_at - 1) <= slot < late_before(late_at)


@cases("After a restore", "restored at, in seconds")
def test_a_raised_transfer_counter(row: Row):
    """No id that was given before a restoration is greater."""
    restored_at = int(row["restored at, in seconds"]) * SECOND
    assert least_transfer_id(restored_at) == int(row["last_transfer_id is at least"])


@cases("Balance changes", "first change")
def test_a_pending_update_is_due(row: Row):
    """The later one of delay and least interval."""
    midnight = NOW - NOW % DAY

    def moment(cell: str) -> int:
        hours, minutes, seconds = map(int, cell.split(":"))
        return midnight + ((hours * 60 + minutes) * 60 + seconds) * SECOND

    last = row["last such message"]
    pending = account(
        update_pending_since=moment(row["first change"]),
        last_delayed_update_ts=moment(last) if last else 0,
    )
    assert accounts.update_due_at(pending, POLICY, pending.update_pending_since) == moment(row["due"])


def test_the_notes_of_payments():
    """The texts that owners read."""
    notes = {code(row["type"]): code(row["transfer_note"]) for row in table("Payments of the server", "type")}
    assert notes == {CT_INTEREST: upkeep.INTEREST_NOTE, CT_DELETE: upkeep.DELETE_NOTE}


@cases("Settings of the server", "setting")
def test_a_default(row: Row):
    """The default of a setting, in seconds where it is a duration."""
    assert variables(Settings)[row["setting"].lower()].default == float(row["default"])


# -- the wire ----------------------------------------------------------------------------------


def test_the_exchanges():
    """All of them with their types."""
    rows = table("The exchanges", "exchange")
    shown = [(code(row["exchange"]), row["type"]) for row in rows]
    assert shown == [(exchange.name, exchange.type) for exchange in topology.EXCHANGES]


def test_the_bindings_of_coordinators():
    """Which types of coordinators are heard by which agents."""
    rows = table("The exchanges", "coordinator-type")
    shown = [(code(row["coordinator-type"]), code(row["to the exchange"])) for row in rows]
    bindings = topology.EXCHANGE_BINDINGS
    assert shown == [(binding.arguments["coordinator-type"], binding.destination) for binding in bindings]


def test_the_arguments_of_the_queues():
    """Every argument stands in the row of its queue, with its value."""
    spare, queue = topology.queues("q")
    shown_queue, shown_spare = (row["arguments"] for row in table("The queues", "queue"))
    for declared, shown in ((queue, shown_queue), (spare, shown_spare)):
        names = re.findall(r"`([\w-]+)` =", shown)
        assert sorted(names) == sorted(declared.arguments)
        for name, value in declared.arguments.items():
            written = {"q.XQ": "the name + `.XQ`", "": '`""`'}.get(value, f"`{value}`")
            assert f"`{name}` = {written}" in shown


@cases("Keys", "number")
def test_a_hexadecimal_key(row: Row):
    """Of an id of an agent."""
    assert hex_key(int(row["number"])) == code(row["hexadecimal key"])


@cases("Keys", "debtor_id")
def test_a_binary_key(row: Row):
    """Of an account, with the begin of its digest."""
    key = int(row["debtor_id"]), int(row["creditor_id"])
    assert account_digest(*key).hex().startswith(code(row["MD5 begins"]))
    assert binary_key(*key) == code(row["binary key"])


@cases("Realms", "debtor_id")
def test_a_realm(row: Row):
    """Which realms own an account."""
    key = int(row.pop("debtor_id")), int(row.pop("creditor_id"))
    assert len(row) == 4
    for realm, owns in row.items():
        assert Realm.parse(code(realm)).owns(*key) is {"yes": True, "no": False}[owns]


def test_the_reasons_of_dead_letters_stand_in_order():
    """Numbered as they are checked; the later ones are named below."""
    rows = table("Checks of a message", "number")
    assert [int(row["number"]) for row in rows] == list(range(1, len(rows) + 1))
    assert [code(row["reason"]) for row in rows] == list(get_args(Reason))
    later = set(metrics.DEAD_LETTER_REASONS) - set(get_args(Reason))
    assert later == set(re.findall(r"`(\w+)` \(", section("Checks of a message").split("Later reasons")[1]))


@cases("Numbers for monitoring", "name")
def test_a_number_for_monitoring(row: Row):
    """It is shown under its name."""
    counted = {f"{family.name}_total" for family in metrics.REGISTRY.collect() if family.type == "counter"}
    assert code(row["name"]) in counted | set(gauges.GAUGES)


# -- what tests and docstrings refer to by number ----------------------------------------------


def test_the_choices_are_numbered():
    """One after the other."""
    numbers = [int(row["number"]) for row in table("Choices", "number")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_fields_that_no_message_shows():
    """They are fields of an account, and AccountUpdate has none of them."""
    rows = table("Accounts", "field")
    named = {name for row in rows for name in row["field"].split(", ")}
    assert named <= set(accounts.Account.__struct_fields__)
    assert not named & set(AccountUpdate.__struct_fields__)
