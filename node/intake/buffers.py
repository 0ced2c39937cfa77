"""Buffers in which the pieces of a dataset are gathered before they are written."""

from collections import deque

from node.intake.part10 import META_MAX

BUFFER = 256 * 1024
"""Bytes of a dataset gathered for one write."""
CAPACITY = META_MAX + BUFFER
"""Bytes of a buffer: room for the header, then the dataset."""

_SPARE = 16  # kept for the next receptions


class Buffers:
    """Buffers that were used and will be again: fresh memory costs a page fault for every 4 KiB."""

    def __init__(self) -> None:
        self._free: deque[memoryview] = deque(maxlen=_SPARE)

    def take(self) -> memoryview:
        """Return a buffer of `CAPACITY` bytes, with whatever is in it."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(bytearray(CAPACITY))

    def give(self, buffer: memoryview) -> None:
        """Take one back."""
        self._free.append(buffer)
