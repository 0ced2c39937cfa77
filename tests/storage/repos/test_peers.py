from dataclasses import replace
from datetime import UTC, datetime

import pytest

from storage.archive import Archive
from storage.errors import Exists
from storage.records.network import Peer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PEER = Peer("ct1", "CT1", "10.0.0.7", 104, NOW, tls=True, may_query=False)


def test_peer_comes_back_as_added(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.peers.add(PEER)
        tx.commit()
    with archive.read() as tx:
        assert tx.peers.get("ct1") == PEER
        assert tx.peers.get("CT1") is None
        assert tx.peers.list() == [PEER]


def test_name_is_taken_once_and_the_transaction_goes_on(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.peers.add(PEER)
        with pytest.raises(Exists, match="'ct1'"):
            tx.peers.add(replace(PEER, host="10.0.0.8"))
        tx.peers.add(replace(PEER, name="ct2"))
        tx.commit()
    with archive.read() as tx:
        assert [(each.name, each.host) for each in tx.peers.list()] == [
            ("ct1", "10.0.0.7"),
            ("ct2", "10.0.0.7"),
        ]


def test_ae_title_may_be_shared(archive: Archive) -> None:
    twin, other = replace(PEER, name="a"), replace(PEER, name="b", ae_title="CT2")
    with archive.begin() as tx:
        for each in (PEER, twin, other):
            tx.peers.add(each)
        tx.commit()
    with archive.read() as tx:
        assert tx.peers.by_ae("CT1") == [twin, PEER]
        assert tx.peers.by_ae("CT3") == []


def test_remove(archive: Archive) -> None:
    with archive.begin() as tx:
        tx.peers.add(PEER)
        assert tx.peers.remove("ct1")
        assert not tx.peers.remove("ct1")
        tx.commit()
    with archive.read() as tx:
        assert tx.peers.list() == []
