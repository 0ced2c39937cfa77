"""Doctor: calls a peer step by step as this node would, and says what to mend when a step fails.

Name, connection, TLS, association, presentation contexts, C-ECHO: it stops at the first that fails. Beyond
that it only asks what tells causes apart: whether the port speaks TLS, or plain DICOM, after all.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from node.config import DicomSection
from node.core import clock
from node.services.calling import address_of
from scu import mixup, survey
from scu.association import Association
from scu.connect import reach, resolve, secure
from scu.contexts import VERIFICATION, for_query
from scu.echo import echo
from scu.errors import NotAccepted, PeerFault, ScuError, TimedOut
from scu.survey import Group, Service
from scu.tls import client_context, describe
from storage.records.network import Peer

DNS, TCP, TLS, ASSOCIATION, CONTEXTS, ECHO = "DNS", "TCP", "TLS", "association", "contexts", "C-ECHO"
"""Names of the steps, in their order."""

_PATIENCE = 15.0  # seconds for an answer, at most: a person is waiting
_ENDS_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Step:
    """One step, and what came of it."""

    name: str
    ok: bool
    milliseconds: float
    words: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found.

    Attributes
    ----------
    implementation
        Implementation Version Name of the peer's program; empty when it does not say.
    milliseconds
        From the first step to the end of the last.
    words
        One sentence: that all is well, or what to do.
    steps
        Up to the first that failed.
    services
        SOP classes that were proposed, and what was accepted of each.
    """

    peer: str
    ae_title: str
    ok: bool
    implementation: str
    milliseconds: float
    words: str
    steps: Sequence[Step]
    services: Sequence[Service]


def examine(peer: Peer, config: DicomSection) -> Examination:
    """Call `peer`, and return what was found. What goes wrong there is a finding, not an error."""
    return _Visit(peer, config).make()


class _Visit:
    def __init__(self, peer: Peer, config: DicomSection) -> None:
        self._peer = peer
        self._config = config
        self._address = address_of(peer, config)
        self._patience = min(config.response_timeout, _PATIENCE)
        self._steps: list[Step] = []
        self._services: Sequence[Service] = ()
        self._implementation = ""
        self._remarks: list[str] = []

    def make(self) -> Examination:
        """Take the steps."""
        began = clock.monotonic()
        try:
            self._call()
            words = ""
        except ScuError as error:
            words = self._advice(error)
        took = _milliseconds(began)
        return Examination(
            self._peer.name,
            self._peer.ae_title,
            not words,
            self._implementation,
            took,
            words or self._praise(took),
            tuple(self._steps),
            self._services,
        )

    def _call(self) -> None:
        with self._associate(self._connect()) as association:
            with self._step(CONTEXTS) as said:
                self._services = survey.services(association.request, association.answer)
                said.append(self._accepted(association))
            with self._step(ECHO) as said:
                echo(association)
                said.append("success")

    def _connect(self) -> socket.socket:
        with self._step(DNS) as said:
            said.append(f"{self._peer.host} is {', '.join(resolve(self._address))}")
        with self._step(TCP) as said:
            sock = reach(self._address, self._config.connect_timeout)
            said.append(f"{sock.getpeername()[0]} takes connections on port {self._peer.port}")
        if self._address.tls is None:
            return sock
        try:
            with self._step(TLS) as said:
                context = client_context(self._address.tls)
                secured = secure(sock, self._address, context, self._config.connect_timeout)
                said.append(self._certificate(secured))
                return secured
        except BaseException:
            sock.close()
            raise

    def _associate(self, sock: socket.socket) -> Association:
        with self._step(ASSOCIATION) as said:
            association = Association.open(
                self._address,
                self._config.ae_title,
                survey.proposals(),
                response_timeout=self._patience,
                max_pdu=self._config.max_pdu,
                sock=sock,
            )
            self._implementation = association.answer.implementation
            size = association.answer.max_pdu
            takes = f"takes PDUs of up to {size} bytes" if size else "takes PDUs of any length"
            said.append(f"{self._implementation or 'its program does not say its name'}, {takes}")
        return association

    @contextmanager
    def _step(self, name: str) -> Iterator[list[str]]:
        began = clock.monotonic()
        said: list[str] = []
        try:
            yield said
        except ScuError as error:
            self._steps.append(Step(name, False, _milliseconds(began), str(error)))
            raise
        self._steps.append(Step(name, True, _milliseconds(began), " ".join(said)))

    def _certificate(self, sock: ssl.SSLSocket) -> str:
        found = describe(sock)
        words = f"{found.protocol} with {found.cipher}"
        if found.until is None:
            return words
        left = found.until - clock.now()
        if left < _ENDS_SOON:
            self._remarks.append(f"its TLS certificate ends in {_days(left)}")
        names = ", ".join(found.names) or "nobody"
        return f"{words}; the certificate is for {names} and ends in {_days(left)}"

    def _accepted(self, association: Association) -> str:
        taken = [service for service in self._services if service.syntaxes]
        if not any(service.group is Group.STORAGE for service in taken):
            self._remarks.append("it takes no images (C-STORE)")
        contexts, proposed = len(association.answer.contexts), len(association.request.proposals)
        return f"{contexts} of {proposed} accepted, for {len(taken)} of {len(self._services)} SOP classes"

    def _praise(self, took: float) -> str:
        program = f"; its program is {self._implementation}" if self._implementation else ""
        remarks = f"; but {' and '.join(self._remarks)}" if self._remarks else ""
        return (
            f"{self._peer.name} ({self._address}) answered our C-ECHO with success "
            f"in {took:g} ms{program}{remarks}"
        )

    def _advice(self, error: ScuError) -> str:
        step, name = self._steps[-1].name, self._peer.name
        again = f"isocentre peer remove {name}, then isocentre peer add {name}"
        if step == TLS and mixup.speaks_plain_dicom(self._address, self._config.ae_title, self._patience):
            return f"Its port speaks DICOM without TLS: name it again without --tls ({again} …)."
        if step == ASSOCIATION and isinstance(error, PeerFault | TimedOut):
            if not self._peer.tls and mixup.speaks_tls(self._address, self._config.connect_timeout):
                return f"Its port speaks TLS: name it again with --tls ({again} … --tls)."
            if isinstance(error, PeerFault) and self._modestly():
                return (
                    "It takes an association for C-ECHO alone, but breaks on one that proposes "
                    f"{len(survey.proposals())} presentation contexts: tell its maker."
                )
        if step == ASSOCIATION and isinstance(error, NotAccepted):
            return "It accepts none of what archives do: check which services it is set up for."
        if step == ECHO and isinstance(error, NotAccepted):
            return (
                "Have Verification (C-ECHO) allowed there: by it we find out that it is back after a failure."
            )
        return error.advice or "Look into its log: it should say why."

    def _modestly(self) -> bool:
        """Tell whether an association that proposes C-ECHO alone succeeds."""
        try:
            with Association.open(
                self._address,
                self._config.ae_title,
                for_query(VERIFICATION),
                connect_timeout=self._config.connect_timeout,
                response_timeout=self._patience,
            ) as association:
                echo(association)
        except ScuError:
            return False
        return True


def _milliseconds(began: float) -> float:
    return round((clock.monotonic() - began) * 1000, 1)


def _days(left: timedelta) -> str:
    return "1 day" if left.days == 1 else f"{left.days} days"
