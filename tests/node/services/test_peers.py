import pytest

from node.core import clock
from node.core.errors import UserError
from node.services.peers import FRESH, Peers
from storage.archive import Archive
from storage.errors import StorageError


@pytest.fixture
def peers(archive: Archive) -> Peers:
    return Peers(archive)


def test_a_peer_is_added_listed_and_removed(peers: Peers):
    added = peers.add("ct1", ae_title=" CT1 ", host="10.0.0.7", port=104, tls=True, may_query=False)
    assert (added.ae_title, added.tls, added.may_query, added.may_store) == ("CT1", True, False, True)
    peers.add("a.first", ae_title="X", host="host.example", port=11112)
    assert [peer.name for peer in peers.list()] == ["a.first", "ct1"]
    assert peers.get("ct1") == added
    peers.remove("ct1")
    assert [peer.name for peer in peers.list()] == ["a.first"]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("../x", {}, "a peer's name is"),
        ("", {}, "a peer's name is"),
        ("a b", {}, "a peer's name is"),
        ("a\n", {}, "a peer's name is"),
        ("x", {"ae_title": ""}, "peer x: expected an AE title"),
        ("x", {"ae_title": "../../../x\\"}, "peer x: expected an AE title"),
        ("x", {"host": "a b"}, "peer x: expected a host name"),
        ("x", {"port": 0}, "port 0: expected 1 to 65535"),
        ("x", {"port": 65536}, "port 65536"),
    ],
)
def test_a_value_that_is_none_of_its_kind_is_refused(peers: Peers, name: str, values: dict, said: str):
    with pytest.raises(UserError, match=said):
        peers.add(name, **{"ae_title": "CT1", "host": "h", "port": 104, **values})
    assert peers.list() == []


def test_a_name_is_taken_once(peers: Peers):
    peers.add("ct1", ae_title="CT1", host="h", port=104)
    with pytest.raises(UserError, match="there is one of that name"):
        peers.add("ct1", ae_title="CT2", host="h", port=104)
    assert peers.get("ct1").ae_title == "CT1"


def test_a_peer_that_is_not_known_is_said_with_those_that_are(peers: Peers):
    with pytest.raises(UserError, match="peer add"):
        peers.get("ct1")
    peers.add("ct2", ae_title="CT2", host="h", port=104)
    with pytest.raises(UserError, match="known are ct2"):
        peers.get("ct1")
    with pytest.raises(UserError, match="nothing to remove"):
        peers.remove("ct1")


def test_a_caller_is_a_peer_by_ae_title_and_address(peers: Peers):
    peers.add("ct1", ae_title="CT1", host="10.0.0.7", port=104)
    peers.add("ct1-b", ae_title="CT1", host="10.0.0.8", port=104)
    assert peers.known("CT1", "10.0.0.7").name == "ct1"
    assert peers.known("CT1 ", "::ffff:10.0.0.8").name == "ct1-b"
    assert peers.known("CT1", "10.0.0.9") is None
    assert peers.known("ct1", "10.0.0.7") is None
    assert peers.known("", "10.0.0.7") is None


def test_a_host_name_stands_for_its_addresses(peers: Peers):
    peers.add("here", ae_title="HERE", host="localhost", port=104)
    assert peers.known("HERE", "127.0.0.1").name == "here"
    assert peers.known("HERE", "10.0.0.7") is None


def test_a_host_name_without_an_address_is_nobody(peers: Peers):
    peers.add("gone", ae_title="GONE", host="no-such-host.invalid", port=104)
    assert peers.known("GONE", "127.0.0.1") is None


def test_an_address_has_one_spelling(peers: Peers):
    peers.add("six", ae_title="SIX", host="2001:0DB8::0001", port=104)
    assert peers.known("SIX", "2001:db8::1").name == "six"


def test_what_is_added_here_is_known_at_once(peers: Peers):
    assert peers.known("CT1", "10.0.0.7") is None
    peers.add("ct1", ae_title="CT1", host="10.0.0.7", port=104)
    assert peers.known("CT1", "10.0.0.7") is not None
    peers.remove("ct1")
    assert peers.known("CT1", "10.0.0.7") is None


def test_what_another_process_changes_is_known_soon(
    archive: Archive, peers: Peers, monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    assert peers.known("CT1", "10.0.0.7") is None
    Peers(archive).add("ct1", ae_title="CT1", host="10.0.0.7", port=104)
    assert peers.known("CT1", "10.0.0.7") is None
    now += FRESH
    assert peers.known("CT1", "10.0.0.7") is not None


class Gone:
    """An archive whose database went away."""

    def read(self):
        raise StorageError("gone")


def test_who_was_known_stays_known_while_the_database_is_away(
    archive: Archive, peers: Peers, monkeypatch: pytest.MonkeyPatch
):
    peers.add("ct1", ae_title="CT1", host="10.0.0.7", port=104)
    assert peers.known("CT1", "10.0.0.7") is not None
    monkeypatch.setattr(peers, "_archive", Gone())
    monkeypatch.setattr(peers, "_read_at", -FRESH)
    assert peers.known("CT1", "10.0.0.7") is not None


def test_who_is_known_cannot_be_said_without_a_database(peers: Peers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(peers, "_archive", Gone())
    with pytest.raises(StorageError):
        peers.known("CT1", "10.0.0.7")
