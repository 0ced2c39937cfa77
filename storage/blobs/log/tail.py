"""Reads the notes of one log in their order, from a position on."""

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from storage.blobs.faults import fault
from storage.blobs.log.records import (
    BLOCK,
    HEADER,
    Record,
    position,
    segment_and_offset,
    unpack,
)

_NUMBER = re.compile(r"[0-9a-f]{1,8}")  # a segment


@dataclass(frozen=True, slots=True)
class Entry:
    """A blob with its note.

    Attributes
    ----------
    after
        The position behind it.
    """

    key: str
    length: int
    note: bytes
    after: int

    @property
    def serial(self) -> int:
        """Its number in the log."""
        return int(self.key.rpartition("/")[2].split("-")[1], 16)


class Tail:
    """The notes of one log, for one thread.

    Parameters
    ----------
    folder
        Of the log's segments.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._file = -1
        self._number = -1
        self._size = 0

    def read(self, start: int, until: int | None, limit: int) -> tuple[list[Entry], int]:
        """Return up to `limit` entries from `start` on, and the position up to which there is no other.

        Parameters
        ----------
        until
            Read no further; None: to the end of a log to which nobody writes. Behind the durable part of a
            log lies what may have come only in part: there each blob's digest has to be looked at.

        Raises
        ------
        Unavailable
        """
        try:
            return self._read(start, until, limit)
        except OSError as error:
            raise fault(error, "reading the log") from error

    def _read(self, start: int, until: int | None, limit: int) -> tuple[list[Entry], int]:
        found: list[Entry] = []
        reached = start
        for number in self._numbers(start):
            first, offset = segment_and_offset(start)
            offset = max(offset, BLOCK) if number == first else BLOCK
            if not self._turn_to(number):
                continue
            while offset + HEADER <= self._size:
                reached = position(number, offset)
                if (until is not None and reached >= until) or len(found) >= limit:
                    return found, min(reached, until) if until is not None else reached
                record = unpack(os.pread(self._file, HEADER, offset), offset)
                if record is None:  # its writer gave up, or died
                    offset += BLOCK
                    continue
                entry = self._entry(number, record)
                if entry is not None:
                    found.append(entry)
                offset = record.end
            reached = position(number, offset)
        return found, reached if until is None else max(until, start)

    def _entry(self, number: int, record: Record) -> Entry | None:
        if not (record.live and record.note):
            return None
        note = os.pread(self._file, record.note, record.offset + HEADER + record.length)
        if zlib.crc32(note) != record.checksum:
            return None
        return Entry(record.key, record.length, note, position(number, record.end))

    def _numbers(self, start: int) -> Iterator[int]:
        first = segment_and_offset(start)[0]
        try:
            names = [name for name in os.listdir(self._folder) if _NUMBER.fullmatch(name)]
        except FileNotFoundError:  # it was empty, or all in it was deleted
            return
        yield from sorted(number for number in (int(name, 16) for name in names) if number >= first)

    def _turn_to(self, number: int) -> bool:
        """Open a segment; False when it is gone, since all in it was deleted."""
        if number != self._number or self._file < 0:
            self.close()
            try:
                self._file = os.open(f"{self._folder}/{number:x}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return False
            self._number = number
        self._size = os.fstat(self._file).st_size
        return True

    def close(self) -> None:
        """Let the log go."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
