"""A survey of what another node takes: one association that proposes a bit of everything (PS3.8 9.3.2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from scu.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, VERIFICATION, Proposals
from scu.wire.negotiate import Answer, Request


class Group(StrEnum):
    """What a service is for."""

    VERIFICATION = "verification"
    STORAGE = "storage"
    QUERY = "query"
    RETRIEVE = "retrieve"
    COMMITMENT = "storage commitment"


STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"

_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "Enhanced CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "Enhanced MR",
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.2": "MG",
    "1.2.840.10008.5.1.4.1.1.6.1": "US",
    "1.2.840.10008.5.1.4.1.1.3.1": "US multi-frame",
    "1.2.840.10008.5.1.4.1.1.12.1": "XA",
    "1.2.840.10008.5.1.4.1.1.20": "NM",
    "1.2.840.10008.5.1.4.1.1.128": "PET",
    "1.2.840.10008.5.1.4.1.1.7": "SC",
}
_OTHERS = {
    "1.2.840.10008.5.1.4.1.1.88.33": "SR",
    "1.2.840.10008.5.1.4.1.1.11.1": "GSPS",
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.481.3": "RT structures",
    "1.2.840.10008.5.1.4.1.1.481.2": "RT dose",
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",
}
_QUERIES = {
    "1.2.840.10008.5.1.4.1.2.1.1": "patient root C-FIND",
    "1.2.840.10008.5.1.4.1.2.2.1": "study root C-FIND",
    "1.2.840.10008.5.1.4.31": "worklist C-FIND",
}
_RETRIEVALS = {
    "1.2.840.10008.5.1.4.1.2.1.2": "patient root C-MOVE",
    "1.2.840.10008.5.1.4.1.2.2.2": "study root C-MOVE",
    "1.2.840.10008.5.1.4.1.2.1.3": "patient root C-GET",
    "1.2.840.10008.5.1.4.1.2.2.3": "study root C-GET",
}
_SERVICES = {
    Group.VERIFICATION: {VERIFICATION: "C-ECHO"},
    Group.QUERY: _QUERIES,
    Group.RETRIEVE: _RETRIEVALS,
    Group.COMMITMENT: {STORAGE_COMMITMENT: "push model"},
    Group.STORAGE: {**_IMAGES, **_OTHERS},
}
_SYNTAXES = {
    EXPLICIT_LITTLE_ENDIAN: "Explicit",
    IMPLICIT_LITTLE_ENDIAN: "Implicit",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS lossless",
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
}
_PLAIN = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class Service:
    """A SOP class that was proposed.

    Attributes
    ----------
    name
        Short, for people.
    syntaxes
        Short names of the transfer syntaxes in which it was accepted; empty: it was not.
    """

    group: Group
    name: str
    sop_class_uid: str
    syntaxes: tuple[str, ...]


def proposals() -> Proposals:
    """Return what to propose: each transfer syntax of a storage class in a context of its own.

    Of several in one context the other node picks one, and nobody learns of the rest (PS3.8 9.3.3.2).
    """
    proposed: Proposals = []
    for group, services in _SERVICES.items():
        for sop_class in services:
            if group is Group.STORAGE:
                syntaxes = tuple(_SYNTAXES) if sop_class in _IMAGES else _PLAIN
                proposed += [(sop_class, (syntax,)) for syntax in syntaxes]
            else:
                proposed.append((sop_class, _PLAIN))
    return proposed


def services(request: Request, answer: Answer) -> Sequence[Service]:
    """Return every SOP class of `request` that is in `proposals`, with what `answer` says of it."""
    accepted: dict[str, list[str]] = {}
    for proposal in request.proposals:
        found = accepted.setdefault(proposal.abstract_syntax, [])
        context = answer.contexts.get(proposal.context_id)
        if context is not None:
            found.append(_SYNTAXES.get(context.transfer_syntax, context.transfer_syntax))
    return [
        Service(group, name, sop_class, tuple(accepted[sop_class]))
        for group, named in _SERVICES.items()
        for sop_class, name in named.items()
        if sop_class in accepted
    ]
