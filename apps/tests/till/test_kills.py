"""`kill -9` at the till: nothing lost, nothing twice, no key with two outcomes.

`tests/house/test_killed.py` has it twenty times.
"""

from pathlib import Path

from tests.backstage.running import embedded

from .killing import office_of, tell


def test_a_till_that_is_killed_once_ends_right(folder: Path) -> None:
    """The small case: everything in one process."""
    with embedded("till", folder, TILL_DAILY_RECHARGE="1000.00") as program:
        tell(program, office_of(program), seed=7, kills=1)
