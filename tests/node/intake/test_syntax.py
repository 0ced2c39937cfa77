import pytest
from pydicom.uid import AllTransferSyntaxes
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from node.intake.syntax import LONG_VRS, SEQUENCES, SHORT_VRS, encoding_of


@pytest.mark.parametrize("uid", AllTransferSyntaxes)
def test_it_agrees_with_pydicom(uid):
    encoding = encoding_of(str(uid))
    assert encoding.explicit == (not uid.is_implicit_VR)
    assert encoding.little == uid.is_little_endian
    if uid.is_deflated:
        assert encoding.deflated


def test_an_unknown_syntax_is_explicit_little_endian():
    assert encoding_of("1.2.3.4") == encoding_of("1.2.840.10008.1.2.1")


def test_the_vrs_are_those_of_the_standard():
    assert {vr.decode() for vr in SHORT_VRS} == set(EXPLICIT_VR_LENGTH_16)
    assert {vr.decode() for vr in LONG_VRS} == set(EXPLICIT_VR_LENGTH_32)
    assert 0x00081140 in SEQUENCES
    assert 0x00100010 not in SEQUENCES
