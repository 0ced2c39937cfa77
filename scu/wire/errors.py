"""How an association can end other than by finishing its work."""


class WireError(Exception):
    """The association is over. The message says why, in words for a log."""


class LinkClosed(WireError):
    """The peer closed the connection, or the network did."""


class LinkTimeout(WireError):
    """The peer was silent, or took nothing, for longer than is allowed."""


class PeerAborted(WireError):
    """The peer sent A-ABORT (PS3.8 9.3.8)."""

    def __init__(self, source: int, reason: int) -> None:
        super().__init__(f"the peer aborted (source {source}, reason {reason})")
        self.source = source
        self.reason = reason


class ReleaseRequested(WireError):
    """The peer sent A-RELEASE-RQ: the orderly end (PS3.8 9.3.6)."""


class ProtocolError(WireError):
    """The peer broke the protocol; it is sent A-ABORT with this reason (PS3.8 table 9-26).

    Attributes
    ----------
    reason
        0 not specified, 1 unrecognized PDU, 2 unexpected PDU, 6 invalid PDU parameter value.
    """

    def __init__(self, message: str, reason: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
