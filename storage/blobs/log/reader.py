"""Reads one blob from the log."""

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from storage.blobs.faults import fault
from storage.blobs.log.records import HEADER, Place
from storage.blobs.log.segment import find


class LogReader:
    """A blob within a segment, by one thread."""

    def __init__(self, file: int, place: Place) -> None:
        self._file = file
        self._start = place.offset + HEADER
        self._size = place.length

    @classmethod
    def open(cls, path: str, place: Place, key: str) -> Self | None:
        """Open the blob `key` in the segment at `path`; None when it is not there. Raises OSError."""
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            there = find(file, place, key) is not None
        except BaseException:
            os.close(file)
            raise
        if not there:
            os.close(file)
            return None
        return cls(file, place)

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        length = min(length, self._size - offset)
        if length <= 0:
            return b""
        try:
            return os.pread(self._file, length, self._start + offset)
        except OSError as error:
            raise fault(error, "reading the log") from error

    def chunks(self, offset: int = 0, chunk: int = 1 << 20) -> Iterator[bytes]:
        """Yield the blob from `offset` on, in pieces of at most `chunk` bytes."""
        while data := self.read_at(offset, chunk):
            yield data
            offset += len(data)

    def close(self) -> None:
        """Let it go."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
