"""A blob being written in front of the log: in memory while it is small, else as a file."""

import threading
from collections.abc import Callable, Sequence

from storage.blobs.files import FileWriter
from storage.blobs.protocol import HEAD_MAX, Buffer

SMALL = 2 << 20
"""Bytes of the largest blob that goes to the log, unless the store is told otherwise."""


class Budget:
    """Bytes that all writers of a process may hold in memory together."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._left = limit

    def take(self, size: int) -> bool:
        """Take `size` bytes if they are there."""
        with self._lock:
            if size > self._left:
                return False
            self._left -= size
            return True

    def give(self, size: int) -> None:
        """Give them back."""
        with self._lock:
            self._left += size


class LogWriter:
    """Holds what is written until `place` appends it to the log; what grows too large becomes a file.

    Parameters
    ----------
    append
        Appends buffers of a total length to the log and returns the key; raises OSError.
    spill
        Begins a file instead.
    """

    def __init__(
        self,
        append: Callable[[Sequence[Buffer], int], str],
        spill: Callable[[], FileWriter],
        budget: Budget,
        small: int = SMALL,
    ) -> None:
        self._append = append
        self._spill = spill
        self._budget = budget
        self._small = small
        self._buffers: list[Buffer] = []
        self._size = 0
        self._held = 0
        self._file: FileWriter | None = None
        self._key = ""

    @property
    def key(self) -> str:
        """The key, empty before `place`: it says where in the log the blob lies."""
        return self._key

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append `buffers` in order."""
        length = sum(map(len, buffers))
        if self._file is None and not self._hold(length):
            self._become_file()
        if self._file is not None:
            self._file.write(buffers)
        else:
            self._buffers += map(bytes, buffers)
        self._size += length

    def _hold(self, length: int) -> bool:
        if self._size + length > self._small or not self._budget.take(length):
            return False
        self._held += length
        return True

    def _become_file(self) -> FileWriter:
        file = self._file = self._spill()
        buffers = self._let_go()
        file.write(buffers)
        return file

    def _let_go(self) -> list[Buffer]:
        buffers, self._buffers = self._buffers, []
        self._budget.give(self._held)
        self._held = 0
        return buffers

    def patch_head(self, data: Buffer) -> None:
        """Overwrite the first bytes."""
        if self._file is not None:
            self._file.patch_head(data)
            return
        if len(data) > min(self._size, HEAD_MAX):
            raise ValueError(f"a head of {len(data)} bytes in a blob of {self._size}")
        whole = bytearray().join(self._buffers)
        whole[: len(data)] = data
        self._buffers = [whole]

    def place(self) -> str:
        """Append it to the log; where that cannot be, as when there is no space to prepare, make a file."""
        if self._file is None:
            try:
                self._key = self._append(self._buffers, self._size)
            except OSError:
                self._become_file()
            else:
                self._let_go()
                return self._key
        if self._file is not None:
            self._key = self._file.place()
        return self._key

    def abandon(self) -> None:
        """Drop what was written; after `place` do nothing."""
        self._let_go()
        if self._file is not None:
            self._file.abandon()
