from pathlib import Path

import pytest

from node.config import DicomSection
from node.core import clock
from node.services.echo import echo
from scu.errors import CannotConnect, Failed
from storage.records.network import Peer
from tests.support.faulty import Act, Fault, faulty
from tests.support.node import Running, free_port
from tests.support.strangers import storescp


@pytest.fixture
def archive_url(sqlite_url: str) -> str:
    """One database is enough: what is tested here is the conversation."""
    return sqlite_url


def peer(port: int, ae_title: str) -> Peer:
    return Peer("it", ae_title, "127.0.0.1", port, clock.now())


def test_a_stranger_answers(tmp_path: Path):
    with storescp(tmp_path) as stranger:
        answer = echo(peer(stranger.port, stranger.ae_title), DicomSection())
    assert (answer.peer, answer.ae_title) == ("it", "STRANGER")
    assert answer.implementation.startswith("OFFIS_DCMTK")
    assert answer.words.startswith(
        f"it (STRANGER at 127.0.0.1:{stranger.port}) answered our C-ECHO with success in"
    )
    assert answer.milliseconds > 0


def test_a_node_of_ours_answers(running_node: Running):
    answer = echo(peer(running_node.port, "ISOCENTRE"), DicomSection())
    assert answer.words.endswith(f"; its program is {answer.implementation}")


def test_nobody_answers():
    with pytest.raises(CannotConnect, match="refused the connection"):
        echo(peer(free_port(), "X"), DicomSection())


def test_it_answers_with_a_failure():
    with faulty(Fault(1, Act.STATUS, 0x0122)) as other, pytest.raises(Failed, match="not supported"):
        echo(peer(other.port, "X"), DicomSection())
