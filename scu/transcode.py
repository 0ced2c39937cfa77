"""An instance in another transfer syntax than the one it is kept in, for a receiver that does not take that.

Between the native syntaxes everything streams. Compressed images are decoded, whole, by processes apart, and
their size is bounded before. Nothing is ever compressed.

Example
-------
>>> possible("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1")
True
>>> possible("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90")
False
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from scu.store import Outgoing
from scu.transcoding.convert import Conversion, Encoding
from scu.transcoding.deflate import deflate, inflate
from scu.transcoding.facts import PIXEL_REPRESENTATION
from scu.transcoding.pixels import DECODABLE, decoder_of
from scu.transcoding.source import CannotTranscode
from scu.wire.link import Buffer

__all__ = ["LIMIT", "TARGETS", "CannotTranscode", "possible", "transcode", "transcoded"]

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

TARGETS = (EXPLICIT, IMPLICIT, DEFLATED, BIG_ENDIAN)
"""What can be made for a receiver that does not take the stored syntax, the better one first."""

LIMIT = 1 << 30
"""Bytes of native pixel data, or of an inflated data set, beyond which nothing is tried."""

_NATIVE = {
    IMPLICIT: Encoding(implicit=True),
    EXPLICIT: Encoding(implicit=False),
    DEFLATED: Encoding(implicit=False),
    BIG_ENDIAN: Encoding(implicit=False, big=True),
}
_WHOLE_MAX = 64 << 20  # a result up to this size is made once and kept until it is sent
_GATHER = 256 << 10


def possible(source: str, target: str) -> bool:
    """Tell whether a data set in `source` can be had in `target`."""
    if source == target:
        return True
    # Native frames come little-endian from their decoders; big endian is retired (PS3.5 A.3).
    return target in _NATIVE and (source in _NATIVE or (source in DECODABLE and target != BIG_ENDIAN))


def transcode(pieces: Iterable[Buffer], source: str, target: str, *, limit: int = LIMIT) -> list[Buffer]:
    """Return a data set in another transfer syntax, as pieces.

    Raises
    ------
    CannotTranscode
        It is broken, too large, or there is no way from `source` to `target`.
    """
    if not possible(source, target):
        raise CannotTranscode("there is no way to a transfer syntax that the receiver takes")
    if source == target:
        return list(pieces)
    whole = list(pieces)
    conversion = _conversion(whole, source, target, limit)
    result = list(conversion.run())
    if conversion.guessed and conversion.facts.get(PIXEL_REPRESENTATION) == 1:
        conversion = _conversion(whole, source, target, limit, {PIXEL_REPRESENTATION: 1})
        result = list(conversion.run())
    return list(_finished(result, target))


def transcoded(outgoing: Outgoing, target: str, *, limit: int = LIMIT) -> Outgoing:
    """Return `outgoing` in another transfer syntax. Its data set is read once, or twice when it is large.

    Raises
    ------
    CannotTranscode
        As `transcode`; what reading the data set raises comes through.
    """
    source = outgoing.transfer_syntax_uid
    small = outgoing.size <= _WHOLE_MAX and source != DEFLATED  # which says little about its true size
    if small or source not in _NATIVE or target not in _NATIVE:
        # Of a compressed data set all but the limit is pixel data.
        if outgoing.size > limit + _WHOLE_MAX:
            raise CannotTranscode(f"it has {outgoing.size} bytes, {limit} is the limit")
        pieces = transcode(outgoing.chunks(), source, target, limit=limit)
        size = sum(len(piece) for piece in pieces)
        return replace(outgoing, transfer_syntax_uid=target, size=size, chunks=lambda: iter(pieces))
    first = _conversion(outgoing.chunks(), source, target, limit)
    size = sum(len(piece) for piece in _finished(first.run(), target))
    hints = {tag: value for tag, value in first.facts.items() if tag == PIXEL_REPRESENTATION}

    def chunks() -> Iterator[Buffer]:
        again = _conversion(outgoing.chunks(), source, target, limit, hints)
        return _finished(again.run(), target)

    return replace(outgoing, transfer_syntax_uid=target, size=size, chunks=chunks)


def _conversion(
    pieces: Iterable[Buffer], source: str, target: str, limit: int, hints: dict[int, int] | None = None
) -> Conversion:
    if source == DEFLATED:
        pieces = inflate(pieces, limit)
    native = source in _NATIVE
    return Conversion(
        pieces,
        _NATIVE[source] if native else _NATIVE[EXPLICIT],  # PS3.5 A.4
        _NATIVE[target],
        hints=hints,
        decode=None if native else decoder_of(source, limit),
    )


def _finished(pieces: Iterable[Buffer], target: str) -> Iterator[Buffer]:
    gathered = _gathered(pieces)
    return deflate(gathered) if target == DEFLATED else gathered


def _gathered(pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield the same bytes with small pieces joined."""
    held = bytearray()
    for piece in chain(pieces, (b"",)):
        if len(piece) >= _GATHER:
            if held:
                yield held
                held = bytearray()
            yield piece
        else:
            held += piece
            if len(held) >= _GATHER:
                yield held
                held = bytearray()
    if held:
        yield held
