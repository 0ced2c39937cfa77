"""Identifiers of queries and retrievals as bytes and back (PS3.4 C.4.1.1.3, PS3.5 7)."""

from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.tag import Tag

from scu.contexts import IMPLICIT_LITTLE_ENDIAN, UNCOMPRESSED
from scu.wire.errors import ProtocolError

IDENTIFIER_MAX = 1024 * 1024
"""Bytes of the longest identifier taken."""

_FAILED_UIDS = Tag(0x0008, 0x0058)


def encode(identifier: Dataset, transfer_syntax: str) -> bytes:
    """Return `identifier` as bytes; its Specific Character Set says how its text is encoded.

    Raises
    ------
    ValueError
        It cannot be written, or the transfer syntax is not Implicit or Explicit VR Little Endian.
    """
    if transfer_syntax not in UNCOMPRESSED:
        raise ValueError(f"identifiers are not written in transfer syntax {transfer_syntax}")
    out = DicomBytesIO()
    out.is_little_endian = True
    out.is_implicit_VR = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    write_dataset(out, identifier)
    return out.getvalue()


def decode(data: bytes, transfer_syntax: str) -> Dataset:
    """Return `data` as a dataset, whose values are decoded when they are asked for.

    Raises
    ------
    ProtocolError
        It cannot be read.
    """
    implicit = transfer_syntax == IMPLICIT_LITTLE_ENDIAN
    try:
        return read_dataset(BytesIO(data), implicit, True, len(data))
    except Exception as error:  # pydicom raises whatever its parts do; RecursionError too
        raise ProtocolError(f"an identifier cannot be read: {type(error).__name__}") from error


def failed_uids(data: bytes, transfer_syntax: str) -> tuple[str, ...]:
    """Return the Failed SOP Instance UID List (0008,0058) of a final response (PS3.4 C.4.2.1.4.2)."""
    if not data:
        return ()
    try:
        value = decode(data, transfer_syntax)[_FAILED_UIDS].value
    except Exception:  # missing, or what pydicom raises over a bad value: the counts tell the rest
        return ()
    return tuple(str(uid) for uid in ([value] if isinstance(value, str) else value or ()) if uid)
