"""Echo: does a peer answer, as this node would call it (PS3.4 A)."""

from dataclasses import dataclass

from node.config import DicomSection
from node.core import clock
from node.services.calling import associate
from scu.contexts import VERIFICATION, for_query
from scu.echo import echo as ask
from storage.records.network import Peer


@dataclass(frozen=True, slots=True)
class Echo:
    """What came of it.

    Attributes
    ----------
    implementation
        Implementation Version Name of the peer's program; empty when it does not say.
    milliseconds
        From the call to the end of the answer, connection included.
    words
        It in a sentence.
    """

    peer: str
    ae_title: str
    implementation: str
    milliseconds: float
    words: str


def echo(peer: Peer, config: DicomSection) -> Echo:
    """Ask `peer` by C-ECHO.

    Raises
    ------
    scu.errors.ScuError
        It does not answer, or not with success; the message says what happened instead.
    """
    began = clock.monotonic()
    with associate(peer, config, for_query(VERIFICATION)) as association:
        ask(association)
        program, where = association.answer.implementation, association.address
    took = round((clock.monotonic() - began) * 1000, 1)
    said = f"; its program is {program}" if program else ""
    words = f"{peer.name} ({where}) answered our C-ECHO with success in {took:g} ms{said}"
    return Echo(peer.name, peer.ae_title, program, took, words)
