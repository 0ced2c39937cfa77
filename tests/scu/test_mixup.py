"""What a port speaks, told by asking it."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from scu.address import Address
from scu.mixup import speaks_plain_dicom, speaks_tls
from tests.support.certificates import Certificates
from tests.support.faulty import Act, Fault, faulty
from tests.support.strangers import storescp


def here(port: int) -> Address:
    return Address("STRANGER", "127.0.0.1", port)


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("ask_client", [False, True])
@pytest.mark.parametrize("certificate", ["server", "stranger"])
def test_a_port_with_tls(certificates: Certificates, certificate: str, ask_client: bool):
    with faulty(tls=certificates.server_context(certificate, ask_client=ask_client)) as peer:
        assert speaks_tls(here(peer.port), 5)
        assert not speaks_plain_dicom(here(peer.port), "US", 5)


def test_a_port_that_breaks_the_handshake_off_speaks_tls(certificates: Certificates):
    context = certificates.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # which needs a key of another kind
    with faulty(tls=context) as peer:
        assert speaks_tls(here(peer.port), 5)


def test_a_plain_port(tmp_path: Path):
    with storescp(tmp_path) as stranger:
        assert speaks_plain_dicom(here(stranger.port), "US", 5)
        assert not speaks_tls(here(stranger.port), 5)


def test_a_port_that_refuses_us_speaks_dicom():
    with faulty(reject=(1, 1, 3)) as peer:
        assert speaks_plain_dicom(here(peer.port), "US", 5)
    with faulty(Fault(0, Act.ABORT)) as peer:
        assert speaks_plain_dicom(here(peer.port), "US", 5)
    with faulty(accepts={}) as peer:
        assert speaks_plain_dicom(here(peer.port), "US", 5)


def test_something_else(silent: int):
    with faulty(Fault(0, Act.NONSENSE)) as peer:
        assert not speaks_plain_dicom(here(peer.port), "US", 5)
    assert not speaks_tls(here(silent), 0.2)
    assert not speaks_plain_dicom(here(silent), "US", 0.2)


def test_nobody():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert not speaks_tls(here(port), 1)
        assert not speaks_plain_dicom(here(port), "US", 1)
