"""Bytes that come in pieces, read in order; pieces are handed on, not copied, where they can be."""

from collections.abc import Iterable

from scu.wire.link import Buffer


class CannotTranscode(Exception):
    """The data set cannot be had in that transfer syntax. The message says why, without patient data."""


class Source:
    """A data set to be read once from its start to its end.

    Attributes
    ----------
    position
        Bytes taken so far.
    """

    def __init__(self, pieces: Iterable[Buffer]) -> None:
        self._pieces = iter(pieces)
        self._piece = memoryview(b"")
        self._at = 0
        self.position = 0

    def take(self, size: int) -> Buffer:
        """Return the next `size` bytes.

        Raises
        ------
        CannotTranscode
            There are not so many.
        """
        if self._at >= len(self._piece):
            self.at_end()  # goes on to the next piece
        begin, end = self._at, self._at + size
        self.position += size
        if end <= len(self._piece):
            self._at = end
            return self._piece[begin:end]
        joined = bytearray(self._piece[begin:])
        self._at = len(self._piece)
        while len(joined) < size:
            if self.at_end():
                raise CannotTranscode("the data set ends within an element")
            part = self._piece[self._at : self._at + size - len(joined)]
            self._at += len(part)
            joined += part
        return joined

    def at_end(self) -> bool:
        """Tell whether all has been taken."""
        while self._at >= len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return True
            self._piece, self._at = memoryview(piece), 0
        return False
