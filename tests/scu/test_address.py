"""Addresses check themselves."""

import pytest

from scu.address import Address, check_ae_title
from scu.tls import TlsFiles


def test_an_address_says_where_it_is() -> None:
    assert str(Address("PACS", "pacs.example", 104)) == "PACS at pacs.example:104"
    assert str(Address("PACS", "::1", 2762, TlsFiles())) == "PACS at [::1]:2762 (TLS)"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("", "host", 104), "0 characters"),
        (("SEVENTEEN_LETTERS", "host", 104), "17 characters"),
        ((" PACS", "host", 104), "space"),
        (("A\\B", "host", 104), "not allowed"),
        (("MÜNCHEN", "host", 104), "not allowed"),
        (("A\nB", "host", 104), "not allowed"),
        (("PACS", " ", 104), "host is empty"),
        (("PACS", "host", 0), "port 0"),
        (("PACS", "host", 65536), "port 65536"),
    ],
)
def test_what_is_wrong_is_named(parts: tuple[str, str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Address(*parts)


def test_an_ae_title_may_hold_spaces_within() -> None:
    assert check_ae_title("CT ROOM 1") == "CT ROOM 1"
