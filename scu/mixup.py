"""Plain or TLS: what a port speaks when it did not speak what it was called in.

To be asked after something failed: it connects once more, and what comes back is not trusted with anything.
"""

import ssl
from dataclasses import replace

from scu.address import Address
from scu.association import Association
from scu.connect import is_alert, reach, secure
from scu.contexts import VERIFICATION, for_query
from scu.errors import NotAccepted, PeerFault, Rejected, ScuError
from scu.tls import TlsFiles, client_context
from scu.wire.errors import PeerAborted


def speaks_tls(address: Address, timeout: float) -> bool:
    """Tell whether the port takes part in a TLS handshake, be it only to break it off.

    Parameters
    ----------
    timeout
        Seconds for the connection, and for the handshake.
    """
    context = client_context(TlsFiles(check_peer=False))
    try:
        with secure(reach(address, timeout), address, context, timeout):
            return True
    except ScuError as error:
        return isinstance(error.__cause__, ssl.SSLError) and is_alert(error.__cause__)


def speaks_plain_dicom(address: Address, calling_ae: str, timeout: float) -> bool:
    """Tell whether the port answers a request for an association that is not encrypted, whatever it says.

    Parameters
    ----------
    timeout
        Seconds for the connection, and for the answer.
    """
    try:
        with Association.open(
            replace(address, tls=None),
            calling_ae,
            for_query(VERIFICATION),
            connect_timeout=timeout,
            response_timeout=timeout,
        ):
            return True
    except (Rejected, NotAccepted):
        return True
    except PeerFault as error:
        return isinstance(error.__cause__, PeerAborted)
    except ScuError:
        return False
