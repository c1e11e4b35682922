"""The steps of a trade, as a table: which bundle comes after which, and what has become of the trade."""

from typing import Final

import msgspec

from swpt_client.records import BundleState

DIRECT: Final = "direct"
ESCROW: Final = "escrow"
MODES: Final = (DIRECT, ESCROW)


class Next(msgspec.Struct, frozen=True):
    """What follows the end of a step."""

    trade: str
    """`running`, `done`, `failed` or `torn` (a part has moved, and it is a person's turn)."""
    step: str = ""
    """The kind of the next step; empty if there is none."""
    is_later: bool = False
    """It begins after a pause."""


_NOTHING_MOVED: Final = (BundleState.DISMISSED, BundleState.FAILED, BundleState.REVERSED)
_TABLE: Final[dict[tuple[str, bool], Next]] = {
    # (step, has everything moved)
    ("direct", True): Next("done"),
    ("direct", False): Next("failed"),
    ("in", True): Next("running", "out"),
    ("in", False): Next("failed"),
    # The money is on accounts of the exchange: forward, or if that cannot be, back.
    ("out", True): Next("done"),
    ("out", False): Next("running", "back"),
    ("back", True): Next("failed"),
    ("back", False): Next("running", "back", is_later=True),
}


def first_step(mode: str) -> str:
    """The kind of the step with which a trade of this mode begins."""
    return "in" if mode == ESCROW else "direct"


def next_step(step: str, ended: BundleState) -> Next:
    """What follows when the bundle of a step has ended so."""
    if ended is BundleState.TORN:
        return Next("torn")
    assert ended is BundleState.DONE or ended in _NOTHING_MOVED, f"a bundle does not end as {ended}"
    return _TABLE[step, ended is BundleState.DONE]
