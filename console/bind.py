"""Where the console may listen: as long as it knows no accounts, on this machine only.

Whoever reaches it sees all that it has, so an address that others reach is refused instead of warned about.
"""

import ipaddress
import socket

from node.core.errors import UserError


def require_loopback(host: str) -> None:
    """See that `host` is reached from this machine alone.

    Raises
    ------
    UserError
        It is not, or it is no address.
    """
    for address in _addresses(host):
        if not address.is_loopback:
            raise UserError(
                f"console.host: {host} can be reached by other machines, and the console has no accounts "
                "yet. Set it to 127.0.0.1 and come in by an SSH tunnel, or by a proxy that asks who is there"
            )


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(f"console.host: {host}: {error}") from None
    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
