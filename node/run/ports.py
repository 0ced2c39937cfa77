"""Whether a port can be listened on: asked early, and said in one line instead of a restart loop."""

import socket

from node.core.errors import UserError


def check_free(key: str, host: str, port: int) -> None:
    """See that nobody listens on `port`, not even with SO_REUSEPORT.

    Parameters
    ----------
    key
        The configuration key that it comes from.

    Raises
    ------
    UserError
        It is taken, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UserError(
            f"{key}: cannot listen on {host} port {port}: {error.strerror}. Stop the other program that "
            "does, or choose another port in config.toml"
        ) from None
