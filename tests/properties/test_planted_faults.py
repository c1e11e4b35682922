"""Faults that are planted into the rules, each of which random programs must find.

A guard that somebody comments out, a credit that is applied twice, a chore that moves money twice: what the
properties below would not notice, they do not prove.
"""

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from swpt_accounts.rules import deciding, transfers, upkeep

from .test_conservation import Chaos
from .test_life import Lives

# Nobody needs the smallest program, only to see that there is one.
FOUND_OR_NOT: Final = settings(
    stateful_step_count=40,
    max_examples=300,
    derandomize=True,
    database=None,
    print_blob=False,
    report_multiple_bugs=False,
    phases=(Phase.generate,),
)

TWICE: Final = """for _ in range(2):
            account = pay(book, account, -book.originals[key].principal, codes.CT_DELETE, DELETE_NOTE)"""

FAULTS: Final = {
    "a guard is commented out (P10)": (
        Chaos,
        transfers,
        transfers.prepare,
        "if lockable < request.min_locked_amount:",
        "if False:",
    ),
    "a guard is commented out (F3)": (
        Chaos,
        transfers,
        transfers.finalize,
        "if now > transfer.deadline:",
        "if False:",
    ),
    "a credit is applied twice on redelivery": (
        Chaos,
        deciding,
        deciding._apply_credit,
        "known = book.credits.get(key)",
        "known = None",
    ),
    "a chore moves money twice": (
        Lives,
        upkeep,
        upkeep.delete,
        "account = pay(book, account, -account.principal, codes.CT_DELETE, DELETE_NOTE)",
        TWICE,
    ),
}


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, function: Any, old: str, new: str) -> None:
    """Let a function be as if somebody had written it so."""
    source = inspect.getsource(function)
    assert source.count(old) == 1, "the function has changed: plant another fault"
    made: dict[str, Callable[..., Any]] = {}
    exec(source.replace(old, new), vars(module), made)
    monkeypatch.setattr(module, function.__name__, made[function.__name__])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(monkeypatch, fault):
    """Some random program ends in another state than the naive model, or with wrong books."""
    machine, module, function, old, new = FAULTS[fault]
    plant(monkeypatch, module, function, old, new)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=FOUND_OR_NOT)
