"""Storage commitment as the archive speaks of it: what is to be asked for, and what an answer changed.

The table stands with the deliveries, whose columns `committed` and `commitment_row` it explains.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose destination is to be asked whether it keeps the instance."""

    delivery: int
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Commitment:
    """One request for commitment.

    Attributes
    ----------
    answered_at
        When it was first answered, or given up; None: it may yet be.
    committed, failed
        Instances that the destination said it keeps, and does not.
    """

    transaction_uid: str
    destination: str
    requested_at: datetime
    answered_at: datetime | None
    committed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Uncommitted:
    """A delivery of which its destination says that it does not keep the instance.

    Attributes
    ----------
    reason
        Failure Reason (0008,1197) as it came.
    """

    delivery: int
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    reason: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a report changed.

    Attributes
    ----------
    committed
        Deliveries that are committed now and were not before.
    uncommitted
        Those that the destination does not keep.
    unnamed
        Those that it was asked for and said nothing of.
    """

    destination: str
    committed: int
    uncommitted: tuple[Uncommitted, ...]
    unnamed: int
