"""The errors of the wire as errors for an administrator."""

from scu.address import Address
from scu.errors import PeerFault, ScuError, TimedOut
from scu.wire.errors import LinkTimeout, PeerAborted, ProtocolError, ReleaseRequested, WireError

_TLS_ALERT = "PDU type 0x15"  # the content type of a TLS alert where a PDU was due (RFC 8446 5.1)


def explain(error: WireError, address: Address, doing: str) -> ScuError:
    """Return the error for `error`, which ended `doing` with the node at `address`."""
    if isinstance(error, LinkTimeout):
        return TimedOut(
            f"{address} did not answer {doing}: {error}",
            retry=True,
            advice="It may be overloaded, or the network between drops what is sent.",
        )
    if isinstance(error, PeerAborted):
        who = "its program" if error.source == 0 else "its protocol layer"
        return PeerFault(
            f"{address} aborted {doing} ({who}, reason {error.reason})",
            retry=True,
            advice="Its log should say why.",
        )
    if isinstance(error, ReleaseRequested):
        return PeerFault(f"{address} ended the association before {doing} was answered", retry=True)
    if isinstance(error, ProtocolError):
        return _explain_nonsense(error, address, doing)
    return _explain_closed(error, address, doing)


def _explain_nonsense(error: ProtocolError, address: Address, doing: str) -> ScuError:
    if _TLS_ALERT in str(error) and address.tls is None:
        return PeerFault(
            f"{address} answered {doing} in TLS, not in DICOM",
            retry=False,
            advice="This port wants TLS: switch it on for this node.",
        )
    return PeerFault(
        f"{address} answered {doing} with something that is not DICOM as it should be: {error}",
        retry=False,
        advice="Is this port one of DICOM? If it is, the other node has a fault.",
    )


def _explain_closed(error: WireError, address: Address, doing: str) -> ScuError:
    words = str(error)
    if "CERTIFICATE" in words and address.tls is not None:
        return PeerFault(
            f"{address} wants another TLS certificate from this node: {words}",
            retry=False,
            advice="Configure a certificate and key that its authorities have signed.",
        )
    return PeerFault(
        f"{address} did not answer {doing}: {words}",
        retry=True,
        advice="Its log should say why. It may want TLS, not know this node, or have been restarted.",
    )
