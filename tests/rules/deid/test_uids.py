from hypothesis import given
from hypothesis import strategies as st

from node.intake.uids import is_uid
from rules.deid.uids import KEY_BYTES, replaced

KEY = bytes(KEY_BYTES)


@given(st.binary(min_size=32, max_size=32), st.text())
def test_always_a_uid_or_nothing(key: bytes, text: str):
    uid = replaced(key, text)
    assert uid == replaced(key, text)
    assert is_uid(uid) or not text.strip(" \0")


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_others_get_others(first: int, second: int):
    one, two = (replaced(KEY, f"1.2.826.{number}") for number in (first, second))
    assert (one == two) is (first == second)
    assert one != replaced(b"\1" * KEY_BYTES, f"1.2.826.{first}")


def test_it_is_a_uuid_of_its_own_version():
    bits = int(replaced(KEY, "1.2.3").removeprefix("2.25."))
    assert (bits >> 76 & 0xF, bits >> 62 & 0x3) == (8, 2)


def test_padding_does_not_matter():
    assert replaced(KEY, "1.2.3\0") == replaced(KEY, "1.2.3") == replaced(KEY, " 1.2.3 ")


def test_those_of_the_standard_stay():
    for uid in ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.4.1.1", "", "\0"):
        assert replaced(KEY, uid) == uid.strip("\0")


def test_one_that_only_looks_like_the_standards_does_not():
    assert replaced(KEY, "1.2.840.10008.5.1.4.1.1.2.4711").startswith("2.25.")
