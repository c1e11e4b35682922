"""How long a listener waits for those who have connected, and who has to go when all seats are taken.

A request is small and comes at once.  Whoever sends it byte by byte, or takes the answer so, holds one of
few seats for as long as he likes; so each of that has a deadline, and somebody who comes when all seats
are taken gets the seat of the one who has been silent for longest.
"""

from collections.abc import Iterator, Mapping
from logging import getLogger
from time import monotonic
from typing import Any, Final, NamedTuple

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

_LOOK_SECONDS: Final = 0.25
_LOG_SECONDS: Final = 60.0
# Browsers and proxies wait for an answer.  A thread that has made 16 MB of them for somebody who does not
# take them would wait for him; our largest page has a tenth of that, and only an export is longer.
_MOST_REQUESTS_AHEAD: Final = 4
_TOO_LATE: Final = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_logger: Final = getLogger(__name__)


class Patience(NamedTuple):
    """The deadlines of a listener, in seconds."""

    request_seconds: float = 10.0
    """From the first byte of a request to its last one."""

    answer_seconds: float = 60.0
    """From the last byte of a request until its answer has been taken."""

    answer_bytes_per_second: int = 16_384
    """Who takes a long answer at this pace, an export, has all the time; who stops has the seconds above."""

    silence_seconds: float = 120.0
    """From one whole request to the next one."""


class Door:
    """The connections of one listener.  Only the thread that serves its sockets may use it."""

    def __init__(self, name: str, sockets: Mapping[int, Any], seats: int, patience: Patience) -> None:
        self._name = name
        self._sockets = sockets
        self._seats = seats
        self._patience = patience
        self._look_at = self._log_at = 0.0
        self._dismissed = 0
        self._last_address = ""
        self._leaving: list[_Channel] = []
        door = self

        class Channel(_Channel):
            """Makes room for itself when it begins."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                door.make_room()
                super().__init__(*args, **kwargs)

        for listener in sockets.values():
            if isinstance(listener, BaseWSGIServer):
                listener.channel_class = Channel

    def make_room(self) -> None:
        """If all seats are taken, let the connection go that has been silent for longest.

        It is closed by the next `look`: now, its own bytes may be the next that the loop turns to.
        """
        staying = [one for one in self._channels() if one not in self._leaving]
        silent = [one for one in staying if not one.requests]
        if len(staying) >= self._seats and silent:
            self._leaving.append(min(silent, key=lambda one: one.quiet_since))

    def look(self) -> None:
        """Close who has to go; and a few times a second, what has taken too long."""
        for channel in self._leaving:
            if channel.connected:
                self._dismiss(channel, b"")
        self._leaving.clear()
        now = monotonic()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        for channel in list(self._channels()):
            if channel.is_overdue(now, self._patience):
                self._dismiss(channel, _TOO_LATE if channel.is_reading else b"")
        if self._dismissed and now >= self._log_at:
            self._log_at = now + _LOG_SECONDS
            _logger.warning(
                "Closed %d connections to the %s port that were too slow, or silent when all seats were"
                " taken; the last one from %s.",
                self._dismissed,
                self._name,
                self._last_address,
            )
            self._dismissed = 0

    def _channels(self) -> "Iterator[_Channel]":
        return (one for one in self._sockets.values() if isinstance(one, _Channel))

    def _dismiss(self, channel: "_Channel", words: bytes) -> None:
        self._dismissed += 1
        self._last_address = str(channel.addr[0])
        channel.end(words)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection that knows since when it waits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # When the newest request had come in whole; at the beginning, now.
        self.quiet_since = monotonic()
        self._begun_at: float | None = None
        self._looked_at = self.quiet_since
        self._slow_seconds = 0.0
        self._taken_bytes = 0
        super().__init__(*args, **kwargs)

    @property
    def is_reading(self) -> bool:
        """Whether a request has begun to come, and nothing else is going on."""
        return self._begun_at is not None and not self.requests and not self.total_outbufs_len

    def received(self, data: bytes) -> bool:
        """Take what has come, and remember when the request in it has begun."""
        before, now = self.request, monotonic()
        is_open = bool(super().received(data))
        if self.requests:
            self.quiet_since = now
            self._slow_seconds = 0.0
        if self.request is None:
            self._begun_at = None
        elif self.request is not before or self._begun_at is None:
            self._begun_at = now
        return is_open

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Send what the client takes, and remember how much that was."""
        taken = int(super().send(data, do_close))
        self._taken_bytes += taken
        return taken

    def is_overdue(self, now: float, patience: Patience) -> bool:
        """Whether the client has used up its time; to be asked now and then."""
        passed, self._looked_at = now - self._looked_at, now
        taken, self._taken_bytes = self._taken_bytes, 0
        if self.total_outbufs_len:
            won = taken / patience.answer_bytes_per_second
            self._slow_seconds = max(0.0, self._slow_seconds + passed - won)
        if len(self.requests) > _MOST_REQUESTS_AHEAD:
            return True
        if self.total_outbufs_len:
            return self._slow_seconds > patience.answer_seconds
        if self.requests:
            return False  # it waits for us
        if self._begun_at is not None and now - self._begun_at > patience.request_seconds:
            return True
        return now - self.quiet_since > patience.silence_seconds

    def end(self, words: bytes) -> None:
        """Close the connection, if possible with these words."""
        if words:
            try:
                self.socket.send(words)  # it does not block
            except OSError:
                pass
        # Not by `will_close`, which waits until the client takes something.
        self.handle_close()
