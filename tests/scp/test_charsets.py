import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.intake.charsets import charset_of
from scp.charsets import UNICODE, Encoder, encoder_of
from tests.support.samples import NAMES, Name

SETS = [
    *(name.charset for name in NAMES),
    "ISO 2022 IR 13\\ISO 2022 IR 87",
    "ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126",
    "ISO 2022 IR 6\\ISO 2022 IR 87\\ISO 2022 IR 159",
    "ISO 2022 IR 149",
    "ISO 2022 IR 87",
    "\\ISO 2022 IR 58",
    "ISO_IR 166",
    "ISO_IR 148",
    "ISO_IR 203",
    "GBK",
    "",
]
LETTERS = "aZ^=\\ -éßłŁĉņфЖعαςשﾔﾏヤマ山田吉洞홍王小东東丂¥‾~ıที€"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_names_are_encoded_as_they_were_sent(name: Name) -> None:
    encoded = encoder_of(name.charset.encode()).encode(name.text, True)
    assert encoded is not None
    assert charset_of(name.charset.encode()).decode(encoded, True) == (name.text, True)
    if "149" not in name.charset:  # there, more than one way is right
        assert encoded == name.encoded


@pytest.mark.parametrize("raw", SETS)
def test_what_is_encoded_reads_back_the_same(raw: str) -> None:
    encoder = Encoder(raw.encode())

    @given(st.text(LETTERS, max_size=12), st.booleans())
    def check(text: str, name: bool) -> None:
        encoded = encoder.encode(text, name)
        if encoded is not None:
            assert charset_of(raw.encode()).decode(encoded, name) == (text, True)
        if text.isascii():
            assert encoded == text.encode()

    check()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.booleans())
def test_unicode_holds_everything(text: str, name: bool) -> None:
    assert UNICODE.encode(text, name) == text.encode()


@pytest.mark.parametrize(
    ("raw", "text", "encoded"),
    [
        (b"", "é", None),
        (b"ISO_IR 100", "é", b"\xe9"),
        (b"ISO_IR 100", "山", None),
        (b"iso_ir 100 ", "é", b"\xe9"),
        (b"ISO_IR 999", "é", None),
        (b"ISO_IR 13", "ﾔ", b"\xd4"),
        (b"ISO_IR 13", "山", None),  # its codec could, the set cannot
        (b"ISO_IR 13", "¥", None),  # would read back as a backslash
        (b"ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔ^山", b"\xd4^\x1b$B;3\x1b(J"),
        (b"ISO 2022 IR 100\\ISO 2022 IR 144", "é^Ж", b"\xe9^\x1b-L\xb6"),
        (b"ISO 2022 IR 100\\ISO 2022 IR 144", "Жé", b"\x1b-L\xb6\x1b-A\xe9"),
        (b"ISO 2022 IR 6\\ISO 2022 IR 87", "a山b", b"a\x1b$B;3\x1b(Bb"),
    ],
)
def test_how_characters_are_encoded(raw: bytes, text: str, encoded: bytes | None) -> None:
    assert encoder_of(raw).encode(text, True) == encoded


def test_a_set_that_is_not_known_is_not_declared() -> None:
    assert encoder_of(b"ISO_IR 999").raw == b""
    assert encoder_of(b"ISO_IR 101 ").raw == b"ISO_IR 101"
