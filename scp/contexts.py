"""What this node accepts: SOP classes, transfer syntaxes and roles (PS3.8 9.3.3, PS3.7 D.3.3.4)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    _NON_PATIENT_OBJECT_CLASSES,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
    VideoEndoscopicImageStorage,
    VideoMicroscopicImageStorage,
    VideoPhotographicImageStorage,
)

from scu.commitment import COMMITMENT
from scu.contexts import UNCOMPRESSED
from scu.transcode import DEFLATED, EXPLICIT, IMPLICIT
from scu.wire.channel import Context
from scu.wire.negotiate import Proposal, Request, narrowed

VERIFICATION = str(Verification)
PATIENT_ROOT = frozenset(
    str(uid)
    for uid in (
        PatientRootQueryRetrieveInformationModelFind,
        PatientRootQueryRetrieveInformationModelMove,
        PatientRootQueryRetrieveInformationModelGet,
    )
)
_SERVICES = {
    VERIFICATION: "C-ECHO",
    str(PatientRootQueryRetrieveInformationModelFind): "C-FIND",
    str(StudyRootQueryRetrieveInformationModelFind): "C-FIND",
    str(PatientRootQueryRetrieveInformationModelMove): "C-MOVE",
    str(StudyRootQueryRetrieveInformationModelMove): "C-MOVE",
    str(PatientRootQueryRetrieveInformationModelGet): "C-GET",
    str(StudyRootQueryRetrieveInformationModelGet): "C-GET",
    COMMITMENT: "N-EVENT-REPORT",
}
_IN_ORDER = ("C-STORE", "C-ECHO", "N-EVENT-REPORT")
_OF_SCP = ("C-STORE", "N-EVENT-REPORT")  # what an SCP that calls can have for us

WINDOW_MAX = 16
"""Operations that a peer is granted before the first is answered, and that it is asked to perform."""

STORAGE_CLASSES = frozenset(
    [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
    + list(_NON_PATIENT_OBJECT_CLASSES.values())
)
"""Every storage SOP class that pynetdicom knows, of patients (PS3.4 B.5) and of nobody (PS3.4 GG.3)."""

NATIVE_SYNTAXES = frozenset(
    ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
)
# Those of real-time video (PS3.22) are no syntaxes of a stored dataset.
STORAGE_SYNTAXES = frozenset(
    uid for uid in ALL_TRANSFER_SYNTAXES if not uid.startswith("1.2.840.10008.1.2.7.")
)
"""Transfer syntaxes in which instances are taken, and kept, as they come."""

# In these anything can be sent that is stored, decoded where it must be; but nobody decodes a video.
_FOR_ALL = (EXPLICIT, IMPLICIT, DEFLATED)
_VIDEO = frozenset(
    str(uid)
    for uid in (VideoEndoscopicImageStorage, VideoMicroscopicImageStorage, VideoPhotographicImageStorage)
)


class Supported(Mapping[str, frozenset[str]]):
    """Abstract syntax to the transfer syntaxes that are accepted for it.

    Parameters
    ----------
    unknown_sop_classes
        Take what is none of ours for a storage class, private or newer than this program.
    """

    def __init__(self, *, unknown_sop_classes: bool) -> None:
        self._table = dict.fromkeys(STORAGE_CLASSES, STORAGE_SYNTAXES)
        self._table.update(dict.fromkeys(_SERVICES, NATIVE_SYNTAXES))
        self._table[COMMITMENT] = frozenset(UNCOMPRESSED)
        self._unknown = unknown_sop_classes

    def __getitem__(self, abstract_syntax: str) -> frozenset[str]:
        if self._unknown and abstract_syntax not in self._table and not _is_other_service(abstract_syntax):
            return STORAGE_SYNTAXES
        return self._table[abstract_syntax]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


class ForStrangers(Mapping[str, frozenset[str]]):
    """What callers are offered that are no peers: all of `supported` but reports on what they keep."""

    def __init__(self, supported: Mapping[str, frozenset[str]]) -> None:
        self._supported = supported

    def __getitem__(self, abstract_syntax: str) -> frozenset[str]:
        if abstract_syntax == COMMITMENT:
            raise KeyError(abstract_syntax)
        return self._supported[abstract_syntax]

    def __iter__(self) -> Iterator[str]:
        return (each for each in self._supported if each != COMMITMENT)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_other_service(abstract_syntax: str) -> bool:
    """Tell whether a UID of the Standard's own root names something that is not stored by C-STORE.

    Storage classes lie under 1.2.840.10008.5.1.4.1.1, but for a few that pynetdicom knows; the rest of the
    root is worklists, print, commitment and the like.
    """
    root = "1.2.840.10008."
    return abstract_syntax.startswith(root) and not abstract_syntax.startswith(root + "5.1.4.1.1.")


def service_of(abstract_syntax: str) -> str:
    """Return the service whose messages an abstract syntax carries, for example ``C-FIND``."""
    return _SERVICES.get(abstract_syntax, "C-STORE")


def grant_roles(request: Request, supported: Mapping[str, frozenset[str]]) -> dict[str, tuple[bool, bool]]:
    """Answer the proposed roles: a peer may be SCU and SCP of what is stored, SCU of the rest.

    A peer that is SCP of a storage class is one to which C-GET can deliver (PS3.4 C.4.3). Of storage
    commitment it may be SCP alone: it reports what we asked of it (PS3.4 J.3.3).
    """
    granted = {}
    for sop_class, (scu, scp) in request.roles.items():
        if sop_class in supported:
            granted[sop_class] = (
                scu and sop_class != COMMITMENT,
                scp and service_of(sop_class) in _OF_SCP,
            )
    return granted


def grant_window(request: Request, accepted: Iterable[Context]) -> tuple[int, int] | None:
    """Answer a proposed operations window; None where none was proposed (PS3.7 D.3.3.3).

    Several operations that the peer invokes are read and answered in order. A query or retrieval looks for
    its cancellation in what comes next, and so has an association to itself: there the peer is granted one.
    """
    if request.window is None:
        return None
    invoked, performed = request.window
    in_order = all(service_of(context.abstract_syntax) in _IN_ORDER for context in accepted)
    return narrowed(invoked, WINDOW_MAX if in_order else 1), narrowed(performed, WINDOW_MAX)


def arrange(request: Request) -> list[Proposal]:
    """Return the proposed contexts, with a syntax that fits all instances first where only we will send.

    Who retrieves by C-GET may offer several transfer syntaxes in one context: one of them is accepted before
    it is known what will be asked for. Accepting a compressed one would leave out all that is not stored in
    it. Who proposes a context for each syntax gets instances as they are stored.
    """
    return [
        _general_first(proposal)
        if request.roles.get(proposal.abstract_syntax) == (False, True)
        and proposal.abstract_syntax not in _VIDEO
        else proposal
        for proposal in request.proposals
    ]


def _general_first(proposal: Proposal) -> Proposal:
    offered = proposal.transfer_syntaxes
    general = next((uid for uid in offered if uid in _FOR_ALL), None)
    return proposal if general is None else replace(proposal, transfer_syntaxes=(general, *offered))
