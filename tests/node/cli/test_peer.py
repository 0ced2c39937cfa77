from pathlib import Path

import pytest

from storage.archive import Archive
from tests.support.files import Commands
from tests.support.node import free_port, write_config
from tests.support.strangers import storescp


@pytest.fixture
def run(tmp_path: Path, archive_url: str) -> Commands:
    return Commands(write_config(tmp_path, archive_url))


def test_a_peer_is_added_listed_and_removed(run: Commands):
    said = run.ok("peer", "add", "ct1", "--ae-title", "CT1", "--host", "10.0.0.7", "--port", 104)
    assert said == "ct1 is known: CT1 at 10.0.0.7 port 104. Try: isocentre peer echo ct1\n"
    where = ["--ae-title", "PACS", "--host", "pacs.example", "--port", 11112]
    more = [*where, "--tls", "--no-query", "--no-store"]
    assert run.json("peer", "add", "pacs", *more)["tls"] is True
    assert run.ok("peer", "list").splitlines() == [
        "NAME  AE TITLE  HOST          PORT   TLS  QUERY  STORE",
        "ct1   CT1       10.0.0.7      104    no   yes    yes",
        "pacs  PACS      pacs.example  11112  yes  no     no",
    ]
    assert [peer["name"] for peer in run.json("peer", "list")] == ["ct1", "pacs"]
    assert run.ok("peer", "remove", "ct1").startswith("ct1 is no longer known")
    assert [peer["name"] for peer in run.json("peer", "list")] == ["pacs"]


def test_without_peers_it_says_what_to_do(run: Commands):
    assert "isocentre peer add" in run.ok("peer", "list")
    assert run.json("peer", "list") == []


def test_mistakes_are_told(run: Commands):
    where = ["--host", "h", "--port", 104]
    assert "expected an AE title" in run.fails("peer", "add", "x", "--ae-title", "A\\B", *where)
    assert "a peer's name is" in run.fails("peer", "add", "../x", "--ae-title", "A", *where)
    assert "not known" in run.fails("peer", "remove", "x")
    assert "isocentre peer add" in run.fails("peer", "echo", "x")
    assert run("peer", "add", "x", "--ae-title", "A", "--host", "h", "--port", 0).exit_code == 2
    assert run("peer", "add", "x").exit_code == 2


def test_an_echo_says_in_words_what_happened(run: Commands, tmp_path: Path, archive_url: str):
    with storescp(tmp_path) as stranger:
        run.ok("peer", "add", "it", "--ae-title", "STRANGER", "--host", "127.0.0.1", "--port", stranger.port)
        assert "answered our C-ECHO with success" in run.ok("peer", "echo", "it")
        assert run.json("peer", "echo", "it")["ae_title"] == "STRANGER"
    said = run.fails("peer", "echo", "it")
    assert "refused the connection: nothing listens there. Check the port" in said
    run.ok("peer", "add", "off", "--ae-title", "X", "--host", "127.0.0.1", "--port", free_port())
    assert run("peer", "echo", "off", "--json").stdout == ""
    archive = Archive.open(archive_url)
    with archive.read() as tx:
        assert len(tx.peers.list()) == 2
    archive.close()
