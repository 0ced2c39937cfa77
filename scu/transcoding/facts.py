"""What a data set says about its own encoding, read as it passes: Image Pixel module (PS3.3 C.7.6.3)."""

import struct

from scu.wire.link import Buffer

SAMPLES = 0x00280002
PHOTOMETRIC = 0x00280004
PLANAR = 0x00280006
FRAMES = 0x00280008
ROWS = 0x00280010
COLUMNS = 0x00280011
BITS_ALLOCATED = 0x00280100
BITS_STORED = 0x00280101
PIXEL_REPRESENTATION = 0x00280103
WAVEFORM_BITS_ALLOCATED = 0x54001004
OFFSETS = 0x7FE00001  # Extended Offset Table
OFFSET_LENGTHS = 0x7FE00002
ABOUT_FRAGMENTS = frozenset((OFFSETS, OFFSET_LENGTHS, 0x7FE00003))
PIXEL_DATA = 0x7FE00010

NUMBERS = frozenset(
    (
        SAMPLES,
        PLANAR,
        ROWS,
        COLUMNS,
        BITS_ALLOCATED,
        BITS_STORED,
        PIXEL_REPRESENTATION,
        WAVEFORM_BITS_ALLOCATED,
    )
)
"""Elements of VR US that are kept as numbers."""

WANTED = NUMBERS | {PHOTOMETRIC, FRAMES}
LONGEST = 64
"""Bytes of the longest value that is looked at."""


_INHERITED = (PIXEL_REPRESENTATION, WAVEFORM_BITS_ALLOCATED)


class Facts(dict[int, int]):
    """Tag to number.

    Attributes
    ----------
    photometric
        Photometric Interpretation (0028,0004).
    """

    photometric: str = ""

    def inherit(self) -> "Facts":
        """Return facts for an item within: it takes over what decides on the VR of its elements."""
        return Facts({tag: self[tag] for tag in _INHERITED if tag in self})

    def note(self, tag: int, value: Buffer, big: bool) -> None:
        """Keep the value of an element in `WANTED`; what cannot be read is not known."""
        if tag == PHOTOMETRIC:
            self.photometric = bytes(value).decode("ascii", "replace").strip(" \0")
        elif tag == FRAMES:
            text = bytes(value).decode("ascii", "replace").strip(" \0")
            if text.isdecimal():
                self[FRAMES] = int(text)
        elif len(value) >= 2:
            (self[tag],) = struct.unpack_from(">H" if big else "<H", value)
