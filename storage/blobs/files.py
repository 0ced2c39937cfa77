"""One blob as a file: being written, and being read."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from storage.blobs.faults import fault
from storage.blobs.folders import Folders
from storage.blobs.protocol import HEAD_MAX, Buffer
from storage.errors import NotFound

_IOV_MAX = 1024  # buffers that writev takes at once


class FileWriter:
    """Writes to a file on the desk of this process, then moves it to where its key says.

    The system calls of one blob: open, writev for each write, perhaps pwrite, fdatasync, close, rename.
    """

    def __init__(self, key: str, desk: str, root: str, folders: Folders) -> None:
        self._key = key
        self._folder, _, name = key.rpartition("/")
        self._path = f"{desk}/{name}"
        self._target = f"{root}/{key}"
        self._folders = folders
        self._size = 0
        try:
            folders.make(self._folder)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise fault(error, "creating a file") from error

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
            for first in range(0, len(buffers), _IOV_MAX):
                self._append(buffers[first : first + _IOV_MAX])
        except OSError as error:
            raise fault(error, "writing") from error

    def _append(self, buffers: Sequence[Buffer]) -> None:
        missing = sum(map(len, buffers))
        done = os.writev(self._file, buffers)
        self._size += done
        while done < missing:  # a signal, or the last block of a disk: then the next call says why
            missing -= done
            rest = list(buffers)
            while done >= len(rest[0]):
                done -= len(rest.pop(0))
            rest[0] = memoryview(rest[0])[done:]
            buffers = rest
            done = os.writev(self._file, buffers)
            self._size += done

    def patch_head(self, data: Buffer) -> None:
        """Overwrite the first bytes."""
        if len(data) > min(self._size, HEAD_MAX):
            raise ValueError(f"a head of {len(data)} bytes in a blob of {self._size}")
        try:
            done = os.pwrite(self._file, data, 0)
            while done < len(data):
                done += os.pwrite(self._file, memoryview(data)[done:], done)
        except OSError as error:
            raise fault(error, "writing the head") from error

    def place(self) -> str:
        """Make the content durable, then the file visible under its key."""
        try:
            os.fdatasync(self._file)
            self._close()
            self._move()
        except OSError as error:
            self.abandon()
            raise fault(error, "placing a file") from error
        self._path = ""
        return self._key

    def _move(self) -> None:
        try:
            os.rename(self._path, self._target)
        except FileNotFoundError:  # somebody tidied away the folder, which was empty until now
            self._folders.remake(self._folder)
            os.rename(self._path, self._target)

    def abandon(self) -> None:
        """Drop what was written; after `place` do nothing."""
        with contextlib.suppress(OSError):  # what cannot be removed now is when somebody recovers
            self._close()
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._path = ""

    def _close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


class FileReader:
    """Reads a placed file."""

    def __init__(self, root: str, key: str) -> None:
        try:
            self._file = os.open(f"{root}/{key}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._size = os.fstat(self._file).st_size
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no blob has the key {key}") from None
        except OSError as error:
            raise fault(error, "opening a file") from error

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        try:
            data = os.pread(self._file, length, offset)
            while len(data) < length and offset + len(data) < self._size:  # the kernel's limit is 2 GiB
                more = os.pread(self._file, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
            return data
        except OSError as error:
            raise fault(error, "reading") from error

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
