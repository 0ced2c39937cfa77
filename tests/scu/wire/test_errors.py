import pytest

from scu.wire.errors import LinkClosed, LinkTimeout, PeerAborted, ProtocolError, ReleaseRequested, WireError


@pytest.mark.parametrize("kind", [LinkClosed, LinkTimeout, ReleaseRequested, ProtocolError])
def test_whatever_ends_an_association_is_one_kind_of_error(kind: type[WireError]) -> None:
    with pytest.raises(WireError, match="why it ended"):
        raise kind("why it ended")


def test_an_abort_says_who_and_why() -> None:
    error = PeerAborted(2, 6)
    assert (error.source, error.reason) == (2, 6)
    assert str(error) == "the peer aborted (source 2, reason 6)"


def test_a_broken_protocol_has_the_reason_of_the_abort_that_follows() -> None:
    assert ProtocolError("no PDU").reason == 0
    assert ProtocolError("no PDU", 1).reason == 1
