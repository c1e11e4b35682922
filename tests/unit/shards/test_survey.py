"""What a shard sees of its node: gaps, overlaps, shared queues (rules.md#the-parts-of-a-node)."""

import asyncio

import pytest

from swpt_accounts.shards.client import Whose
from swpt_accounts.shards.survey import Survey, survey
from swpt_accounts.wire.routing import Realm

OWN = "0.1.#"


def seen(routes: dict[str, tuple[str, str] | None], own: str = OWN) -> Survey:
    """What is seen through a router that leads to shards with these realms and queues; None is away."""
    asked = []

    async def ask(key):
        asked.append(key)
        for part, shard in routes.items():
            if Realm.parse(part).owns_key(key):
                return None if shard is None else Whose(Realm.parse(shard[0]), shard[1])
        return Whose()

    found = asyncio.run(survey(ask, Realm.parse(own), "mine"))
    assert not any(Realm.parse(own).owns_key(key) for key in asked), "for accounts of its own it asks nobody"
    return found


def node(*keys: str) -> dict[str, tuple[str, str] | None]:
    """Routes as they should be."""
    return {key: (key, f"queue {key}") for key in keys}


@pytest.mark.parametrize(
    ("routes", "parts", "faults"),
    [
        (node("0.0.#", OWN, "1.#"), 3, []),
        (node("0.0.0.#", "0.0.1.#", OWN, "1.0.#", "1.1.0.#", "1.1.1.0.#", "1.1.1.1.#"), 7, []),
        (
            node("0.0.0.#", OWN, "1.#"),
            3,
            ["the router knows no shard for an account in 0.0.1.#"],
        ),
        (
            node(OWN, "1.#") | {"0.0.#": ("0.#", "whole")},
            3,
            ["0.# (queue whole) and 0.1.# (queue mine) have the same accounts"],
        ),
        (
            node("0.0.#", OWN) | {"1.1.#": ("1.1.#", "x"), "1.0.#": ("1.#", "y")},
            4,
            ["1.# (queue y) and 1.1.# (queue x) have the same accounts"],
        ),
        (
            node("0.0.#", OWN) | {"1.#": ("0.0.#", "queue 0.0.#")},
            2,
            ["the router leads to 0.0.# where somebody asks for an account in 1.#"],
        ),
        (
            node("0.0.#", OWN) | {"1.#": ("1.#", "mine")},
            3,
            ["0.1.# and 1.# have the same queue mine, and take each other's messages"],
        ),
        (
            node(OWN) | {"0.0.#": ("0.0.#", "two"), "1.#": ("1.#", "two")},
            3,
            ["0.0.# and 1.# have the same queue two, and take each other's messages"],
        ),
        (node(OWN) | {"0.0.#": ("0.0.#", ""), "1.#": ("1.#", "")}, 3, []),
    ],
)
def test_what_does_not_fit_is_told(routes, parts, faults):
    """Each key has one shard, and each shard a queue of its own; what a shard does not say is no fault."""
    assert seen(routes) == Survey(parts, faults, [])


def test_a_shard_that_is_away_is_no_gap():
    """Nothing is known of its part; that of others is looked at."""
    found = seen({"0.0.#": None, "1.0.#": ("1.0.#", "x"), "1.1.#": None})
    assert found == Survey(1, [], [Realm.parse("0.0.#"), Realm.parse("1.#")])


def test_the_smallest_parts_are_found():
    """An account of each of them is found, also if only one key in sixteen thousand belongs to it."""
    own = "0." * 14 + "#"
    siblings = ["0." * zeros + "1.#" for zeros in range(14)]
    assert seen(node(*siblings), own) == Survey(15, [], [])
