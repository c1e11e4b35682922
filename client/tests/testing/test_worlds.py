"""Random worlds: what holds in all of them, that they reach everything, and that they find faults."""

import pytest

from swpt_client.testing.crashes import CLIENT_STEPS, SERVER_STEPS
from swpt_client.testing.worlds.__main__ import main
from swpt_client.testing.worlds.counts import Counts
from swpt_client.testing.worlds.running import Failure, play, play_some

from . import faults

WORLDS, PORTION = 300, 60
FIRST = range(1_000, 1_000 + WORLDS, PORTION)
FOUND_WITHIN = 30
ROUNDS = 300
"""So many are enough for a sound client to end, in worlds that lose no answers for ever."""


@pytest.mark.parametrize("first", FIRST)
def test_all_invariants_hold_in_every_world(first):
    """No transfer twice, no lock left, no bundle torn without an alarm, ledgers as the server has them."""
    total, failures = play_some(range(first, first + PORTION))
    assert not failures, "\n".join(line for one in failures for line in one.lines())
    assert total.worlds == PORTION
    assert set(total.crashes) == {*CLIENT_STEPS, *SERVER_STEPS}, "each named step has been died at"
    for way in (total.to_server, total.to_client):
        assert min(way[what] for what in ("lost", "doubled", "late", "again")) > 0
    assert total.bundles["done"] > total.bundles["repairing"] > 0
    assert total.bundles["torn"] + total.bundles["reversed"] > 0
    assert total.ledger_entries["negligible"] > 0


def test_a_seed_repeats_its_world():
    """So a failure can be looked at again."""
    one, other = play(77), play(77)
    assert isinstance(one, Counts)
    assert one == other
    assert one != play(78)


def test_counts_are_sums_of_their_worlds():
    """No two sums share anything, or figures would be told that nobody has measured."""
    both = play_some([5, 6])[0]
    one, other = play_some([5])[0], play_some([6])[0]
    assert both.bundles == one.bundles + other.bundles
    assert both.transfers == one.outcomes.total() + other.outcomes.total()


def test_the_end_of_a_bundle_is_known_when_the_client_has_forgotten_it():
    """In this world answers are lost for ever, and more than a year passes."""
    assert isinstance(play(2106), Counts)


def test_the_command_says_what_has_happened(capsys):
    """One world, and how often each thing did."""
    assert main(["--worlds", "2", "--seed", "5", "--processes", "1"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("2 worlds, ")
    assert said.endswith("0 of 2 worlds broke\n")


@pytest.mark.parametrize(
    "make_client",
    [
        faults.AcknowledgesTooEarly,
        faults.StoresWhatItReadBefore,
        faults.ForgetsKeys,
        faults.LeavesDummiesOut,
    ],
)
def test_worlds_find_a_planted_fault(make_client):
    """A client with one fault does not live through thirty worlds, and the seed is told."""
    for seed in range(1_000, 1_000 + FOUND_WITHIN):
        done = play(seed, make_client, ROUNDS)
        if isinstance(done, Failure) and isinstance(play(seed, longest=ROUNDS), Counts):
            assert f"--seed {seed}" in "\n".join(done.lines())
            return
    raise AssertionError(f"{make_client.__name__} was not found")
