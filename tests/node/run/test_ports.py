import socket

import pytest

from node.core.errors import UserError
from node.run.ports import check_free
from tests.support.node import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_free_port_is_free(host: str):
    check_free("dicom.port", host, free_port())


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_is_listened_on_is_taken(shared: bool):
    with socket.socket() as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            UserError, match=rf"^dicom\.port: cannot listen on 127\.0\.0\.1 port {port}: Addr"
        ):
            check_free("dicom.port", "127.0.0.1", port)


def test_a_port_that_was_just_left_is_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # ours waits in TIME_WAIT
        client.close()
    check_free("dicom.port", "127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_that_is_not_ours(host: str):
    with pytest.raises(UserError, match=f"console.port: cannot listen on {host} port 8080"):
        check_free("console.port", host, 8080)
