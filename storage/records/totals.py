"""Numbers about the archive as a whole, without a word about any patient."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is.

    Attributes
    ----------
    conflicts
        Those that nobody has decided.
    quarantined
        Datasets that were refused and kept.
    damaged
        Instances whose bytes were once found missing or changed.
    """

    studies: int
    instances: int
    conflicts: int
    quarantined: int
    damaged: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came from one calling AE title.

    Attributes
    ----------
    arrivals
        Instances, duplicates included.
    last
        When the latest of them came.
    """

    calling_ae: str
    way: str
    arrivals: int
    last: datetime
