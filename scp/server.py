"""The receiver: listens, admits, and gives each association its thread; stops without losing any."""

import contextlib
import socket
import ssl
import threading
import time
from collections import Counter

import structlog

from node.core.errors import UserError
from node.root import Node
from scp import admission, dispatch
from scp.contexts import Supported
from scp.lobby import Guest, Lobby
from scp.reception import Reception, welcome
from scp.session import Session
from scu.wire.negotiate import encode_reject

_BACKLOG = 512
_IDLE_SECONDS = 2.0  # while stopping: an association that is silent for so long is ended


class Server:
    """Everything that listens on the DICOM ports of one process.

    Parameters
    ----------
    node
        The services behind it.
    shared
        Other processes listen on the same ports (SO_REUSEPORT).
    """

    def __init__(self, node: Node, *, shared: bool = False) -> None:
        self._node = node
        self._config = node.config.dicom
        self._log = structlog.get_logger()
        self._supported = Supported(unknown_sop_classes=self._config.unknown_sop_classes)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._sessions: set[Session] = set()
        self._addresses: Counter[str] = Counter()
        self._stopping = False
        self._ended = threading.Condition(self._lock)
        listeners = self._listen(shared)
        self.port: int = listeners[0][0].getsockname()[1]
        self._lobby = Lobby(listeners, self._config.association_timeout, self._admit)
        self._thread = threading.Thread(target=self._lobby.run, name="lobby", daemon=True)

    def start(self) -> None:
        """Begin to take connections; returns at once."""
        self._thread.start()
        self._log.info("scp.ready", ae_title=self._config.ae_title, host=self._config.host, port=self.port)

    def stop(self) -> None:
        """Take no more associations, let those that work finish, end the rest.

        Returns within `drain_timeout` seconds, and a moment for those that it had to cut off.
        """
        self._stopping = True
        self._lobby.close()
        self._thread.join()
        deadline = time.monotonic() + self._config.drain_timeout
        with self._lock:
            while self._threads and time.monotonic() < deadline:
                self._end_idle(time.monotonic() - _IDLE_SECONDS)
                self._ended.wait(0.2)
            self._end_idle(float("inf"))
            threads = list(self._threads)
        for thread in threads:
            thread.join(2.0)
        self._log.info("scp.stopped", cut_off=len(threads))

    def _end_idle(self, since: float) -> None:
        for session in self._sessions:
            if since == float("inf") or (not session.busy and session.last_active < since):
                session.channel.link.hang_up()

    def _listen(self, shared: bool) -> list[tuple[socket.socket, ssl.SSLContext | None]]:
        config = self._config
        listeners: list[tuple[socket.socket, ssl.SSLContext | None]] = [
            (_bind(config.host, config.port, shared), None)
        ]
        if config.tls_port:
            try:
                context = _tls_context(config.tls_certificate, config.tls_key, config.tls_ca)
                listeners.append((_bind(config.host, config.tls_port, shared), context))
            except BaseException:
                listeners[0][0].close()
                raise
        return listeners

    def _admit(self, guest: Guest) -> None:
        rejection = self._reserve(guest.address)
        if rejection is not None:
            self._turn_away(guest, rejection)
            return
        thread = threading.Thread(target=self._associate, args=(guest,), name="assoc", daemon=True)
        with self._lock:
            self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:  # the system gives no more threads
            self._leave(thread, guest.address)
            self._turn_away(guest, admission.TOO_MANY)

    def _reserve(self, address: str) -> admission.Rejection | None:
        with self._lock:
            if self._stopping:
                return admission.STOPPING
            if (
                len(self._threads) >= self._config.max_associations
                or self._addresses[address] >= self._config.max_associations_per_address
            ):
                return admission.TOO_MANY
            self._addresses[address] += 1
            return None

    def _turn_away(self, guest: Guest, rejection: admission.Rejection) -> None:
        with contextlib.suppress(OSError):
            guest.sock.send(encode_reject(rejection.result, rejection.source, rejection.reason))
        guest.sock.close()
        self._log.warning("association.rejected", address=guest.address, why=rejection.word)

    def _associate(self, guest: Guest) -> None:
        try:
            session = welcome(guest, Reception(self._node, self._supported))
            if session is not None:
                with self._lock:
                    self._sessions.add(session)
                try:
                    dispatch.run(session)
                finally:
                    with self._lock:
                        self._sessions.discard(session)
        except Exception:
            self._log.exception("association.broke", address=guest.address)
        finally:
            guest.sock.close()
            self._leave(threading.current_thread(), guest.address)

    def _leave(self, thread: threading.Thread, address: str) -> None:
        with self._lock:
            self._threads.discard(thread)
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]
            self._ended.notify_all()


def _bind(host: str, port: int, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise UserError(
            f"[dicom] port: cannot listen on {host} port {port}: {error.strerror}. "
            "Stop the other program that does, or choose another port in config.toml."
        ) from None
    return sock


def _tls_context(certificate: str, key: str, ca: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # PS3.15 B.9, B.12 (BCP 195)
    try:
        # An encrypted key would ask at the terminal: the empty password makes it an error instead.
        context.load_cert_chain(certificate, key or None, password="")
        if ca:
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        raise UserError(
            f"[dicom] tls_certificate, tls_key, tls_ca: {error}. Give the paths of readable PEM files."
        ) from None
    return context
