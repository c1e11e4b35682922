"""What each Python of a run on a shifted clock begins with: a sleep whose end has passed is no error.

The library of faketime hands on a negative duration then, which the kernel does not take.
"""

import errno
import time

_real_sleep = time.sleep


def _sleep(seconds: float, /) -> None:
    try:
        _real_sleep(seconds)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


time.sleep = _sleep  # type: ignore[assignment]
