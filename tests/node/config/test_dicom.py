import pytest
from pydantic import ValidationError

from node.config import DicomSection


def test_the_documented_defaults_hold():
    section = DicomSection()
    assert (section.ae_title, section.host, section.port) == ("ISOCENTRE", "0.0.0.0", 11112)
    assert (section.store_from, section.query_from, section.called_ae) == ("any", "known", "own")


def test_it_cannot_be_changed():
    with pytest.raises(ValidationError):
        DicomSection().port = 104  # type: ignore[misc]


def test_tls_needs_its_files():
    with pytest.raises(ValidationError, match="tls_port needs"):
        DicomSection(tls_port=2762)
    with pytest.raises(ValidationError, match="belong together"):
        DicomSection(tls_certificate="node.pem")
    assert DicomSection(tls_port=2762, tls_certificate="node.pem", tls_key="node.key").tls_port == 2762


def test_two_listeners_cannot_share_a_port():
    with pytest.raises(ValidationError, match="must differ"):
        DicomSection(port=2762, tls_port=2762, tls_certificate="node.pem", tls_key="node.key")


def test_the_free_port_of_tests_needs_no_other_for_tls():
    assert DicomSection(port=0).tls_port == 0
