"""What a blob store does: the one small contract of filesystem, object store and memory.

A blob is written once and never changed. Writing streams; nothing is held whole in memory. The store
chooses the key. Three steps make a blob: `write` as bytes come, `place` when they are complete (the
content is durable and has its final key), `sync` for any number of placed keys at once (their names are
durable too). Only after `sync` may anyone be told that the blob is kept. A store that appends to a log
does nothing in `place` and everything in `sync`; a store of files does its `fsync` in `place`, in the
caller's thread, and shares the sync of folders.
"""

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

Buffer = bytes | bytearray | memoryview

HEAD_MAX = 64 * 1024
"""Bytes at the beginning of a blob that can still be changed while it is being written."""


@runtime_checkable
class BlobWriter(Protocol):
    """A blob being written by one thread."""

    @property
    def key(self) -> str:
        """The key that the blob will have once placed; empty until then where its place makes it."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append `buffers` in order; they may be reused by the caller on return.

        Raises
        ------
        OutOfSpace, Unavailable
            Nothing is lost but this blob: call `abandon`.
        """

    def patch_head(self, data: Buffer) -> None:
        """Overwrite the first ``len(data)`` bytes, for a header that is known only when the end is.

        They must have been written already and lie in the first `HEAD_MAX` bytes, else ValueError.
        """

    def place(self) -> str:
        """Make the content durable and give it its key; return the key.

        Raises
        ------
        OutOfSpace, Unavailable
            The blob is gone, as after `abandon`.
        """

    def abandon(self) -> None:
        """Drop what was written. After `place` it does nothing."""


@runtime_checkable
class BlobReader(Protocol):
    """A blob being read by one thread; close it, or use it in a with statement."""

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""

    def chunks(self, offset: int = 0, chunk: int = 1 << 20) -> Iterator[bytes]:
        """Yield the blob from `offset` on, in pieces of at most `chunk` bytes."""

    def close(self) -> None:
        """Let it go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class BlobStore(Protocol):
    """Where blobs are kept. Safe for use by many threads at once."""

    def create(self, area: str = "instances") -> BlobWriter:
        """Begin a blob in `area` (``instances`` or ``quarantine``): the first part of its key."""

    def sync(self, keys: Iterable[str]) -> None:
        """Return once every one of these placed blobs survives a power cut, name and content.

        Callers who wait at the same time share the work.
        """

    def open(self, key: str) -> BlobReader:
        """Open a placed blob. Raises NotFound."""

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""

    def keys(self, area: str = "instances", after: str = "") -> Iterator[str]:
        """Yield every placed key of `area` in order of text, those greater than `after` only.

        Keys begin with ``area/YYYY/MMDD/HHMM/`` of the (UTC) minute in which they were created.
        """

    def free(self) -> int | None:
        """Bytes that can still be written, None where the store knows no limit."""

    def recover(self) -> Sequence[str]:
        """Clear away what dead writers left half-written; return placed keys that may lack a record.

        Called at start. Blobs of writers that still live (other receivers) are left alone and never
        returned, so whatever returned key has no record may be deleted. A store that cannot tell the
        living from the dead returns nothing; then `keys` and the records tell what is nobody's.
        """

    def close(self) -> None:
        """Release locks and threads."""
