import io

import pydicom
from hypothesis import given
from hypothesis import strategies as st

from node.intake.part10 import META_MAX, encode_meta
from scu.wire.negotiate import IMPLEMENTATION_CLASS_UID
from tests.support.samples import CT_CLASS, EXPLICIT, ct, encode


def test_pydicom_reads_what_stands_before_a_dataset():
    dataset = ct()
    head = encode_meta(CT_CLASS, dataset.SOPInstanceUID, EXPLICIT, "CT1")
    read = pydicom.dcmread(io.BytesIO(head + encode(dataset)))
    assert read == dataset
    assert read.preamble == bytes(128)
    meta = read.file_meta
    assert meta.FileMetaInformationGroupLength == len(head) - 132 - 12
    assert meta.MediaStorageSOPClassUID == CT_CLASS
    assert meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert meta.TransferSyntaxUID == EXPLICIT
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.SourceApplicationEntityTitle == "CT1"


def test_nobody_is_named_where_nobody_called():
    assert (
        "SourceApplicationEntityTitle"
        not in pydicom.dcmread(io.BytesIO(encode_meta(CT_CLASS, "1.2.3", EXPLICIT))).file_meta
    )


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200), st.text(max_size=50))
def test_whatever_a_sender_claims_fits(sop_class, sop_instance, syntax, calling):
    head = encode_meta(sop_class, sop_instance, syntax, calling)
    assert len(head) <= META_MAX
    assert len(head) % 2 == 0
