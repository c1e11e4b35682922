"""The shop killed in the middle of its sales; `tests/house/test_killed.py` has it twenty times."""

from pathlib import Path

from tests.backstage.running import embedded

from .killing import tell


def test_a_killed_shop_sells_once(folder: Path) -> None:
    """Killed once in the middle: each sale counts once, and nothing is lost."""
    with embedded("shop", folder) as program:
        tell(program, granted=(1000, 1500), grants=1, sales=10, kills=1, seed=1)
