import json
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


def test_an_echo_goes_step_by_step(run: Commands, tmp_path: Path, archive_url: str):
    with storescp(tmp_path) as stranger:
        run.ok("peer", "add", "it", "--ae-title", "STRANGER", "--host", "127.0.0.1", "--port", stranger.port)
        lines = run.ok("peer", "echo", "it").splitlines()
        assert [line.split()[:2] for line in lines[:5]] == [
            ["DNS", "ok"],
            ["TCP", "ok"],
            ["association", "ok"],
            ["contexts", "ok"],
            ["C-ECHO", "ok"],
        ]
        assert "  verification: C-ECHO: in Explicit" in lines
        assert any(line.startswith("  storage: CT, ") for line in lines)
        assert any(line.startswith("  query: ") and line.endswith(": not accepted") for line in lines)
        assert "answered our C-ECHO with success" in lines[-1]
        found = run.json("peer", "echo", "it")
    assert (found["ok"], found["ae_title"], len(found["steps"])) == (True, "STRANGER", 5)
    archive = Archive.open(archive_url)
    with archive.read() as tx:
        assert len(tx.peers.list()) == 1
    archive.close()


def test_an_echo_that_fails_says_what_to_mend(run: Commands):
    run.ok("peer", "add", "off", "--ae-title", "X", "--host", "127.0.0.1", "--port", free_port())
    done = run("peer", "echo", "off")
    assert done.exit_code == 1
    assert "TCP          FAILED" in done.stdout
    assert "refused the connection: nothing listens there. Check the port" in done.stderr
    told = run("peer", "echo", "off", "--json")
    assert told.exit_code == 1
    found = json.loads(told.stdout)
    assert (found["ok"], found["words"]) == (False, "Check the port, and whether the program runs.")
    assert [step["ok"] for step in found["steps"]] == [True, False]
