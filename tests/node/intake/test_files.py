import contextlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.errors import Malformed
from node.intake.files import META_MAX, read_head
from node.intake.part10 import PREAMBLE, encode_meta
from tests.support import samples

DATASET = samples.encode(samples.ct())
META = encode_meta(samples.CT_CLASS, "1.2.3", samples.EXPLICIT, "CT1")


def split(data: bytes) -> tuple[str, bytes]:
    stream = io.BytesIO(data)
    head = read_head(stream)
    return head.transfer_syntax_uid, head.rest + stream.read()


def test_a_file_as_it_should_be():
    assert split(META + DATASET) == (samples.EXPLICIT, DATASET)
    assert read_head(io.BytesIO(META + DATASET)).sop_class_uid == samples.CT_CLASS


@pytest.mark.parametrize("length", [0, 1, 9999, 0xFFFFFFFF])
def test_the_group_length_is_not_relied_on(length):
    wrong = META[:140] + struct.pack("<L", length) + META[144:]
    assert split(wrong + DATASET) == (samples.EXPLICIT, DATASET)


def test_without_group_length():
    assert split(META[:132] + META[144:] + DATASET) == (samples.EXPLICIT, DATASET)


def test_without_preamble():
    assert split(META[132:] + DATASET) == (samples.EXPLICIT, DATASET)


def test_meta_information_in_implicit_vr():
    uid = samples.IMPLICIT.encode() + b"\0"
    meta = struct.pack("<HHL", 2, 0x10, len(uid)) + uid
    assert split(PREAMBLE + meta + DATASET) == (samples.IMPLICIT, DATASET)


@pytest.mark.parametrize("syntax", [samples.EXPLICIT, samples.IMPLICIT, samples.BIG_ENDIAN])
@pytest.mark.parametrize("front", [b"", PREAMBLE])
def test_without_meta_information(syntax, front):
    dataset = samples.encode(samples.ct(), syntax)
    assert split(front + dataset) == (syntax, dataset)


def test_long_meta_information_is_read_in_steps():
    private = struct.pack("<HH2sxxL", 2, 0x0102, b"OB", 300_000) + bytes(300_000)
    assert split(META + private + DATASET) == (samples.EXPLICIT, DATASET)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, this is no image at all" * 20,
        bytes(1000),
        b"\x08\0",
        b"\x08\0\x05\0\xff\xff\xff\xff",
        PREAMBLE,
        META[:-4],
        META[:145],
        PREAMBLE + struct.pack("<HH2sxxL", 2, 1, b"OB", 2 * META_MAX),
        b"%PDF-1.7" * 100,
    ],
)
def test_what_is_no_dicom_file(data):
    with pytest.raises(Malformed):
        read_head(io.BytesIO(data))


@given(st.binary(max_size=300), st.sampled_from([b"", PREAMBLE, META[:170], META]))
def test_arbitrary_bytes_raise_nothing_else(data, front):
    with contextlib.suppress(Malformed):
        assert split(front + data)[0]
