"""What a transfer syntax says about how elements are written, and the VRs they are written with."""

from dataclasses import dataclass

from pydicom._dicom_dict import DicomDictionary


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the elements of a dataset are encoded (PS3.5 section 10 and annex A).

    Attributes
    ----------
    explicit
        Explicit VR.
    little
        Little Endian.
    deflated
        The whole dataset is a deflate stream (PS3.5 A.5).
    """

    explicit: bool = True
    little: bool = True
    deflated: bool = False


IMPLICIT = Encoding(explicit=False)
EXPLICIT = Encoding()
DEFLATED = Encoding(deflated=True)
BIG_ENDIAN = Encoding(little=False)

IMPLICIT_UID = "1.2.840.10008.1.2"
EXPLICIT_UID = "1.2.840.10008.1.2.1"
BIG_ENDIAN_UID = "1.2.840.10008.1.2.2"

_ENCODINGS = {
    IMPLICIT_UID: IMPLICIT,
    BIG_ENDIAN_UID: BIG_ENDIAN,
    "1.2.840.10008.1.2.1.99": DEFLATED,
    "1.2.840.10008.1.2.4.95": DEFLATED,  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.205": DEFLATED,  # JPIP HTJ2K Referenced Deflate
    "1.2.840.113619.5.2": IMPLICIT,  # GE private: pixels big endian, all else as Implicit VR Little Endian
}


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    """Return the encoding of a transfer syntax; whatever is not known is Explicit VR Little Endian.

    So are all that compress pixel data (PS3.5 A.4).
    """
    return _ENCODINGS.get(transfer_syntax_uid, EXPLICIT)


# PS3.5 7.1.2: the VRs with a length of 16 bits, and those with two reserved bytes and 32 bits.
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())

SEQUENCES = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "SQ")
"""Tags of the sequences of PS3.6, for Implicit VR where the dataset does not say."""

BINARY = {
    b"US": ("H", 2),
    b"SS": ("h", 2),
    b"UL": ("L", 4),
    b"SL": ("l", 4),
    b"UV": ("Q", 8),
    b"SV": ("q", 8),
    b"FL": ("f", 4),
    b"FD": ("d", 8),
}
"""VR of binary numbers to the format of one value and its size in bytes."""
IN_CHARSET = frozenset(b"LO LT PN SH ST UC UT".split())
"""VRs that Specific Character Set (0008,0005) is about, PS3.5 6.1.2.3."""
