"""The header that stands before a dataset in a file: preamble and File Meta Information (PS3.10 7.1).

The node writes its own before every dataset that it keeps: a preamble of zeros, whatever the sender's was
(a preamble can make a program of an image, CVE-2019-11687), and group 0002 from what it knows.
"""

import struct

from scu.wire.negotiate import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

PREAMBLE = bytes(128) + b"DICM"
META_MAX = 1024
"""Bytes that the header has at most."""

_SHORT = struct.Struct("<HH2sH")
_VERSION = struct.pack("<HH2sxxL", 0x0002, 0x0001, b"OB", 2) + b"\0\x01"


def encode_meta(sop_class: str, sop_instance: str, transfer_syntax: str, calling_ae: str = "") -> bytes:
    """Return preamble, prefix and group 0002 for a dataset.

    Parameters
    ----------
    sop_class, sop_instance, transfer_syntax
        UIDs; what is longer than 64 characters, or not ASCII, is cut or replaced.
    calling_ae
        Source Application Entity Title (0002,0016); left out when empty.
    """
    body = b"".join(
        (
            _VERSION,
            _element(0x0002, b"UI", sop_class, 64, b"\0"),
            _element(0x0003, b"UI", sop_instance, 64, b"\0"),
            _element(0x0010, b"UI", transfer_syntax, 64, b"\0"),
            _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID, 64, b"\0"),
            _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, 16, b" "),
            _element(0x0016, b"AE", calling_ae, 16, b" ") if calling_ae else b"",
        )
    )
    return PREAMBLE + _SHORT.pack(0x0002, 0x0000, b"UL", 4) + struct.pack("<L", len(body)) + body


def _element(element: int, vr: bytes, text: str, longest: int, padding: bytes) -> bytes:
    value = text.encode("ascii", "replace")[:longest]
    value += padding * (len(value) % 2)
    return _SHORT.pack(0x0002, element, vr, len(value)) + value
