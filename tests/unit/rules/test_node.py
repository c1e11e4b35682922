"""The books of a node: parts of shards in, what is wrong with the whole out (rule V3)."""

from typing import Any

import pytest

from swpt_accounts.rules.flows import SLOT, late_before, slot_of
from swpt_accounts.rules.node import CurrencySums, ShardBooks, SlotFlow, add_up
from swpt_accounts.wire.routing import Realm
from tests.backstage.builders import DAY, DEBTOR, HOUR, NOW

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


def test_a_transfer_is_late_after_an_hour_in_whole_slots():
    """From 60 to 70 minutes, so that all shards mean the same transfers."""
    sent = late_before(NOW)
    assert NOW - HOUR - SLOT < sent <= NOW - HOUR
    for slot, is_late in ((sent, False), (sent - SLOT, True)):
        sums = add_up([books("0.#", part(-1, (slot, 1, 0))), books("1.#", part(0))])
        assert bool(sums.violations) is is_late


@pytest.mark.parametrize(
    "changes",
    [
        {"foreign_accounts": 5},
        {"realm_since": NOW - HOUR // 2},
        {"began_at": NOW - 2 * HOUR},
    ],
)
def test_what_can_not_be_said_is_told(changes):
    """While a split goes on, shortly after it, and of checks that lasted long, lateness is unknown."""
    late = part(-300, (OLD, 300, 0))
    sums = add_up([books("0.#", late), books("1.#", part(0), **changes)])
    assert (sums.violations, len(sums.notes)) == ([], 1)
    assert sums.on_the_way == {DEBTOR: 300}


@pytest.mark.parametrize("changes", [{"is_whole": False}, {"violations_count": 2}])
def test_a_shard_that_is_not_right_is_not_added_up(changes):
    """What is wrong on one shard is to be mended there first."""
    sums = add_up([books("0.#", part(-5)), books("1.#", **changes)])
    assert [one.rule for one in sums.violations] == ["shard"]
    assert sums.on_the_way == {}
