import pytest

from node.intake.uids import is_uid


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2", "2.25.0", "1", "1.02.3", "1." + "2" * 62])
def test_what_may_name_something(uid):
    assert is_uid(uid)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "1.", ".1", "1..2", "../../x", "/etc/passwd", "1.2\0", "1.2\n", "1.2 ", "1.2/3", "1.2.a"],
)
def test_what_may_not(text):
    assert not is_uid(text)


def test_it_has_a_longest_length_and_ascii_digits():
    assert not is_uid("1." + "2" * 63)
    assert not is_uid("١.٢")
    assert not is_uid("1.2\\1.3")
