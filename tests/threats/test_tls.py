"""DICOM over TLS as callers meet it: who is turned away, and that the rest works (T19; PS3.15 B.12)."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from node.core.errors import UserError
from node.intake.part10 import encode_meta
from scu.address import Address
from scu.echo import verify
from scu.errors import ScuError
from scu.tls import TlsFiles
from tests.support.caller import connect
from tests.support.certificates import Certificates
from tests.support.dcmtk import tool
from tests.support.node import Running, free_port
from tests.support.samples import CT_CLASS, EXPLICIT, ct, encode

Start = Callable[..., Running]


@pytest.fixture
def secured(start_node: Start, certificates: Certificates) -> Running:
    """A node that admits on its TLS port only callers with a certificate of the authority."""
    return start_node(dicom=_settings(certificates))


def _settings(certificates: Certificates, name: str = "server") -> dict[str, object]:
    return {
        "tls_port": free_port(),
        "tls_certificate": str(certificates.cert(name)),
        "tls_key": str(certificates.key(name)),
        "tls_ca": str(certificates.cert("ca")),
    }


def _echo(node: Running, files: TlsFiles) -> str:
    return verify(Address("ISOCENTRE", "localhost", node.config.dicom.tls_port, files), "CALLER")


def test_only_callers_with_a_certificate_are_admitted(secured: Running, certificates: Certificates) -> None:
    nobody = TlsFiles(ca=certificates.cert("ca"))
    client = replace(nobody, certificate=certificates.cert("client"), key=certificates.key("client"))
    stranger = replace(nobody, certificate=certificates.cert("stranger"), key=certificates.key("stranger"))
    for files in (nobody, stranger):
        with pytest.raises(ScuError):
            _echo(secured, files)
    assert _echo(secured, client) == "ISOCENTRE_01"


def test_without_an_authority_it_only_encrypts(start_node: Start, certificates: Certificates) -> None:
    node = start_node(dicom={**_settings(certificates), "tls_ca": ""})
    assert _echo(node, TlsFiles(ca=certificates.cert("ca"))) == "ISOCENTRE_01"


def test_a_stranger_stores_over_tls(secured: Running, certificates: Certificates, tmp_path: Path) -> None:
    path = tmp_path / "ct.dcm"
    path.write_bytes(encode_meta(CT_CLASS, str(ct().SOPInstanceUID), EXPLICIT) + encode(ct()))
    files = [str(certificates.key("client")), str(certificates.cert("client"))]
    target = ["localhost", str(secured.config.dicom.tls_port), str(path)]
    authority = str(certificates.cert("ca"))
    subprocess.run(
        [tool("storescu"), "+tls", *files, "+cf", authority, "-aec", "ISOCENTRE", *target], check=True
    )
    with secured.node.archive.read() as tx:
        assert tx.instances.get(str(ct().SOPInstanceUID)) is not None


def test_who_does_not_finish_the_handshake_takes_no_slot(
    start_node: Start, certificates: Certificates
) -> None:
    node = start_node(dicom={**_settings(certificates), "tls_ca": "", "max_associations": 1})
    silent = [connect(node.config.dicom.tls_port) for _ in range(20)]
    silent[0].sendall(b"\x16\x03\x01")
    assert _echo(node, TlsFiles(ca=certificates.cert("ca"))) == "ISOCENTRE_01"
    for sock in silent:
        sock.close()


def test_a_key_that_does_not_fit_stops_the_start(start_node: Start, certificates: Certificates) -> None:
    settings = {**_settings(certificates), "tls_key": str(certificates.key("client"))}
    with pytest.raises(UserError, match="tls_key"):
        start_node(dicom=settings)


def test_a_key_with_a_password_stops_the_start_and_asks_nobody(
    start_node: Start, certificates: Certificates, tmp_path: Path
) -> None:
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", str(certificates.key("server")), "-out", str(locked)]
    subprocess.run([*command, "-aes256", "-passout", "pass:x"], check=True)
    with pytest.raises(UserError, match="tls_key"):
        start_node(dicom={**_settings(certificates), "tls_key": str(locked)})
