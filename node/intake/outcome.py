"""What a sender says of an instance, and what it is told in the end."""

from dataclasses import dataclass
from enum import StrEnum

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
    binding
        The dataset must agree. File Meta Information is only a hint: where the dataset says otherwise, or
        says it at all, the dataset counts.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    binding: bool = True


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
        As the dataset says, else as was claimed; empty when neither is a UID.
    verdict
        None when it was refused, and when it is kept but not yet compared with what the index has.
    reason
        At most 64 ASCII characters, without patient data; empty when it was taken.
    """

    sop_instance_uid: str
    verdict: Verdict | None
    refusal: Refusal | None = None
    reason: str = ""
