import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config.base import check_ae_title, check_host, check_status_pattern, is_path
from node.config.dicom import DicomSection


@pytest.mark.parametrize("title", ["A", "ISOCENTRE", "CT 1", "sixteen_letters_"])
def test_an_ae_title_is_taken(title: str):
    assert check_ae_title(title) == title


def test_spaces_around_an_ae_title_mean_nothing():
    assert check_ae_title("  CT1 ") == "CT1"


@pytest.mark.parametrize("title", ["", "   ", "seventeen_letters", "a\\b", "a\nb", "a\0", "Größe", "a\x7f"])
def test_what_is_no_ae_title_is_refused(title: str):
    with pytest.raises(ValueError, match="AE title"):
        check_ae_title(title)


@given(st.text(max_size=20))
def test_an_ae_title_fits_the_wire(text: str):
    try:
        title = check_ae_title(text)
    except ValueError:
        return
    assert 1 <= len(title.encode("ascii")) <= 16
    assert title == check_ae_title(title)


@pytest.mark.parametrize("host", ["10.0.0.7", "ct1.hospital.example", "::1", "fe80::1%eth0", "my_host-1"])
def test_a_host_is_taken(host: str):
    assert check_host(host) == host


@pytest.mark.parametrize("host", ["", "a b", "a/b", "http://a", "a\n", "ä", "x" * 254])
def test_what_is_no_host_is_refused(host: str):
    with pytest.raises(ValueError, match="host"):
        check_host(host)


def test_paths_are_marked():
    assert is_path(DicomSection.model_fields["tls_ca"])
    assert not is_path(DicomSection.model_fields["host"])
    assert not is_path(None)


@pytest.mark.parametrize("pattern", ["A9xx", "Cxxx", "0122", "xxxx", "a9Fx"])
def test_a_status_pattern_is_taken(pattern: str):
    assert check_status_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["", "A9", "A9XX", "0x0122", "A9xxx", "G000", "A9xx\n"])
def test_what_is_no_status_pattern_is_refused(pattern: str):
    with pytest.raises(ValueError, match="hexadecimal"):
        check_status_pattern(pattern)
