"""Items of A-ASSOCIATE PDUs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scu.wire.errors import ProtocolError
from scu.wire.items import item, items, name_item, named, text


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=100)), max_size=20))
def test_reading_undoes_writing(pairs: list[tuple[int, bytes]]) -> None:
    assert list(items(b"".join(item(kind, value) for kind, value in pairs))) == pairs


@given(st.binary(max_size=100))
def test_any_bytes_are_items_or_a_protocol_error(data: bytes) -> None:
    try:
        total = sum(4 + len(value) for _, value in items(data))
    except ProtocolError:
        return
    assert total == len(data)


@pytest.mark.parametrize("raw", [b"\x10", b"\x10\0\0", b"\x10\0\0\1", b"\x10\0\xff\xffabc"])
def test_cut_off_items_are_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(items(raw))


def test_what_is_too_long_for_an_item_is_refused() -> None:
    assert len(item(0x50, bytes(0xFFFF))) == 0x10003
    with pytest.raises(ProtocolError):
        item(0x50, bytes(0x10000))


def test_names_are_followed_by_their_data() -> None:
    assert named(name_item(0x54, "1.2.3", b"\1\0")[4:]) == ("1.2.3", b"\1\0")
    with pytest.raises(ProtocolError):
        named(b"\0\x051.2")
    with pytest.raises(ProtocolError):
        named(b"")


def test_text_is_printable_ascii_without_padding() -> None:
    assert text(b" STORE SCP  \0") == "STORE SCP"
    assert text("MÜNCHEN\n".encode("latin-1")) == "M?NCHEN?"
