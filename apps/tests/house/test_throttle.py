"""Who guesses has to wait: after ten failures within a minute, and nobody else does."""

import pytest

from house.problems import Problem
from house.throttle import FAILURES_PER_MINUTE, Throttle


def fail(throttle: Throttle, times: int, *who: str) -> None:
    """Guess wrongly so often."""
    for _ in range(times):
        throttle.check(*who)
        throttle.note(*who)


def refusal(throttle: Throttle, *who: str) -> str:
    """What a further try is told; empty if it is let in."""
    try:
        throttle.check(*who)
    except Problem as problem:
        return problem.code
    return ""


def test_some_mistakes_are_allowed() -> None:
    """A person mistypes: one failure less than too many stops nobody."""
    throttle = Throttle()
    fail(throttle, FAILURES_PER_MINUTE - 1, "address 1", "name anna")
    assert refusal(throttle, "address 1", "name anna") == ""


def test_too_many_failures_of_an_address_or_of_a_name_are_enough() -> None:
    """Many names tried from one address, and one name tried from many addresses, both have to wait."""
    throttle = Throttle()
    for number in range(FAILURES_PER_MINUTE):
        fail(throttle, 1, "address 1", f"name {number}")
        fail(throttle, 1, f"address 2.{number}", "name anna")
    assert refusal(throttle, "address 1", "name new") == "TOO_MANY_TRIES"
    assert refusal(throttle, "address new", "name anna") == "TOO_MANY_TRIES"
    assert refusal(throttle, "address new", "name new") == ""


@pytest.mark.parametrize("odd", ["", "\x00", "\udc00", "ж" * 10_000])
def test_whatever_somebody_calls_himself_is_counted(odd: str) -> None:
    """Also what no text can be encoded from."""
    throttle = Throttle()
    fail(throttle, FAILURES_PER_MINUTE, odd)
    assert refusal(throttle, odd) == "TOO_MANY_TRIES"
