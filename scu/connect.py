"""From an address to a connected socket, plain or TLS, with errors that name the layer at fault."""

import errno
import socket
import ssl

from scu.address import Address
from scu.errors import CannotConnect, ScuError, TimedOut
from scu.tls import client_context


def connect(address: Address, timeout: float) -> socket.socket:
    """Connect within `timeout` seconds for TCP, and as many again for TLS.

    Raises
    ------
    CannotConnect, TimedOut
    """
    context = client_context(address.tls) if address.tls is not None else None
    sock = _reach(address, timeout)
    if context is None:
        return sock
    try:
        return context.wrap_socket(sock, server_hostname=address.host)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: no name to be checked
        sock.close()
        raise _explain_tls(error, address, timeout) from error


def _reach(address: Address, timeout: float) -> socket.socket:
    try:
        return socket.create_connection((address.host, address.port), timeout)
    except socket.gaierror as error:
        raise CannotConnect(
            f"the host name {address.host} cannot be resolved: {error.strerror}",
            retry=error.errno == socket.EAI_AGAIN,
            advice="Check the spelling, and whether this machine can ask its name server.",
        ) from error
    except UnicodeError as error:
        raise CannotConnect(f"{address.host!r} is not a host name", retry=False) from error
    except OSError as error:
        raise _explain_tcp(error, address, timeout) from error


def _explain_tcp(error: OSError, address: Address, timeout: float) -> ScuError:
    if isinstance(error, ConnectionRefusedError):
        return CannotConnect(
            f"{address} refused the connection: nothing listens there",
            retry=True,
            advice="Check the port, and whether the program runs.",
        )
    if isinstance(error, TimeoutError):
        return TimedOut(
            f"{address} did not take the connection within {timeout:g} s",
            retry=True,
            advice="The machine may be off, or a firewall drops what is sent to it.",
        )
    return CannotConnect(
        f"{address} cannot be reached: {error.strerror or error}",
        retry=error.errno not in (errno.EACCES, errno.EPERM),
        advice="Check the address, the network and the firewalls between.",
    )


def _explain_tls(error: Exception, address: Address, timeout: float) -> ScuError:
    if isinstance(error, TimeoutError):
        return TimedOut(
            f"{address} did not answer the TLS handshake within {timeout:g} s",
            retry=True,
            advice="It may be busy, or speak no TLS on this port.",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return CannotConnect(
            f"the TLS certificate of {address} is not trusted: {error.verify_message}",
            retry=False,
            advice="Check its date and name, and the file of authorities that is configured for this node.",
        )
    reason = getattr(error, "reason", None) or ""
    if reason.startswith(("TLSV1", "SSLV3", "TLSV13")):  # an alert: the other side speaks TLS
        return CannotConnect(
            f"{address} broke off the TLS handshake: {reason.lower().replace('_', ' ')}",
            retry=False,
            advice="It may ask for a certificate of this node, or for other versions of TLS.",
        )
    if reason == "WRONG_VERSION_NUMBER" or isinstance(error, ssl.SSLEOFError | ConnectionError):
        return CannotConnect(
            f"{address} does not speak TLS on this port",
            retry=False,
            advice="Connect without TLS, or find out its port for TLS.",
        )
    return CannotConnect(f"no TLS with {address}: {reason or error}", retry=False)
