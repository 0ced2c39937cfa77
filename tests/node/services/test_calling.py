from pathlib import Path

import pytest

from node.config import DicomSection
from node.core import clock
from node.services.calling import address_of, associate
from scu.contexts import VERIFICATION, for_query
from scu.errors import CannotConnect, Rejected, ScuError
from storage.records.network import Peer
from tests.support.node import Running, free_port


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database is enough: what is tested here is the conversation."""
    return sqlite_url


def peer(port: int, ae_title: str = "ISOCENTRE", **values: bool) -> Peer:
    return Peer("it", ae_title, "127.0.0.1", port, clock.now(), **values)


def test_a_peer_is_called_where_it_is():
    address = address_of(peer(104), DicomSection())
    assert (address.ae_title, address.host, address.port, address.tls) == (
        "ISOCENTRE",
        "127.0.0.1",
        104,
        None,
    )


def test_a_peer_with_tls_is_called_with_our_files():
    config = DicomSection(tls_ca="/ca.pem", tls_certificate="/n.pem", tls_key="/n.key", tls_check_names=False)
    files = address_of(peer(104, tls=True), config).tls
    assert files is not None
    assert (files.ca, files.certificate, files.key) == (Path("/ca.pem"), Path("/n.pem"), Path("/n.key"))
    assert (files.check_name, files.check_peer) == (False, True)
    files = address_of(peer(104, tls=True), DicomSection()).tls
    assert files is not None
    assert (files.ca, files.certificate, files.key, files.check_name) == (None, None, None, True)


def test_it_is_called_by_our_name(running_node: Running):
    config = DicomSection(ae_title="CALLER")
    with associate(peer(running_node.port), config, for_query(VERIFICATION)) as association:
        assert association.request.calling_ae == "CALLER"
    (caller,) = running_node.node.callers.list()
    assert caller.ae_title == "CALLER"


def test_it_may_not_be_there():
    with pytest.raises(CannotConnect, match="nothing listens there"):
        associate(peer(free_port()), DicomSection(), for_query(VERIFICATION))


def test_it_may_not_know_its_name(running_node: Running):
    with pytest.raises(Rejected, match="OTHER") as caught:
        associate(peer(running_node.port, "OTHER"), DicomSection(), for_query(VERIFICATION))
    assert isinstance(caught.value, ScuError)
