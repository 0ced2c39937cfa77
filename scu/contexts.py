"""Which presentation contexts to propose (PS3.8 9.3.2.2, PS3.5 10)."""

from collections.abc import Iterable, Iterator, Sequence

from pydicom.uid import UID

from scu.address import Address
from scu.errors import NotAccepted
from scu.wire.negotiate import (
    CONTEXTS_MAX,
    NO_ABSTRACT_SYNTAX,
    NO_TRANSFER_SYNTAX,
    USER_REJECTION,
    Answer,
    Proposal,
    Request,
)

Proposals = list[tuple[str, tuple[str, ...]]]

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
UNCOMPRESSED = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)

COMPRESSED = (
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.51",  # JPEG extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.201",  # HTJ2K lossless
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264
    "1.2.840.10008.1.2.4.100",  # MPEG-2
)
"""Compressed transfer syntaxes that archives hold, the frequent ones first."""

_REASONS = {
    USER_REJECTION: "refused by its user",
    NO_ABSTRACT_SYNTAX: "the SOP class is not supported there",
    NO_TRANSFER_SYNTAX: "none of the transfer syntaxes is supported there",
}


def number(proposals: Sequence[tuple[str, Sequence[str]]]) -> tuple[Proposal, ...]:
    """Give each proposal its context ID: odd, from 1.

    Raises
    ------
    ValueError
        There are none, or more than an association can have.
    """
    if not 1 <= len(proposals) <= CONTEXTS_MAX:
        raise ValueError(f"{len(proposals)} presentation contexts: an association has 1 to {CONTEXTS_MAX}")
    return tuple(
        Proposal(2 * position + 1, sop_class, tuple(syntaxes))
        for position, (sop_class, syntaxes) in enumerate(proposals)
    )


def for_query(sop_class: str) -> Proposals:
    """Propose what a query or a move needs."""
    return [(sop_class, UNCOMPRESSED)]


def for_sending(kinds: Iterable[tuple[str, str]]) -> Iterator[Proposals]:
    """Propose what it takes to send instances, one list for each association that is needed.

    Each transfer syntax has a context of its own, because of several in one the acceptor picks whichever it
    likes; and Explicit and Implicit VR Little Endian are proposed for each class, for what has to be
    transcoded (PS3.5 10.1).

    Parameters
    ----------
    kinds
        SOP class and transfer syntax of the instances, as kept.
    """
    wanted: dict[str, dict[str, None]] = {}
    for sop_class, syntax in kinds:
        wanted.setdefault(sop_class, {})[syntax] = None
    batch: Proposals = []
    for sop_class, syntaxes in wanted.items():
        group: Proposals = [(sop_class, (syntax,)) for syntax in {**syntaxes, **dict.fromkeys(UNCOMPRESSED)}]
        if len(batch) + len(group) > CONTEXTS_MAX:
            yield batch
            batch = []
        batch += group[:CONTEXTS_MAX]
    if batch:
        yield batch


def for_retrieving(model: str, sop_classes: Sequence[str]) -> Proposals:
    """Propose a C-GET of `model` that delivers instances of `sop_classes`, the important ones first.

    Each class is proposed uncompressed; the room that is left goes to compressed transfer syntaxes, so that
    what is kept compressed can come as it is. Classes beyond the 127th are left out.
    """
    taken = sop_classes[: CONTEXTS_MAX - 1]
    proposals: Proposals = [(model, UNCOMPRESSED), *((sop_class, UNCOMPRESSED) for sop_class in taken)]
    proposals += [(sop_class, (syntax,)) for syntax in COMPRESSED for sop_class in taken]
    return proposals[:CONTEXTS_MAX]


def not_accepted(
    address: Address, request: Request, answer: Answer, sop_classes: Iterable[str] | None
) -> NotAccepted:
    """Return the error that names what was proposed for `sop_classes` (None: all) and refused."""
    asked = None if sop_classes is None else set(sop_classes)
    lines = []
    for proposal in request.proposals:
        if proposal.context_id not in answer.refused:
            continue
        if asked is not None and proposal.abstract_syntax not in asked:
            continue
        syntaxes = ", ".join(UID(uid).name for uid in proposal.transfer_syntaxes)
        why = _REASONS.get(answer.refused[proposal.context_id], "no reason given")
        lines.append(f"{UID(proposal.abstract_syntax).name} in {syntaxes}: {why}")
    missing = (asked or set()) - {proposal.abstract_syntax for proposal in request.proposals}
    lines += [f"{UID(uid).name}: was not proposed" for uid in sorted(missing)]
    shown = lines[:5] + ([f"and {len(lines) - 5} more"] if len(lines) > 5 else [])
    return NotAccepted(
        f"{address} did not accept what is needed: {'; '.join(shown)}",
        retry=False,
        advice="Check which SOP classes and transfer syntaxes it is set up for.",
    )
