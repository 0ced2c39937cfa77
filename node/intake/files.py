"""Part 10 files as they are found: where the dataset begins, and how it is encoded (PS3.10 7.1).

The preamble may be missing, and the File Meta Information too, or be of another length than it says, or
in Implicit VR. What it says of SOP Class and Instance is only a hint: tools that change a dataset often
forget it, and the dataset counts.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

from node.intake.errors import Malformed
from node.intake.syntax import BIG_ENDIAN_UID, EXPLICIT_UID, IMPLICIT_UID, LONG_VRS, SHORT_VRS

META_MAX = 1 << 20
"""Bytes of the longest File Meta Information taken."""
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR."""

_STEP = 64 * 1024


class ByteStream(Protocol):
    """What a file is read from."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to `size` bytes, none at the end."""


@dataclass(frozen=True, slots=True)
class FileHead:
    """What stands before the dataset of a file.

    Attributes
    ----------
    rest
        The first bytes of the dataset, which have been read from the stream already.
    """

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    rest: bytes


def read_head(stream: ByteStream) -> FileHead:
    """Read up to the dataset.

    Raises
    ------
    Malformed
        It is no DICOM file.
    """
    ahead = _Ahead(stream)
    ahead.need(132)
    marked = bytes(ahead.data[128:132]) == b"DICM"
    position = 132 if marked else 0
    found: dict[int, bytes] = {}
    while (element := _meta_element(ahead, position)) is not None:
        number, begin, end = element
        found[number] = bytes(ahead.data[begin:end])
        position = end
    rest = bytes(ahead.data[position:])
    syntax = _uid(found.get(0x0010, b"")) or _guess(rest)
    if not syntax:
        raise Malformed("no DICOM file")
    return FileHead(syntax, _uid(found.get(0x0002, b"")), _uid(found.get(0x0003, b"")), rest)


class _Ahead:
    """The beginning of a stream, as far as it has been needed."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._ended = False
        self.data = bytearray()

    def need(self, size: int) -> bool:
        """Say whether there are `size` bytes."""
        if size > META_MAX:
            raise Malformed("the file meta information is too long")
        while len(self.data) < size and not self._ended:
            more = self._stream.read(_STEP)
            self._ended = not more
            self.data += more or b""
        return len(self.data) >= size


def _meta_element(ahead: _Ahead, position: int) -> tuple[int, int, int] | None:
    """Return element number, and where its value begins and ends; None where the dataset begins."""
    if not ahead.need(position + 8):
        return None
    group, element, vr, length = struct.unpack_from("<HH2sH", ahead.data, position)
    if group != 0x0002:
        return None
    begin = position + 8
    if vr in LONG_VRS:
        if not ahead.need(position + 12):
            raise Malformed("cut off within the file meta information")
        begin, length = position + 12, struct.unpack_from("<L", ahead.data, position + 8)[0]
    elif vr not in SHORT_VRS:
        length = struct.unpack_from("<L", ahead.data, position + 4)[0]
    if not ahead.need(begin + length):
        raise Malformed("cut off within the file meta information")
    return element, begin, begin + length


def _uid(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip(" \0")


def _guess(dataset: bytes) -> str:
    """Return the transfer syntax that the first element of a dataset is written in; empty for none.

    It must be of group 0008, where every instance says what it is.
    """
    explicit = dataset[4:6] in SHORT_VRS or dataset[4:6] in LONG_VRS
    if dataset[:2] == b"\x00\x08" and explicit:
        return BIG_ENDIAN_UID
    if dataset[:2] != b"\x08\x00" or len(dataset) < 8:
        return ""
    if explicit:
        return EXPLICIT_UID
    return IMPLICIT_UID if int.from_bytes(dataset[4:8], "little") <= _STEP else ""
