"""Connections that do not come about, each with its own words."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scu.address import Address
from scu.association import Association
from scu.connect import connect, reach, resolve, secure
from scu.contexts import VERIFICATION, for_query
from scu.echo import echo
from scu.errors import CannotConnect, PeerFault, ScuError, TimedOut
from scu.tls import TlsFiles, client_context
from tests.support.certificates import Certificates
from tests.support.dcmtk import tool
from tests.support.faulty import faulty
from tests.support.strangers import storescp


@contextmanager
def listening(serve: Callable[[socket.socket], None] | None = None) -> Iterator[int]:
    """A port that takes connections and then does `serve`, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            sock, _ = listener.accept()
            with sock:
                assert serve is not None
                serve(sock)

        thread = threading.Thread(target=accept)
        if serve is not None:
            thread.start()
        yield listener.getsockname()[1]
        if serve is not None:
            thread.join()


def here(port: int, tls: TlsFiles | None = None, host: str = "localhost") -> Address:
    return Address("PACS", host, port, tls)


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(CannotConnect, match=r"host name pacs\.invalid cannot be resolved") as caught:
        connect(here(104, host="pacs.invalid"), 5)
    assert "spelling" in caught.value.advice


def test_a_name_that_cannot_be() -> None:
    with pytest.raises(CannotConnect, match="host name") as caught:
        connect(here(104, host="a" * 70 + ".example"), 5)
    assert not caught.value.retry


def test_the_addresses_of_a_name() -> None:
    assert set(resolve(here(104))) <= {"127.0.0.1", "::1"}
    assert resolve(here(104, host="127.0.0.1")) == ["127.0.0.1"]
    with pytest.raises(CannotConnect, match="cannot be resolved"):
        resolve(here(104, host="pacs.invalid"))


def test_step_by_step(certificates: Certificates) -> None:
    files = TlsFiles(ca=certificates.cert("ca"))
    with faulty(tls=certificates.server_context()) as peer:
        address = here(peer.port, files)
        sock = secure(reach(address, 5), address, client_context(files), 5)
        with Association.open(address, "US", for_query(VERIFICATION), sock=sock) as association:
            echo(association)
        assert peer.released == 1


def test_nothing_listens() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(CannotConnect, match="refused the connection") as caught:
            connect(here(sock.getsockname()[1], host="127.0.0.1"), 5)
    assert caught.value.retry


def test_a_full_backlog_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        with pytest.raises(TimedOut, match=r"did not take the connection within 0\.2 s") as caught:
            connect(here(address[1], host="127.0.0.1"), 0.2)
        assert caught.value.retry
        for filler in fillers:
            filler.close()


def test_an_address_without_a_route() -> None:
    with pytest.raises(CannotConnect, match="cannot be reached"):
        connect(here(104, host="255.255.255.255"), 5)


class TestTls:
    @pytest.fixture
    def trusting(self, certificates: Certificates) -> TlsFiles:
        return TlsFiles(ca=certificates.cert("ca"))

    def _echo(self, address: Address) -> None:
        with Association.open(address, "ISOCENTRE", for_query(VERIFICATION), response_timeout=20) as opened:
            echo(opened)

    def test_a_trusted_node(self, certificates: Certificates, trusting: TlsFiles) -> None:
        with faulty(tls=certificates.server_context()) as peer:
            self._echo(here(peer.port, trusting))
            assert peer.released == 1

    @pytest.mark.parametrize("server", ["stranger", "unnamed"])
    def test_a_certificate_that_is_not_trusted(
        self, certificates: Certificates, trusting: TlsFiles, server: str
    ) -> None:
        with faulty(tls=certificates.server_context(server)) as peer:
            with pytest.raises(CannotConnect, match="is not trusted") as caught:
                self._echo(here(peer.port, trusting))
            assert not caught.value.retry
            self._echo(here(peer.port, replace(trusting, check_peer=False)))

    def test_a_name_that_is_not_checked(self, certificates: Certificates, trusting: TlsFiles) -> None:
        with faulty(tls=certificates.server_context("unnamed")) as peer:
            self._echo(here(peer.port, replace(trusting, check_name=False)))

    def test_a_client_certificate(self, certificates: Certificates, trusting: TlsFiles) -> None:
        with faulty(tls=certificates.server_context(ask_client=True)) as peer:
            with pytest.raises(ScuError, match="certificate") as caught:
                self._echo(here(peer.port, trusting))
            assert not caught.value.retry
            own = replace(trusting, certificate=certificates.cert("client"), key=certificates.key("client"))
            self._echo(here(peer.port, own))

    def test_tls_to_a_plain_port(self, trusting: TlsFiles) -> None:
        with faulty() as peer, pytest.raises(CannotConnect, match="does not speak TLS") as caught:
            self._echo(here(peer.port, trusting))
        assert not caught.value.retry

    def test_tls_to_a_plain_port_of_a_stranger(self, trusting: TlsFiles, tmp_path: Path) -> None:
        with storescp(tmp_path) as stranger, pytest.raises(ScuError, match="TLS"):
            connect(here(stranger.port, trusting), 2)

    def test_tls_to_a_port_that_says_nothing(self, trusting: TlsFiles) -> None:
        with listening() as port, pytest.raises(TimedOut, match="TLS handshake"):
            connect(here(port, trusting), 0.2)

    def test_tls_to_something_else(self, trusting: TlsFiles) -> None:
        with (
            listening(lambda sock: sock.sendall(b"220 mail.example\r\n")) as port,
            pytest.raises(CannotConnect, match="does not speak TLS"),
        ):
            connect(here(port, trusting), 5)

    def test_plain_to_a_tls_port(self, certificates: Certificates) -> None:
        with (
            faulty(tls=certificates.server_context()) as peer,
            pytest.raises(PeerFault, match=r"TLS|closed|broke") as caught,
        ):
            self._echo(here(peer.port))
        assert "TLS" in str(caught.value) + caught.value.advice

    def test_both_ways_with_a_stranger(
        self, certificates: Certificates, trusting: TlsFiles, tmp_path: Path
    ) -> None:
        options = ["+tls", str(certificates.key("server")), str(certificates.cert("server"))]
        options += ["+cf", str(certificates.cert("ca"))]
        own = replace(trusting, certificate=certificates.cert("client"), key=certificates.key("client"))
        assert tool("storescp")
        with storescp(tmp_path, *options) as stranger:
            self._echo(here(stranger.port, own))
            with pytest.raises(PeerFault) as caught:
                self._echo(here(stranger.port))
            assert "TLS" in str(caught.value) + caught.value.advice
            with pytest.raises(ScuError, match="certificate"):
                self._echo(here(stranger.port, trusting))
