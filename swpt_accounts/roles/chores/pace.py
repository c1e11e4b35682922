"""The pace of a chore: how many rows its next step looks at, and how long it rests after a step.

Messages come first.  A step is short, because the accounts that it locks keep transfers waiting, and then
rests for several times as long as it took, because whatever it does is done by the same processors, the
same disk and the same broker.  Where those are busy, steps take longer, so that the rests are longer too;
where they are idle, the chore goes on faster by itself.
"""

from typing import Final

_FIRST_ROWS: Final = 50
_LEAST_ROWS: Final = 20
# Beyond this, larger steps are hardly cheaper for each row.
_MOST_ROWS: Final = 500
_STEP_SECONDS: Final = 0.02

_REST_SHARE: Final = 4.0
# A step that had to wait, for a lock or for the machine, must not stop the chore for hours.
_LONGEST_REST_SECONDS: Final = 10.0


class Pace:
    """The pace of one chore in one process."""

    def __init__(self) -> None:
        self.rows = _FIRST_ROWS

    def rest_after(self, seconds: float, *, is_late: bool) -> float:
        """Take in how long a step has taken, and return how many seconds to rest.

        Who is late does not rest, and takes larger steps, which are cheaper.
        """
        if is_late:
            self.rows = _MOST_ROWS
            return 0.0
        # Twice or half as many at most: one slow step says little about the next one.
        factor = min(2.0, max(0.5, _STEP_SECONDS / max(seconds, 0.001)))
        self.rows = min(_MOST_ROWS, max(_LEAST_ROWS, round(self.rows * factor)))
        return min(seconds * _REST_SHARE, _LONGEST_REST_SECONDS)
