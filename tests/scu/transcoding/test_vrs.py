import pytest
from pydicom.datadict import DicomDictionary

from scu.transcoding.facts import BITS_ALLOCATED, PIXEL_REPRESENTATION, WAVEFORM_BITS_ALLOCATED
from scu.transcoding.vrs import LONG, SHORT, UNDEFINED, UNIT, depends_on_sign, lookup


@pytest.mark.parametrize(
    ("tag", "creator", "length", "facts", "vr"),
    [
        (0x00100010, "", 8, {}, "PN"),
        (0x00081140, "", UNDEFINED, {}, "SQ"),
        (0x00280106, "", 2, {}, "US"),
        (0x00280106, "", 2, {PIXEL_REPRESENTATION: 0}, "US"),
        (0x00280106, "", 2, {PIXEL_REPRESENTATION: 1}, "SS"),
        (0x00283006, "", 2, {}, "US"),
        (0x00283006, "", 512, {}, "OW"),
        (0x00281200, "", 512, {PIXEL_REPRESENTATION: 1}, "OW"),
        (0x7FE00010, "", 100, {BITS_ALLOCATED: 8}, "OB"),
        (0x7FE00010, "", 100, {BITS_ALLOCATED: 16}, "OW"),
        (0x7FE00010, "", 100, {}, "OW"),
        (0x54001010, "", 100, {WAVEFORM_BITS_ALLOCATED: 8}, "OB"),
        (0x54001010, "", 100, {WAVEFORM_BITS_ALLOCATED: 16}, "OW"),
        (0x60023000, "", 100, {BITS_ALLOCATED: 8}, "OW"),
        (0x00080001, "", 4, {}, "UL"),
        (0x00089999, "", 4, {}, "UN"),
        (0x00089999, "", UNDEFINED, {}, "SQ"),
        (0x00090010, "", 4, {}, "LO"),
        (0x00091001, "", 4, {}, "UN"),
        (0x00091001, "NO SUCH CREATOR", 4, {}, "UN"),
        (0x00091001, "GEMS_IDEN_01", 4, {}, "LO"),
        (0x00091001, "GEMS_IDEN_01", UNDEFINED, {}, "SQ"),
        # a sequence that a private dictionary knows: UN holds it as it is
        (0x20051402, "Philips MR Imaging DD 005", 40, {}, "UN"),
    ],
)
def test_lookup(tag: int, creator: str, length: int, facts: dict[int, int], vr: str) -> None:
    assert lookup(tag, creator, length, facts) == vr


def test_every_entry_of_the_dictionary_gets_one_vr_that_can_be_written() -> None:
    for tag in DicomDictionary:
        assert lookup(tag, "", 4, {}) in LONG | SHORT


def test_numbers_that_are_not_in_the_dictionary_of_vrs_have_no_order() -> None:
    assert set(UNIT) <= LONG | SHORT
    assert not set(UNIT) & {"OB", "UN", "DS", "IS", "PN"}


def test_which_vrs_depend_on_the_sign_of_the_pixels() -> None:
    assert depends_on_sign(0x00280106)
    assert not depends_on_sign(0x00283006)
    assert not depends_on_sign(0x00100010)
    assert not depends_on_sign(0x00091001)
