"""C-ECHO with a stranger, and with a node that refuses."""

from pathlib import Path

import pytest

from scu.address import Address
from scu.echo import verify
from scu.errors import Failed
from tests.support.faulty import Act, Fault, faulty
from tests.support.strangers import storescp


def test_a_stranger_answers(tmp_path: Path) -> None:
    with storescp(tmp_path) as stranger:
        assert verify(Address("STRANGER", "127.0.0.1", stranger.port), "ISOCENTRE").startswith("OFFIS_DCMTK")


def test_a_refusal_is_an_error_with_its_status() -> None:
    with (
        faulty(Fault(1, Act.STATUS, 0x0122, "not here")) as peer,
        pytest.raises(Failed, match=r"C-ECHO: the SOP class is not supported \(0x0122\): not here") as caught,
    ):
        verify(Address("PACS", "127.0.0.1", peer.port), "ISOCENTRE")
    assert caught.value.status == 0x0122
    assert not caught.value.retry
    assert caught.value.advice
