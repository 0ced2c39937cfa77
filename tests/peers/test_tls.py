"""dcmtk's clients over TLS, with a certificate and without."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.programs import keys
from tests.support.certificates import Certificates
from tests.support.dcmtk import tool
from tests.support.node import Running, free_port
from tests.support.retrieving import fill
from tests.support.samples import ct


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database will do: what comes over the wire is the same for both."""
    return sqlite_url


@pytest.fixture
def secured(start_node: Callable[..., Running], certificates: Certificates) -> Running:
    """A node that wants a certificate of the authority on its TLS port."""
    return start_node(
        dicom={
            "tls_port": free_port(),
            "tls_certificate": str(certificates.cert("server")),
            "tls_key": str(certificates.key("server")),
            "tls_ca": str(certificates.cert("ca")),
        }
    )


def _call(name: str, node: Running, shown: list[str], *arguments: object, cwd: Path) -> tuple[int, str]:
    port = node.config.dicom.tls_port
    command = [tool(name), "-v", "-aec", "ISOCENTRE", *shown, *arguments, "localhost", port]
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def _shown(certificates: Certificates, name: str, *options: str) -> list[str]:
    files = [str(certificates.key(name)), str(certificates.cert(name))]
    return ["+tls", *files, "+cf", str(certificates.cert("ca")), *options]


@pytest.mark.parametrize("profile", ["+py", "+px", "+pz"])
def test_clients_with_a_certificate(
    secured: Running, certificates: Certificates, tmp_path: Path, profile: str
) -> None:
    fill(secured.port, [ct(1)])
    client = _shown(certificates, "client", profile)
    code, said = _call("echoscu", secured, client, cwd=tmp_path)
    assert (code, "Received Echo Response (Success)" in said) == (0, True), said
    query = keys("STUDY", StudyInstanceUID="")
    code, said = _call("findscu", secured, client, "-S", *query, cwd=tmp_path)
    assert (code, "2.25.4711.1" in said) == (0, True), said


def test_clients_without_one_that_counts(
    secured: Running, certificates: Certificates, tmp_path: Path
) -> None:
    authority = ["+tla", "+cf", str(certificates.cert("ca"))]
    for shown in (authority, _shown(certificates, "stranger"), []):
        code, said = _call("echoscu", secured, shown, cwd=tmp_path)
        assert code != 0, said
        assert "Success" not in said
    code, said = _call("echoscu", secured, _shown(certificates, "client"), cwd=tmp_path)
    assert code == 0, said
