"""Who may come in: called AE, calling AE, address and number at once (PS3.8 9.3.4, PS3.15 B).

AE titles are claims, not proof: a peer is known only when its address fits too.
"""

from dataclasses import dataclass

from node.config import DicomSection
from scu.commitment import COMMITMENT
from scu.wire.negotiate import APPLICATION_CONTEXT, Request
from storage.records.network import Peer

PERMANENT, TRANSIENT = 1, 2
_USER, _ACSE, _PRESENTATION = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21), and the word for the log."""

    result: int
    source: int
    reason: int
    word: str


APPLICATION_CONTEXT_UNKNOWN = Rejection(PERMANENT, _USER, 2, "application context not supported")
CALLED_AE_UNKNOWN = Rejection(PERMANENT, _USER, 7, "called AE title not recognized")
CALLING_AE_UNKNOWN = Rejection(PERMANENT, _USER, 3, "calling AE title not recognized")
TOO_MANY = Rejection(TRANSIENT, _PRESENTATION, 2, "local limit exceeded")
STOPPING = Rejection(TRANSIENT, _PRESENTATION, 1, "temporary congestion")


@dataclass(frozen=True, slots=True)
class Rights:
    """What a caller may ask for. C-ECHO goes with C-STORE."""

    peer: Peer | None
    may_store: bool
    may_query: bool

    def any_for(self, request: Request) -> bool:
        """Tell whether there is anything that the caller may do.

        A peer may always report what it keeps of what we sent it.
        """
        reports = any(each.abstract_syntax == COMMITMENT for each in request.proposals)
        return self.may_store or self.may_query or (self.peer is not None and reports)


def check_called(request: Request, config: DicomSection) -> Rejection | None:
    """Return why a request addressed like this is turned away, None when it is not."""
    if request.application_context != APPLICATION_CONTEXT:
        return APPLICATION_CONTEXT_UNKNOWN
    if config.called_ae == "own" and request.called_ae != config.ae_title:
        return CALLED_AE_UNKNOWN
    return None


def rights_of(peer: Peer | None, config: DicomSection) -> Rights:
    """Return what a caller may do: `peer` when it is known, None when it is not."""
    if peer is None:
        return Rights(None, config.store_from == "any", config.query_from == "any")
    return Rights(peer, peer.may_store, peer.may_query)
