import pytest

from scu.transcoding.facts import BITS_ALLOCATED, FRAMES, PHOTOMETRIC, PIXEL_REPRESENTATION, ROWS, Facts


def test_what_is_noted() -> None:
    facts = Facts()
    facts.note(ROWS, b"\x00\x02", big=False)
    facts.note(BITS_ALLOCATED, b"\x00\x10", big=True)
    facts.note(FRAMES, b"12 ", big=False)
    facts.note(PHOTOMETRIC, b"MONOCHROME2 ", big=False)
    assert facts == {ROWS: 512, BITS_ALLOCATED: 16, FRAMES: 12}
    assert facts.photometric == "MONOCHROME2"


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"\xff\xff", b"1\\2"])
def test_a_number_of_frames_that_is_none_is_not_known(value: bytes) -> None:
    facts = Facts()
    facts.note(FRAMES, value, big=False)
    assert FRAMES not in facts


def test_a_value_that_is_too_short_is_not_known() -> None:
    facts = Facts()
    facts.note(ROWS, b"\x01", big=False)
    assert not facts


def test_an_item_takes_over_the_sign_but_not_the_size() -> None:
    facts = Facts({PIXEL_REPRESENTATION: 1, ROWS: 512, FRAMES: 3})
    facts.photometric = "RGB"
    inner = facts.inherit()
    assert inner == {PIXEL_REPRESENTATION: 1}
    assert inner.photometric == ""
