"""Compressed pixel data to native: what may be tried, within which bounds, what comes of it (PS3.5 8.2)."""

from collections.abc import Mapping
from typing import Any

from scu.transcoding import facts as fact
from scu.transcoding.convert import Decoded, Decoder
from scu.transcoding.decoders import DECODERS, Decoders
from scu.transcoding.facts import Facts
from scu.transcoding.source import CannotTranscode
from scu.wire.link import Buffer

DECODABLE = frozenset(
    (
        "1.2.840.10008.1.2.4.50",  # JPEG Baseline (Process 1)
        "1.2.840.10008.1.2.4.51",  # JPEG Extended (Process 2 and 4)
        "1.2.840.10008.1.2.4.57",  # JPEG Lossless, Non-Hierarchical (Process 14)
        "1.2.840.10008.1.2.4.70",  # the same, Selection Value 1
        "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
        "1.2.840.10008.1.2.4.81",  # JPEG-LS Near-Lossless
        "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless Only
        "1.2.840.10008.1.2.4.91",  # JPEG 2000
        "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 Lossless Only
        "1.2.840.10008.1.2.4.202",  # the same with RPCL options
        "1.2.840.10008.1.2.4.203",  # High-Throughput JPEG 2000
        "1.2.840.10008.1.2.5",  # RLE Lossless
    )
)
"""Transfer syntaxes whose pixel data can be made native."""

_OPTIONS = {
    fact.SAMPLES: "samples_per_pixel",
    fact.ROWS: "rows",
    fact.COLUMNS: "columns",
    fact.BITS_ALLOCATED: "bits_allocated",
    fact.BITS_STORED: "bits_stored",
    fact.PIXEL_REPRESENTATION: "pixel_representation",
}


def decoder_of(transfer_syntax_uid: str, limit: int, decoders: Decoders = DECODERS) -> Decoder:
    """Return what makes pixel data of this transfer syntax native.

    Parameters
    ----------
    limit
        Bytes of native pixel data that are not exceeded; what would, is not even tried.
    """

    def decode(facts: Facts, offsets: Mapping[int, bytes], value: list[Buffer]) -> Decoded:
        frame_bytes, count = _measure(facts, limit)
        options: dict[str, Any] = {name: facts[tag] for tag, name in _OPTIONS.items()}
        options["photometric_interpretation"] = facts.photometric
        if facts[fact.SAMPLES] > 1:
            options["planar_configuration"] = facts.get(fact.PLANAR, 0)
        tables = [offsets[tag].hex() for tag in (fact.OFFSETS, fact.OFFSET_LENGTHS) if tag in offsets]
        request = {
            "transfer_syntax_uid": transfer_syntax_uid,
            "number_of_frames": count,
            "extended_offsets": tables if len(tables) == 2 else [],
            "options": options,
        }
        frames, photometric = decoders.decode(request, value, frame_bytes)
        if [len(frame) for frame in frames] != [frame_bytes] * count:
            raise CannotTranscode("its pixel data is not what its header says")
        return Decoded(frames, photometric)

    return decode


def _measure(facts: Facts, limit: int) -> tuple[int, int]:
    """Return bytes of a native frame, and frames."""
    missing = [name for tag, name in _OPTIONS.items() if tag not in facts]
    if missing:
        raise CannotTranscode(f"its header lacks {missing[0]}")
    if facts[fact.BITS_ALLOCATED] not in (8, 16, 32):
        raise CannotTranscode(f"bits allocated are {facts[fact.BITS_ALLOCATED]}")
    frame = facts[fact.ROWS] * facts[fact.COLUMNS] * facts[fact.SAMPLES] * facts[fact.BITS_ALLOCATED] // 8
    count = facts.get(fact.FRAMES, 1)
    if not 0 < frame * count <= limit:
        raise CannotTranscode(f"its pixel data would have {frame * count} bytes, {limit} is the limit")
    return frame, count
