"""The doctor, at the bedside of real nodes, well and ill."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.config import DicomSection
from node.core import clock
from node.services.doctor import ASSOCIATION, CONTEXTS, DNS, ECHO, TCP, TLS, Examination, examine
from scu.survey import Group
from scu.wire.negotiate import Request
from storage.records.network import Peer
from tests.support.certificates import Certificates
from tests.support.faulty import Act, Fault, FaultyPeer, faulty
from tests.support.node import Running, free_port
from tests.support.strangers import dcmqrscp, storescp

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = frozenset(("1.2.840.10008.1.2.1",))


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database is enough: what is tested here is the conversation."""
    return sqlite_url


def peer(port: int, ae_title: str = "STRANGER", host: str = "localhost", *, tls: bool = False) -> Peer:
    return Peer("it", ae_title, host, port, clock.now(), tls)


def secured(certificates: Certificates, *, own: bool = False) -> DicomSection:
    files = {"tls_ca": str(certificates.cert("ca"))}
    if own:
        names = ("tls_certificate", "tls_key")
        paths = (certificates.cert("client"), certificates.key("client"))
        files |= {name: str(path) for name, path in zip(names, paths, strict=True)}
    return DicomSection(**files, connect_timeout=5, response_timeout=5)


def outcome(found: Examination) -> list[tuple[str, bool]]:
    """The steps, after checking that it stopped at the first that failed."""
    assert all(step.ok for step in found.steps[:-1])
    assert found.ok is found.steps[-1].ok
    assert found.words
    return [(step.name, step.ok) for step in found.steps]


def taken(found: Examination) -> dict[str, tuple[str, ...]]:
    return {service.name: service.syntaxes for service in found.services if service.syntaxes}


def test_a_stranger_is_well(tmp_path: Path):
    with storescp(tmp_path) as stranger:
        found = examine(peer(stranger.port), DicomSection())
    assert outcome(found) == [(DNS, True), (TCP, True), (ASSOCIATION, True), (CONTEXTS, True), (ECHO, True)]
    assert "takes PDUs of up to 16384 bytes" in found.steps[2].words
    assert taken(found)["CT"] == ("Explicit", "Implicit")
    assert "study root C-FIND" not in taken(found)
    assert found.implementation.startswith("OFFIS_DCMTK")
    assert found.words.startswith(
        f"it (STRANGER at localhost:{stranger.port}) answered our C-ECHO with success in"
    )
    assert found.words.endswith(f"; its program is {found.implementation}")


def test_an_archive_is_well(tmp_path: Path):
    with dcmqrscp(tmp_path) as stranger:
        found = examine(peer(stranger.port, "ARCHIVE"), DicomSection())
    assert outcome(found)[-1] == (ECHO, True)
    assert {"study root C-FIND", "study root C-MOVE", "study root C-GET", "C-ECHO"} < set(taken(found))


def test_a_node_of_ours_is_well(running_node: Running):
    found = examine(peer(running_node.port, "ISOCENTRE"), DicomSection())
    assert outcome(found)[-1] == (ECHO, True)
    assert set(taken(found)["CT"]) > {"Explicit", "Implicit", "JPEG lossless"}
    assert found.words.endswith(f"; its program is {found.implementation}")


def test_a_peer_with_tls_is_well(certificates: Certificates):
    context = certificates.server_context(ask_client=True)
    with faulty(tls=context) as other:
        found = examine(peer(other.port, tls=True), secured(certificates, own=True))
    assert outcome(found)[2:] == [(TLS, True), (ASSOCIATION, True), (CONTEXTS, True), (ECHO, True)]
    assert found.steps[2].words.startswith("TLSv1.3 with TLS_")
    assert found.steps[2].words.endswith("; the certificate is for localhost, 127.0.0.1 and ends in 1 day")
    assert found.words.endswith("; but its TLS certificate ends in 1 day")


def test_a_name_that_does_not_resolve():
    found = examine(peer(104, host="no.such.invalid"), DicomSection())
    assert outcome(found) == [(DNS, False)]
    assert found.words.startswith("Check the spelling")


def test_a_closed_port():
    found = examine(peer(free_port()), DicomSection())
    assert outcome(found) == [(DNS, True), (TCP, False)]
    assert "nothing listens there" in found.steps[-1].words
    assert found.words == "Check the port, and whether the program runs."


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("tls", [False, True])
def test_a_silent_listener(silent: int, tls: bool):
    config = DicomSection(connect_timeout=0.5, response_timeout=0.5)
    found = examine(peer(silent, tls=tls), config)
    assert outcome(found)[-1] == ((TLS if tls else ASSOCIATION), False)
    assert "within 0.5 s" in found.steps[-1].words
    assert "busy" in found.words or "overloaded" in found.words


@pytest.mark.parametrize(
    ("rejection", "fix"),
    [
        ((1, 1, 3), "Have ISOCENTRE and the address of this node added there."),
        ((1, 1, 7), "Check which AE title it has: capitals count."),
        ((2, 3, 2), "It takes no other now; its limit may be too low for what is asked of it."),
        ((1, 1, 200), "Look into its log: it should say why."),
    ],
)
def test_a_rejection_is_put_in_words(rejection: tuple[int, int, int], fix: str):
    with faulty(reject=rejection) as other:
        found = examine(peer(other.port), DicomSection())
    assert outcome(found)[-1] == (ASSOCIATION, False)
    assert "rejected the association" in found.steps[-1].words
    assert found.words == fix


def test_a_real_node_that_does_not_know_our_title(tmp_path: Path):
    with dcmqrscp(tmp_path) as stranger:
        found = examine(peer(stranger.port, "NOBODY"), DicomSection())
    assert outcome(found)[-1] == (ASSOCIATION, False)
    assert "the called AE title NOBODY is not recognized" in found.steps[-1].words


def test_tls_where_the_port_is_plain(certificates: Certificates, tmp_path: Path):
    with storescp(tmp_path) as stranger:
        found = examine(peer(stranger.port, tls=True), secured(certificates))
    assert outcome(found)[-1] == (TLS, False)
    assert found.words.startswith("Its port speaks DICOM without TLS")


def test_plain_where_the_port_has_tls(certificates: Certificates):
    with faulty(tls=certificates.server_context()) as other:
        found = examine(peer(other.port), DicomSection(connect_timeout=5, response_timeout=5))
    assert outcome(found)[-1] == (ASSOCIATION, False)
    assert found.words.startswith("Its port speaks TLS: name it again with --tls")


@pytest.mark.parametrize("certificate", ["stranger", "unnamed"])
def test_a_certificate_that_is_not_trusted(certificates: Certificates, certificate: str):
    with faulty(tls=certificates.server_context(certificate)) as other:
        found = examine(peer(other.port, tls=True), secured(certificates))
    assert outcome(found)[-1] == (TLS, False)
    assert "is not trusted" in found.steps[-1].words
    assert found.words.startswith("Check its date and name")


def test_a_certificate_of_ours_that_is_missing(certificates: Certificates):
    with faulty(tls=certificates.server_context(ask_client=True)) as other:
        found = examine(peer(other.port, tls=True), secured(certificates))
    assert outcome(found)[-1] in ((TLS, False), (ASSOCIATION, False))
    assert "certificate" in found.words


def test_files_of_ours_that_cannot_be_read(certificates: Certificates, tmp_path: Path):
    config = DicomSection(tls_ca=str(tmp_path / "none.pem"), connect_timeout=5, response_timeout=5)
    with faulty(tls=certificates.server_context()) as other:
        found = examine(peer(other.port, tls=True), config)
    assert outcome(found)[-1] == (TLS, False)
    assert found.words.startswith("It must be a readable PEM file")


def test_nothing_is_accepted():
    with faulty(accepts={}) as other:
        found = examine(peer(other.port), DicomSection())
    assert outcome(found)[-1] == (ASSOCIATION, False)
    assert found.words.startswith("It accepts none of what archives do")


def test_it_takes_images_but_no_echo():
    with faulty(accepts={CT: EXPLICIT}) as other:
        found = examine(peer(other.port), DicomSection())
    assert outcome(found)[-2:] == [(CONTEXTS, True), (ECHO, False)]
    assert taken(found) == {"CT": ("Explicit",)}
    assert found.words.startswith("Have Verification (C-ECHO) allowed there")


def test_it_takes_no_images():
    with faulty(accepts={VERIFICATION: EXPLICIT}) as other:
        found = examine(peer(other.port), DicomSection())
    assert found.ok
    assert not any(service.group is Group.STORAGE for service in found.services if service.syntaxes)
    assert found.words.endswith("; but it takes no images (C-STORE)")


def test_it_answers_with_a_failure():
    with faulty(Fault(1, Act.STATUS, 0x0122)) as other:
        found = examine(peer(other.port), DicomSection())
    assert outcome(found)[-1] == (ECHO, False)
    assert "0x0122" in found.steps[-1].words
    assert found.words == "Its configuration does not include this service."


@pytest.mark.parametrize("act", [Act.ABORT, Act.CLOSE, Act.NONSENSE, Act.RELEASE])
@pytest.mark.parametrize("on", [0, 1])
def test_it_misbehaves(on: int, act: Act):
    with faulty(Fault(on, act)) as other:
        found = examine(peer(other.port), DicomSection(connect_timeout=2, response_timeout=2))
    assert outcome(found)[-1] == ((ECHO if on else ASSOCIATION), False)


class Small(FaultyPeer):
    """A node with room for few presentation contexts."""

    def _misbehaves(self, number: int, channel: object, message: object) -> bool:
        request: Request = self.requests[-1]
        if number == 0 and len(request.proposals) > 10:
            self.faults = (Fault(0, Act.CLOSE),)
        else:
            self.faults = ()
        return super()._misbehaves(number, channel, message)  # type: ignore[arg-type]


def test_it_breaks_on_many_contexts():
    other = Small()
    try:
        found = examine(peer(other.port), DicomSection(connect_timeout=2, response_timeout=2))
    finally:
        other.stop()
    assert outcome(found)[-1] == (ASSOCIATION, False)
    assert found.words.startswith("It takes an association for C-ECHO alone")
