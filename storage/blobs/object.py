"""Blobs as objects of S3, Google Cloud Storage or Azure, through obstore: what several machines share.

A blob lies in memory up to 1 MiB, beyond that in a nameless temporary file, until it is complete: only then
is its head known, and a peer that breaks off costs no upload. `place` sends it, large ones in parts that are
read from that file; a completed upload is durable, so `sync` has nothing to do.

The service can be left with parts of uploads that a crash cut off. They are invisible here; let a lifecycle
rule of the bucket delete incomplete uploads after a day. A store must be opened after forking, not before.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from tempfile import SpooledTemporaryFile
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

import obstore
from obstore.exceptions import BaseError

from storage.blobs.faults import fault
from storage.blobs.folders import make_root
from storage.blobs.keys import Clock, KeyMaker, check_area, check_key, is_key
from storage.blobs.protocol import HEAD_MAX, Buffer
from storage.errors import NotFound, OutOfSpace, StorageError, Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Bucket

_IN_MEMORY = 1 << 20  # bytes
_PART = 8 << 20  # bytes; S3 takes 10,000 parts
_PARTS_AT_ONCE = 4
_FIRST = 1 << 20  # bytes fetched when a blob is opened: most blobs are smaller
_WINDOW = 4 << 20  # bytes fetched at a time after that
_FULL = ("XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507 Insufficient")

RETRIES = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
"""How long the service is asked again before the caller hears of it; a sender waits meanwhile."""


class ObjectStore:
    """A blob store in a bucket. Any number of machines may use the same.

    Parameters
    ----------
    bucket
        An obstore store, with its prefix.
    spool
        Folder on a local disk for blobs over 1 MiB that are not complete; made when it is not there.
    clock
        Seconds since 1970.
    """

    def __init__(self, bucket: "Bucket", spool: Path, clock: Clock = time.time) -> None:
        self._bucket = bucket
        self._spool = str(spool.absolute())
        self._clock = clock
        self._lock = Lock()
        self._keys = KeyMaker(clock)
        try:
            make_root(self._spool)
        except OSError as error:
            raise fault(error, "making the spool folder") from error

    def create(self, area: str = "instances") -> "ObjectWriter":
        """Begin a blob in `area`."""
        if self._keys.is_inherited:
            self._keys = KeyMaker(self._clock)
        return ObjectWriter(self._bucket, self._keys.next(area), self._spool)

    def sync(self, keys: Iterable[str]) -> None:
        """Do nothing: what is placed is durable already."""
        for key in keys:
            check_key(key)

    def open(self, key: str) -> "ObjectReader":
        """Open a placed blob. Raises NotFound."""
        return ObjectReader(self._bucket, check_key(key))

    def delete(self, key: str) -> None:
        """Remove a blob; one that is not there is no error."""
        try:
            obstore.delete(self._bucket, check_key(key))
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise _fault(error, "deleting an object") from error

    def keys(self, area: str = "instances", after: str = "") -> Iterator[str]:
        """Yield the placed keys of `area` in order, as the service lists them: 1,000 a request."""
        try:
            for page in obstore.list(self._bucket, check_area(area), offset=after or None, chunk_size=1000):
                for found in page:
                    key = found["path"]
                    if key > after and is_key(key):
                        yield key
        except (BaseError, OSError) as error:
            raise _fault(error, "listing objects") from error

    def free(self) -> None:
        """Return None: the service knows no limit that could be asked for."""

    def recover(self) -> Sequence[str]:
        """Return nothing: whether a writer on another machine lives cannot be told here."""
        return ()

    def close(self) -> None:
        """Do nothing; connections close with the process."""


class ObjectWriter:
    """Gathers a blob, then sends it."""

    def __init__(self, bucket: "Bucket", key: str, spool: str) -> None:
        self._bucket = bucket
        self._key = key
        self._size = 0
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY, dir=spool)  # noqa: SIM115 - closed by place, abandon

    @property
    def key(self) -> str:
        """The key that the blob will have once placed."""
        return self._key

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append `buffers` in order."""
        try:
            for buffer in buffers:
                self._size += self._file.write(buffer)
        except OSError as error:
            raise fault(error, "spooling") from error

    def patch_head(self, data: Buffer) -> None:
        """Overwrite the first bytes."""
        if len(data) > min(self._size, HEAD_MAX):
            raise ValueError(f"a head of {len(data)} bytes in a blob of {self._size}")
        try:
            self._file.seek(0)
            self._file.write(data)
            self._file.seek(self._size)
        except OSError as error:
            raise fault(error, "spooling the head") from error

    def place(self) -> str:
        """Send the blob; return once the service has it whole."""
        try:
            self._file.seek(0)
            if self._size <= _IN_MEMORY:
                obstore.put(self._bucket, self._key, self._file.read(), use_multipart=False)
            else:
                obstore.put(
                    self._bucket,
                    self._key,
                    self._file,
                    use_multipart=True,
                    chunk_size=_PART,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        except (BaseError, OSError) as error:
            raise _fault(error, "uploading an object") from error
        finally:
            self._file.close()
        return self._key

    def abandon(self) -> None:
        """Drop what was written; after `place` do nothing."""
        self._file.close()


class ObjectReader:
    """Reads a placed object by ranges."""

    def __init__(self, bucket: "Bucket", key: str) -> None:
        self._bucket = bucket
        self._key = key
        try:
            self._size, self._first = self._begin()
        except FileNotFoundError:
            raise NotFound(f"no blob has the key {key}") from None
        except (BaseError, OSError) as error:
            raise _fault(error, "opening an object") from error

    def _begin(self) -> tuple[int, bytes]:
        try:
            first = obstore.get(self._bucket, self._key, options={"range": (0, _FIRST)})
            return first.meta["size"], first.bytes().to_bytes()
        except BaseError:
            if obstore.head(self._bucket, self._key)["size"] > 0:
                raise
            return 0, b""  # of nothing no range can be had

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        end = min(offset + length, self._size)
        if end <= offset:
            return b""
        if end <= len(self._first):
            return self._first[offset:end]
        try:
            return obstore.get_range(self._bucket, self._key, start=offset, end=end).to_bytes()
        except FileNotFoundError:
            raise NotFound(f"no blob has the key {self._key} any more") from None
        except (BaseError, OSError) as error:
            raise _fault(error, "reading an object") from error

    def chunks(self, offset: int = 0, chunk: int = 1 << 20) -> Iterator[bytes]:
        """Yield the blob from `offset` on, in pieces of at most `chunk` bytes."""
        while offset < self._size:
            ahead = len(self._first) - offset
            window = self.read_at(offset, ahead if ahead > 0 else max(chunk, _WINDOW))
            for start in range(0, len(window), chunk):
                yield window[start : start + chunk]
            offset += len(window)

    def close(self) -> None:
        """Let it go."""
        self._first = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fault(error: Exception, doing: str) -> StorageError:
    """Return what storage raises for an error of obstore, in its first line and without a query string."""
    text = str(error)
    words = text.partition("\n")[0].partition("?")[0][:300]
    kind = OutOfSpace if any(mark in text for mark in _FULL) else Unavailable
    return kind(f"object store: {words or type(error).__name__} while {doing}")
