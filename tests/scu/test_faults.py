"""Errors of the wire in words; what raises them for real is in test_association.py."""

import pytest

from scu.address import Address
from scu.errors import PeerFault, ScuError, TimedOut
from scu.faults import explain
from scu.tls import TlsFiles
from scu.wire.errors import (
    LinkClosed,
    LinkTimeout,
    PeerAborted,
    ProtocolError,
    ReleaseRequested,
    WireError,
)

PLAIN = Address("PACS", "host", 104)
SECURE = Address("PACS", "host", 2762, TlsFiles())


@pytest.mark.parametrize(
    ("error", "kind", "words", "retry"),
    [
        (LinkTimeout("nothing came within 60 s"), TimedOut, "did not answer C-ECHO", True),
        (PeerAborted(0, 0), PeerFault, "aborted C-ECHO (its program, reason 0)", True),
        (PeerAborted(2, 6), PeerFault, "aborted C-ECHO (its protocol layer, reason 6)", True),
        (ReleaseRequested("…"), PeerFault, "ended the association", True),
        (ProtocolError("unrecognized PDU type 0x15", 1), PeerFault, "in TLS, not in DICOM", False),
        (ProtocolError("unrecognized PDU type 0x48", 1), PeerFault, "not DICOM as it should be", False),
        (LinkClosed("the peer closed the connection"), PeerFault, "did not answer C-ECHO", True),
    ],
)
def test_words(error: WireError, kind: type[ScuError], words: str, retry: bool) -> None:
    explained = explain(error, PLAIN, "C-ECHO")
    assert type(explained) is kind
    assert str(explained).startswith("PACS at host:104")
    assert words in str(explained)
    assert explained.retry is retry


def test_a_certificate_that_is_asked_for_after_the_handshake() -> None:
    error = LinkClosed("the connection broke: TLSV13_ALERT_CERTIFICATE_REQUIRED")
    assert "wants another TLS certificate" in str(explain(error, SECURE, "C-ECHO"))


def test_an_alert_over_tls_is_no_sign_of_tls_missing() -> None:
    assert "in TLS" not in str(explain(ProtocolError("unrecognized PDU type 0x15", 1), SECURE, "C-ECHO"))
