"""Files for TLS: what is wrong with them is said before anything is sent."""

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scu.address import Address
from scu.connect import reach, secure
from scu.errors import CannotConnect
from scu.tls import TlsFiles, client_context, describe
from tests.support.certificates import Certificates
from tests.support.faulty import faulty


def test_checks_are_on_unless_switched_off(certificates: Certificates) -> None:
    context = client_context(TlsFiles())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    unnamed = client_context(TlsFiles(ca=certificates.cert("ca"), check_name=False))
    assert (unnamed.verify_mode, unnamed.check_hostname) == (ssl.CERT_REQUIRED, False)
    unchecked = client_context(TlsFiles(check_peer=False))
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)


def test_our_own_authority_replaces_those_of_the_system(certificates: Certificates) -> None:
    context = client_context(TlsFiles(ca=certificates.cert("ca")))
    assert [dict(entry[0] for entry in one["subject"]) for one in context.get_ca_certs()] == [
        {"commonName": "Test authority"}
    ]


def test_missing_and_wrong_files_are_named(certificates: Certificates, tmp_path: Path) -> None:
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    good = certificates.cert("client")
    for files in (
        TlsFiles(ca=tmp_path / "absent.pem"),
        TlsFiles(ca=junk),
        TlsFiles(certificate=tmp_path / "absent.pem", key=certificates.key("client")),
        TlsFiles(certificate=good, key=certificates.key("server")),  # they do not belong together
        TlsFiles(certificate=good, key=junk),
    ):
        with pytest.raises(CannotConnect, match=r"\.pem") as caught:
            client_context(files)
        assert not caught.value.retry
        assert "PEM" in caught.value.advice


def test_a_key_with_a_password_is_an_error_and_no_question(
    certificates: Certificates, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", certificates.key("client"), "-aes256", "-passout", "pass:secret"]
    subprocess.run([*command, "-out", locked], check=True, capture_output=True)
    with pytest.raises(CannotConnect):
        client_context(TlsFiles(certificate=certificates.cert("client"), key=locked))


def test_a_handshake_is_described(certificates: Certificates) -> None:
    with faulty(tls=certificates.server_context()) as peer:
        address = Address("PACS", "localhost", peer.port)
        context = client_context(TlsFiles(ca=certificates.cert("ca")))
        with secure(reach(address, 5), address, context, 5) as sock:
            found = describe(sock)
    assert (found.protocol, found.names) == ("TLSv1.3", ("localhost", "127.0.0.1"))
    assert found.cipher.startswith("TLS_")
    assert found.until is not None
    assert timedelta(days=1) < found.until - datetime.now(UTC) < timedelta(days=2)


def test_what_was_not_checked_is_not_described(certificates: Certificates) -> None:
    with faulty(tls=certificates.server_context("stranger")) as peer:
        address = Address("PACS", "localhost", peer.port)
        context = client_context(TlsFiles(check_peer=False))
        with secure(reach(address, 5), address, context, 5) as sock:
            found = describe(sock)
    assert (found.names, found.until) == ((), None)
