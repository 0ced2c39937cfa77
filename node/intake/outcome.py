"""What a sender says of an instance, and what it is told in the end."""

from dataclasses import dataclass
from enum import StrEnum

from node.intake.header import Header
from node.intake.uids import is_uid
from storage.records.arrival import Verdict

REASON_MAX = 64
"""Characters of a reason: it travels as Error Comment (0000,0902), a LO (PS3.7 C)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the sender says of the dataset that follows: by its command, or by the place it came from.

    Attributes
    ----------
    sop_class_uid, sop_instance_uid
        Empty when nothing is said; then the dataset alone counts.
    transfer_syntax_uid
        How the dataset is encoded.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


class Refusal(StrEnum):
    """Why an instance was not taken."""

    OUT_OF_SPACE = "out-of-space"  # nothing was kept; it can be sent again later
    MISMATCH = "mismatch"  # the dataset is another than was announced; kept in quarantine
    CANNOT_UNDERSTAND = "cannot-understand"  # it cannot be read or named; kept in quarantine
    FAILURE = "failure"  # our fault; nothing was kept
    TOO_LARGE = "too-large"  # nothing was kept


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an instance.

    Attributes
    ----------
    sop_instance_uid
        As the dataset says; empty when it does not.
    verdict
        None when it was refused.
    reason
        At most 64 ASCII characters, without patient data; empty when it was taken.
    """

    sop_instance_uid: str
    verdict: Verdict | None
    refusal: Refusal | None = None
    reason: str = ""


_NAMES = {
    "SOPInstanceUID": "SOP Instance UID",
    "StudyInstanceUID": "Study Instance UID",
    "SeriesInstanceUID": "Series Instance UID",
}


def judge(header: Header, problem: str, claim: Claim) -> tuple[Refusal, str] | None:
    """Say whether a dataset that has come whole must be refused, and why.

    Parameters
    ----------
    problem
        What the reader found wrong with its structure; empty for nothing.
    """
    if problem:
        return Refusal.CANNOT_UNDERSTAND, problem
    for keyword, name in _NAMES.items():
        uid = header.get(keyword)
        if not uid:
            return Refusal.CANNOT_UNDERSTAND, f"no {name}"
        if not is_uid(uid):
            return Refusal.CANNOT_UNDERSTAND, f"the {name} is not a UID"
    if claim.sop_instance_uid and claim.sop_instance_uid != header.get("SOPInstanceUID"):
        return Refusal.MISMATCH, "the SOP Instance UID is another than was announced"
    sop_class = header.get("SOPClassUID") or claim.sop_class_uid
    if not is_uid(sop_class):
        return (
            Refusal.CANNOT_UNDERSTAND,
            "the SOP Class UID is not a UID" if sop_class else "no SOP Class UID",
        )
    if claim.sop_class_uid and claim.sop_class_uid != sop_class:
        return Refusal.MISMATCH, "the SOP Class UID is another than was announced"
    return None
