"""Worlds of the simulation: a short fixed list, and all that broke once."""

import pytest

from simulation.running import Case, play, saved

# Where a library stands between a process and its clock, as in `make calendar`, a world takes minutes.

FIXED = [Case(seed=3, acts=2, shards=1), Case(seed=5, acts=2, shards=1)]


@pytest.mark.parametrize("case", [*FIXED, *saved()], ids=lambda case: f"{case.seed} {case.shards}")
def test_all_invariants_hold_in_a_world(case, world_database):
    """Whatever goes wrong in it, no money and no answer is lost, and all is quiet at the end."""
    played = play(case, world_database)
    assert not played.error, f"{played.error}\nagain: {case.command()} --trace\n{played.where}"
    assert played.steps > 1000


def test_a_seed_repeats_everything(world_database):
    """The same steps in the same order, with the same messages: so a world that broke breaks again."""
    case = Case(seed=5, acts=2, shards=1)
    first, second = play(case, world_database), play(case, world_database)
    assert first.trace == second.trace
    assert first.counts == second.counts


@pytest.mark.soak
def test_a_seed_repeats_what_is_between_shards_as_well(world_database):
    """Money and questions go between them, at the same steps each time."""
    case = Case(seed=5, acts=2, shards=2)
    first, second = play(case, world_database), play(case, world_database)
    assert not first.error, f"{first.error}\nagain: {case.command()} --trace\n{first.where}"
    assert first.trace == second.trace
    assert first.counts == second.counts
    assert first.counts["credits between shards"] > 0
    assert first.counts["committed between shards"] >= first.counts["committed"] / 3
    assert first.counts["answers"] > 0


@pytest.mark.soak
def test_a_shard_is_split_by_the_command_while_the_world_goes_on(world_database):
    """Whoever splits it dies now and then; all that was under way is done once, and the seed repeats it."""
    case = Case(seed=30, acts=2, shards=2)
    first, second = play(case, world_database), play(case, world_database)
    assert not first.error, f"{first.error}\nagain: {case.command()} --trace\n{first.where}"
    assert first.trace == second.trace
    assert first.counts["splits"] == 1
