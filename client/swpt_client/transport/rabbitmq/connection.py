"""A connection of pika that sends what is published together in one piece."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pika

_PIECE_BYTES: Final = 65_536


class JoiningConnection(pika.SelectConnection):  # type: ignore[misc]  # pika has no types
    """Three frames make a publication, and pika hands each to the socket by a call of its own.

    Each call lets another thread run, which then has to give way again: that costs more than to send.
    """

    _pieces: list[bytes] | None = None
    _size = 0

    @contextmanager
    def in_one_piece(self) -> Iterator[None]:
        """What is sent within leaves at the end, in its order, as does what a failure has left."""
        self._pieces = []
        try:
            yield
        finally:
            self._emit_pieces()
            self._pieces = None

    def _adapter_emit_data(self, data: bytes) -> None:
        """Take a frame; what every adapter of pika has to do."""
        if self._pieces is None:
            super()._adapter_emit_data(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _PIECE_BYTES:
            self._emit_pieces()

    def _emit_pieces(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        if pieces and not self.is_closed:
            super()._adapter_emit_data(b"".join(pieces))
