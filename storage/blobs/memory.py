"""Blobs in memory: for tests, and for looking at something once. They end with the process."""

import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from storage.blobs.keys import Clock, KeyMaker, check_area, check_key
from storage.blobs.protocol import HEAD_MAX, Buffer
from storage.errors import NotFound


class MemoryStore:
    """A blob store in a dictionary.

    Parameters
    ----------
    clock
        Seconds since 1970.
    """

    def __init__(self, clock: Clock = time.time) -> None:
        self._blobs: dict[str, bytes] = {}
        self._keys = KeyMaker(clock)

    def create(self, area: str = "instances") -> "MemoryWriter":
        """Begin a blob in `area`."""
        return MemoryWriter(self._blobs, self._keys.next(area))

    def sync(self, keys: Iterable[str]) -> None:
        """Do nothing: more durable than placed it does not get."""
        for key in keys:
            check_key(key)

    def open(self, key: str) -> "MemoryReader":
        """Open a placed blob. Raises NotFound."""
        try:
            return MemoryReader(self._blobs[check_key(key)])
        except KeyError:
            raise NotFound(f"no blob has the key {key}") from None

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        self._blobs.pop(check_key(key), None)

    def keys(self, area: str = "instances", after: str = "") -> Iterator[str]:
        """Yield the placed keys of `area` in order."""
        first = f"{check_area(area)}/"
        return iter(sorted(key for key in tuple(self._blobs) if key.startswith(first) and key > after))

    def free(self) -> None:
        """Return None: there is no limit but the machine's."""

    def recover(self) -> Sequence[str]:
        """Return nothing: nothing survives its writer."""
        return ()

    def close(self) -> None:
        """Do nothing."""


class MemoryWriter:
    """Gathers a blob."""

    def __init__(self, blobs: dict[str, bytes], key: str) -> None:
        self._blobs = blobs
        self._key = key
        self._data = bytearray()

    @property
    def key(self) -> str:
        """The key that the blob will have once placed."""
        return self._key

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return len(self._data)

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append `buffers` in order."""
        for buffer in buffers:
            self._data += buffer

    def patch_head(self, data: Buffer) -> None:
        """Overwrite the first bytes."""
        if len(data) > min(self.size, HEAD_MAX):
            raise ValueError(f"a head of {len(data)} bytes in a blob of {self.size}")
        self._data[: len(data)] = data

    def place(self) -> str:
        """Give the blob its key."""
        self._blobs[self._key] = bytes(self._data)
        return self._key

    def abandon(self) -> None:
        """Drop what was written; after `place` do nothing."""
        self._data.clear()


class MemoryReader:
    """Reads a placed blob."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""
        return len(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        return self._data[offset : offset + length]

    def chunks(self, offset: int = 0, chunk: int = 1 << 20) -> Iterator[bytes]:
        """Yield the blob from `offset` on, in pieces of at most `chunk` bytes."""
        for start in range(offset, len(self._data), chunk):
            yield self._data[start : start + chunk]

    def close(self) -> None:
        """Let it go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
