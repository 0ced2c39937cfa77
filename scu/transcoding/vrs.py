"""Value Representations: which of them what needs, and what an element has that does not tell its own.

Example
-------
>>> lookup(0x00100010, "", 8, {})
'PN'
"""

from collections.abc import Mapping

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from scu.transcoding.facts import (
    BITS_ALLOCATED,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    WAVEFORM_BITS_ALLOCATED,
)

LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""VRs whose explicit header has a length of 32 bits (PS3.5 table 7.1-1)."""

SHORT = frozenset(
    "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # noqa: SIM905 - one line
)
"""VRs whose explicit header has a length of 16 bits (PS3.5 table 7.1-2)."""

UNIT: Mapping[str, int] = {
    "AT": 2, "OW": 2, "SS": 2, "US": 2,
    "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip
"""Bytes of the numbers whose order differs between little and big endian (PS3.5 7.3)."""

UNDEFINED = 0xFFFFFFFF


def lookup(tag: int, creator: str, length: int, facts: Mapping[int, int]) -> str:
    """Return the VR of an element that came without.

    Parameters
    ----------
    creator
        Private Creator of its block; empty where there is none.
    length
        Bytes of its value.
    facts
        Tag to value, of those in `scu.transcoding.facts.NUMBERS` that are known.
    """
    group, element = tag >> 16, tag & 0xFFFF
    if group & 1:
        if 0x10 <= element <= 0xFF:
            return "LO"  # PS3.5 7.8.1
        return _private(tag, creator, length)
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "SQ" if length == UNDEFINED else "UN"
    if " " in vr:
        return _ambiguous(tag, vr, length, facts)
    return vr if vr in LONG or vr in SHORT else "UN"


def _private(tag: int, creator: str, length: int) -> str:
    if length == UNDEFINED:
        return "SQ"  # nothing else may have no length (PS3.5 7.5)
    try:
        vr = private_dictionary_VR(tag, creator) if creator else "UN"
    except KeyError:
        return "UN"
    # Dictionaries of private elements can be wrong. UN holds anything, a sequence too (PS3.5 6.2.2).
    return vr if vr in SHORT or (vr in LONG and vr != "SQ") else "UN"


def _ambiguous(tag: int, vr: str, length: int, facts: Mapping[int, int]) -> str:
    if vr == "OB or OW":
        if tag == PIXEL_DATA:
            return "OW" if facts.get(BITS_ALLOCATED, 16) > 8 else "OB"  # PS3.5 A.2
        if tag >> 16 == 0x5400:
            return "OW" if facts.get(WAVEFORM_BITS_ALLOCATED, 16) > 8 else "OB"  # PS3.3 C.10.9.1
        return "OW"  # overlays and the retired curves: PS3.5 8.1.2
    if "OW" in vr and length > 2:
        return "OW"  # LUT Data of more than one entry: PS3.3 C.11.1.1
    return "SS" if "SS" in vr and facts.get(PIXEL_REPRESENTATION) == 1 else "US"


def depends_on_sign(tag: int) -> bool:
    """Tell whether the VR is US or SS by Pixel Representation (0028,0103)."""
    try:
        return "SS" in (vr := dictionary_VR(tag)) and " " in vr
    except KeyError:
        return False
