"""When the root can be held against the sum of all others, as a table."""

import pytest

from house.verifying import Told, compare_root
from swpt_client.moments import SECOND

NEWEST = 1000 * SECOND
"""When the newest change of the others was."""


@pytest.mark.parametrize(
    ("principal", "told_after", "now_after", "is_compared", "is_clean"),
    [
        (-500, 60, 60, True, True),
        (-500, -60, 60, True, True),
        # it has been told later than all others changed, and is not what they are together
        (-499, 60, 60, True, False),
        (500, 60, 60, True, False),
        # the others may have changed after it, by what moved to or from it
        (-499, -1, 60, False, True),
        (-499, 4, 60, False, True),
        # nothing is on its way for so long
        (-499, -1, 7200, True, False),
    ],
)
def test_the_root_is_what_the_others_have_together(
    principal: int, told_after: int, now_after: int, is_compared: bool, is_clean: bool
) -> None:
    """What is told later than all others changed must fit; what was told before may not fit yet."""
    root = Told(principal=principal, at=NEWEST + told_after * SECOND)
    report = compare_root(root, others=500, newest=NEWEST, now=NEWEST + now_after * SECOND)
    assert (not report.not_yet, report.is_clean) == (is_compared, is_clean)
    assert report.compared == (1 if is_compared and is_clean else 0)
