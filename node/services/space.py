"""The free space that arrivals must leave: asked seldom, reckoned in between."""

import threading
from collections.abc import Callable

from node.core.clock import monotonic
from storage.blobs.protocol import BlobStore
from storage.errors import OutOfSpace

_FRESH = 0.1  # seconds for which an answer of the store is good


class Space:
    """Says no before the disk is full, so that the database and everything else goes on.

    Parameters
    ----------
    floor
        Bytes that must stay free.
    held
        Bytes that one reception may hold without having written them.
    """

    def __init__(
        self, blobs: BlobStore, *, floor: int, held: int, clock: Callable[[], float] = monotonic
    ) -> None:
        self._blobs = blobs
        self._floor = floor
        self._held = held
        self._clock = clock
        self._lock = threading.Lock()
        self._running = 0
        self._left: int | None = None
        self._good_until = float("-inf")

    def enter(self) -> None:
        """Count a reception that begins."""
        with self._lock:
            self._running += 1

    def leave(self) -> None:
        """Count a reception that has ended."""
        with self._lock:
            self._running -= 1

    def take(self, size: int) -> None:
        """Reckon with `size` bytes that are about to be written.

        Raises
        ------
        OutOfSpace
            They, and what others hold already, would go below the floor.
        Unavailable
            The store cannot say.
        """
        with self._lock:
            now = self._clock()
            if now >= self._good_until:
                self._left = self._blobs.free()
                self._good_until = now + _FRESH
            if self._left is None:
                return
            if self._left - size - max(self._running - 1, 0) * self._held < self._floor:
                raise OutOfSpace(f"less than {self._floor >> 20} MiB would stay free")
            self._left -= size
