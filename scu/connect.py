"""From an address to a connected socket, plain or TLS, with errors that name the layer at fault."""

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

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
    sock = reach(address, timeout)
    return sock if context is None else secure(sock, address, context, timeout)


def resolve(address: Address) -> list[str]:
    """Return the network addresses of its host, in the order in which they would be tried.

    Raises
    ------
    CannotConnect
    """
    with _explaining(address, 0):
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def reach(address: Address, timeout: float) -> socket.socket:
    """Connect by TCP alone.

    Raises
    ------
    CannotConnect, TimedOut
    """
    with _explaining(address, timeout):
        return socket.create_connection((address.host, address.port), timeout)


def secure(sock: socket.socket, address: Address, context: ssl.SSLContext, timeout: float) -> ssl.SSLSocket:
    """Return `sock` after the TLS handshake; it is closed when that fails.

    Raises
    ------
    CannotConnect, TimedOut
    """
    try:
        return context.wrap_socket(sock, server_hostname=address.host)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: no name to be checked
        sock.close()
        raise _explain_tls(error, address, timeout) from error


@contextlib.contextmanager
def _explaining(address: Address, timeout: float) -> Iterator[None]:
    try:
        yield
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


def is_alert(error: ssl.SSLError) -> bool:
    """Tell whether `error` is an alert: the other side speaks TLS (RFC 8446 6)."""
    return (error.reason or "").startswith(("TLSV1", "SSLV3"))


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
    if isinstance(error, ssl.SSLError) and is_alert(error):
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
