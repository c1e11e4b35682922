"""Waking a thread that waits for a socket."""

import os
import select
from threading import Lock


class Waker:
    """A flag with a file descriptor, so that one poll waits for it and for a socket."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._poll = select.poll()
        self._poll.register(self._read_end, select.POLLIN)
        self._lock = Lock()
        self._is_set = False

    def fileno(self) -> int:
        """What to poll for; -1 when closed."""
        return self._read_end

    def set(self) -> None:
        """Wake the waiting thread, or the next one that will wait.  Any thread may call this."""
        with self._lock:
            if not self._is_set and self._write_end >= 0:
                self._is_set = True
                os.write(self._write_end, b"\0")

    def clear(self) -> bool:
        """Forget that it was set; says whether it was."""
        with self._lock:
            was_set = self._is_set
            if was_set and self._read_end >= 0:
                os.read(self._read_end, 64)
            self._is_set = False
            return was_set

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds; says whether it was set, and clears it."""
        if not self._is_set and timeout > 0:
            self._poll.poll(timeout * 1000)
        return self.clear()

    def close(self) -> None:
        """Give the descriptors back; setting it does nothing from now on."""
        with self._lock:
            for descriptor in (self._read_end, self._write_end):
                if descriptor >= 0:
                    os.close(descriptor)
            self._read_end = self._write_end = -1
