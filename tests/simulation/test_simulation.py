"""Worlds of the simulation: a short fixed list, and all that broke once."""

import pytest

from simulation.running import Case, play, saved

# Where a library stands between a process and its clock, as in `make calendar`, a world takes minutes.

FIXED = [Case(seed=3, acts=2), Case(seed=5, acts=2)]


@pytest.mark.parametrize("case", [*FIXED, *saved()], ids=lambda case: str(case.seed))
def test_all_invariants_hold_in_a_world(case, world_database):
    """Whatever goes wrong in it, no money and no answer is lost, and all is quiet at the end."""
    played = play(case, world_database)
    assert not played.error, f"{played.error}\nagain: {case.command()} --trace\n{played.where}"
    assert played.steps > 1000


def test_a_seed_repeats_everything(world_database):
    """The same steps in the same order, with the same messages: so a world that broke breaks again."""
    case = Case(seed=5, acts=2)
    first, second = play(case, world_database), play(case, world_database)
    assert first.trace == second.trace
    assert first.counts == second.counts
