"""The books of a node: parts of shards in, what is wrong with the whole out (rule V3)."""

from typing import Any

import pytest

from swpt_accounts.rules.flows import SLOT, late_before, slot_of
from swpt_accounts.rules.invariants import Violation
from swpt_accounts.rules.node import MOST_APART, CurrencySums, ShardBooks, SlotFlow, add_up
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import DAY, DEBTOR, HOUR, NOW, text

OLD = slot_of(NOW - 2 * HOUR)
NEW = slot_of(NOW)


def part(principals: int, *flows: tuple[int, int, int], is_overflown: bool = False) -> CurrencySums:
    """The money of the currency on one shard."""
    emitted, applied = sum(flow[1] for flow in flows), sum(flow[2] for flow in flows)
    rows = [SlotFlow(*flow) for flow in flows]
    return CurrencySums(DEBTOR, principals, emitted, applied, is_overflown, rows)


def books(key: str, *currencies: CurrencySums, **changes: Any) -> ShardBooks:
    """What a shard says of itself."""
    told: dict[str, Any] = {
        "realm_since": NOW - DAY,
        "began_at": NOW,
        "ended_at": NOW,
        "currencies": currencies,
        **changes,
    }
    return ShardBooks(name=f"{key}.json", realm=Realm.parse(key), **told)


@pytest.mark.parametrize(
    ("keys", "broken"),
    [
        ("#", []),
        ("0.# 1.#", []),
        ("1.# 0.1.# 0.0.#", []),
        ("0.#", ["nobody has what is after 0.# (0.#.json)"]),
        ("1.#", ["nobody has what is between the beginning and 1.# (1.#.json)"]),
        ("0.0.# 1.#", ["nobody has what is between 0.0.# (0.0.#.json) and 1.# (1.#.json)"]),
        (
            "0.# 0.1.#",
            [
                "0.# (0.#.json) and 0.1.# (0.1.#.json) have the same accounts",
                "nobody has what is after 0.1.# (0.1.#.json)",
            ],
        ),
        ("# 1.#", ["# (#.json) and 1.# (1.#.json) have the same accounts"]),
        ("0.# 0.# 1.#", ["0.# (0.#.json) and 0.# (0.#.json) have the same accounts"]),
        ("0.# 0.0.# 1.#", ["0.# (0.#.json) and 0.0.# (0.0.#.json) have the same accounts"]),
    ],
)
def test_every_key_has_one_shard(keys, broken):
    """Realms leave no gap and do not overlap."""
    sums = add_up([books(key) for key in keys.split()])
    assert [one.text for one in sums.violations] == broken
    assert {one.rule for one in sums.violations} <= {"realms"}


@pytest.mark.parametrize(
    ("left", "right", "on_the_way", "broken"),
    [
        # what one has sent, the other has
        (part(-300, (OLD, 300, 0)), part(300, (OLD, 0, 300)), 0, False),
        # sent just now, and not there yet
        (part(-300, (NEW, 300, 0)), part(0), 300, False),
        # both files are not of the same moment: it has come, and was not sent yet
        (part(0), part(300, (NEW, 0, 300)), -300, False),
        # an hour later it is lost, or was made
        (part(-300, (OLD, 300, 0)), part(0), 300, True),
        (part(0), part(300, (OLD, 0, 300)), -300, True),
        # what is in the right amount between them, but sent and come at other times, is two mistakes
        (part(-300, (OLD, 300, 0)), part(300, (NEW, 0, 300)), 0, True),
        # what has come late is counted by when it was sent
        (part(-300, (0, 300, 0)), part(300, (OLD, 0, 300)), 0, False),
        # a principal that nothing explains
        (part(-299, (OLD, 300, 0)), part(300, (OLD, 0, 300)), 0, True),
        # an overflow makes or loses money
        (part(-300, (OLD, 300, 0)), part(200, (OLD, 0, 100), is_overflown=True), 0, False),
        # amounts beyond 64 bits
        (part(-(2**70), (OLD, 2**70, 0)), part(2**70, (OLD, 0, 2**70)), 0, False),
    ],
)
def test_money_between_shards_is_neither_lost_nor_made(left, right, on_the_way, broken):
    """Principals and what is on its way are 0 together, and nothing is on its way for long (rule V3)."""
    sums = add_up([books("0.#", left), books("1.#", right)])
    assert sums.on_the_way.get(DEBTOR, 0) == on_the_way
    assert [one.rule for one in sums.violations] == ["V3"] * broken
    assert sums.notes == []


@pytest.mark.parametrize(
    ("moment", "slot"), [(0, 0), (1, 0), (SLOT - 1, 0), (SLOT, SLOT), (7 * SLOT + 5, 7 * SLOT)]
)
def test_a_slot_begins_before_what_is_in_it(moment, slot):
    """Or with it."""
    assert slot_of(moment) == slot


def test_a_transfer_is_late_after_an_hour_in_whole_slots():
    """From 60 to 70 minutes, so that all shards mean the same transfers."""
    sent = late_before(NOW)
    assert NOW - HOUR - SLOT < sent <= NOW - HOUR
    for slot, is_late in ((sent, False), (sent - SLOT, True)):
        sums = add_up([books("0.#", part(-1, (slot, 1, 0))), books("1.#", part(0))])
        assert bool(sums.violations) is is_late


SENT, COME = late_before(NOW) - SLOT, text(late_before(NOW))


@pytest.mark.parametrize(
    ("left", "right", "words"),
    [
        (part(-5), part(0), "the principals add up to -5, and 0 is on its way"),
        (part(-300, (NEW, 301, 0)), part(0), "the principals add up to -300, and 301 is on its way"),
        (
            part(-1, (SENT, 1, 0)),
            part(0),
            f"1 more has left its shard than has come, of transfers committed before {COME}",
        ),
        (
            part(0),
            part(7, (SENT, 0, 7)),
            f"7 more has come than has left its shard, of transfers committed before {COME}",
        ),
    ],
)
def test_money_that_is_lost_or_made_is_told_in_words(left, right, words):
    """Which currency, how much, and since when (rule V3)."""
    sums = add_up([books("0.#", left), books("1.#", right)])
    assert sums.violations == [Violation("V3", DEBTOR, None, words)]


def test_currencies_after_one_that_has_overflown_are_added_up():
    """An overflow hides nothing but itself."""
    lost = CurrencySums(DEBTOR + 1, -5, 0, 0, is_overflown=False, flows=[])
    sums = add_up([books("#", part(9, is_overflown=True), lost)])
    assert [one.debtor_id for one in sums.violations] == [DEBTOR + 1]


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"foreign_accounts": 5},
            "1.#.json still has 5 accounts of its sibling: what is on its way is known when they are removed",
        ),
        (
            {"realm_since": NOW - HOUR // 2},
            f"1.#.json has its realm since {text(NOW - HOUR // 2)}: what is late can be said two hours later",
        ),
        (
            {"began_at": NOW - 2 * HOUR},
            (
                f"the checks lasted from {text(NOW - 2 * HOUR)} to {text(NOW)}, which is too long to say"
                " whether money is late"
            ),
        ),
    ],
)
def test_what_can_not_be_said_is_told(changes, note):
    """While a split goes on, shortly after it, and of checks that lasted long, lateness is unknown."""
    late = part(-300, (OLD, 300, 0))
    sums = add_up([books("0.#", late), books("1.#", part(0), **changes)])
    assert (sums.violations, sums.notes) == ([], [note])
    assert sums.on_the_way == {DEBTOR: 300}


@pytest.mark.parametrize("changes", [{"realm_since": late_before(NOW)}, {"ended_at": NOW + MOST_APART}])
def test_what_can_just_be_said_is_said(changes):
    """A realm as old as what is late, and checks that lasted as long as they may."""
    sums = add_up([books("0.#", part(-300, (OLD, 300, 0))), books("1.#", part(0), **changes)])
    assert (len(sums.violations), sums.notes) == (1, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"is_whole": False}, "1.#.json: not all of its currencies were checked"),
        ({"violations_count": 2}, "1.#.json: it has found 2 violations itself"),
    ],
)
def test_a_shard_that_is_not_right_is_not_added_up(changes, words):
    """What is wrong on one shard is to be mended there first."""
    sums = add_up([books("0.#", part(-5)), books("1.#", **changes)])
    assert sums.violations == [Violation("shard", None, None, words)]
    assert (sums.on_the_way, sums.notes) == ({}, ["money was not added up"])
