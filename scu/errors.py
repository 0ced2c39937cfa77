"""Why another node could not be served, in words for the administrator of a PACS."""


class ScuError(Exception):
    """Something between us and another node went wrong.

    Attributes
    ----------
    retry
        Whether the same request may succeed later with nobody changing anything.
    advice
        What to look at, one sentence; may be empty.
    """

    def __init__(self, message: str, *, retry: bool, advice: str = "") -> None:
        super().__init__(message)
        self.retry = retry
        self.advice = advice


class CannotConnect(ScuError):
    """No connection: name, route, port, firewall or TLS."""


class Rejected(ScuError):
    """The other node answered A-ASSOCIATE-RJ (PS3.8 9.3.4)."""


class NotAccepted(ScuError):
    """The association stands, but without the presentation context that is needed (PS3.8 9.3.3.2)."""


class PeerFault(ScuError):
    """The other node aborted, closed the connection or broke the protocol."""


class TimedOut(ScuError):
    """The other node did not answer in time."""


class Failed(ScuError):
    """The other node answered the operation with a failure.

    Attributes
    ----------
    status
        Status (0000,0900), PS3.7 annex C and the services in PS3.4.
    """

    def __init__(self, message: str, *, status: int, retry: bool, advice: str = "") -> None:
        super().__init__(message, retry=retry, advice=advice)
        self.status = status
