"""Deflated Explicit VR Little Endian (PS3.5 A.5): RFC 1951 without a header, piece by piece, bounded."""

import zlib
from collections.abc import Iterable, Iterator

from scu.transcoding.source import CannotTranscode
from scu.wire.link import Buffer

_PIECE = 1 << 20


def inflate(pieces: Iterable[Buffer], limit: int) -> Iterator[bytes]:
    """Yield what was deflated, in pieces of at most 1 MiB.

    Raises
    ------
    CannotTranscode
        It is broken, or more than `limit` bytes.
    """
    decompress = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    for piece in pieces:
        rest: Buffer = piece
        while not decompress.eof:
            try:
                part = decompress.decompress(rest, _PIECE)
            except zlib.error as error:
                raise CannotTranscode("its deflated data is broken") from error
            total += len(part)
            if total > limit:
                raise CannotTranscode(f"it inflates to more than {limit} bytes")
            if part:
                yield part
            rest = decompress.unconsumed_tail
            if not rest and len(part) < _PIECE:
                break
    if not decompress.eof:
        raise CannotTranscode("its deflated data is cut off")


def deflate(pieces: Iterable[Buffer]) -> Iterator[bytes]:
    """Yield the deflated data set, padded to an even length (PS3.5 A.5)."""
    compress = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    total = 0
    for piece in pieces:
        part = compress.compress(piece)
        total += len(part)
        if part:
            yield part
    end = compress.flush()
    total += len(end)
    yield end + b"\0" * (total % 2)
