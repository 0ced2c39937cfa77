"""Inflates a deflated dataset (PS3.5 A.5) in small pieces, within limits.

Half a megabyte can inflate to half a gigabyte. Nothing larger than a piece is ever held, and what grows
out of proportion is refused: whoever asks for the instance later would have to inflate it too.
"""

import zlib
from collections.abc import Iterator

from node.intake.errors import Malformed

PIECE = 256 * 1024
"""Bytes held at a time."""
RATIO = 256
"""Times its size that a stream may grow to; deflate can do 1,032."""
HARMLESS = 64 << 20
"""Bytes below which the ratio does not matter: blank images and segmentations deflate very well."""

_TRAILER = 9  # CRC, size and a NUL


class Inflater:
    """One deflate stream without a zlib header.

    Parameters
    ----------
    limit
        Bytes that may come out at most.
    """

    def __init__(self, limit: int) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self._limit = limit
        self._taken = 0
        self._given = 0
        self._behind = 0  # bytes after the end of the stream

    def feed(self, piece: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Yield what the next bytes inflate to.

        Raises
        ------
        Malformed
            It is no deflate stream, or it inflates to too much.
        """
        self._taken += len(piece)
        if self._stream.eof:
            self._end(bytes(piece))
            return
        try:
            out = self._stream.decompress(piece, PIECE)
            while out:
                self._given += len(out)
                self._check_growth()
                yield out
                if self._stream.eof:
                    break
                out = self._stream.decompress(self._stream.unconsumed_tail, PIECE)
        except zlib.error:
            raise Malformed("the deflated data set is damaged") from None
        if self._stream.eof:
            self._end(self._stream.unused_data)

    def finish(self) -> None:
        """Say that no more comes. Raises Malformed when the stream has not ended."""
        if not self._stream.eof:
            raise Malformed("the deflated data set is cut off")

    def _check_growth(self) -> None:
        if self._given > self._limit:
            raise Malformed("inflates to more than is taken")
        if self._given > HARMLESS and self._given > self._taken * RATIO:
            raise Malformed(f"inflates to more than {RATIO} times its size")

    def _end(self, rest: bytes) -> None:
        """Let a NUL to an even length pass, and the check sums that some writers add as gzip does."""
        self._behind += len(rest)
        if self._behind > _TRAILER and rest.strip(b"\0"):
            raise Malformed("bytes follow the deflated data set")
