"""What rules are asked about, as the archive has it: instances, series and studies with their attributes.

The attributes of study and series are those that the archive keeps for them: as the first instance had them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.records.arrival import BlobRef, Origin, Place


@dataclass(frozen=True, slots=True)
class Subject:
    """An instance.

    Attributes
    ----------
    attributes
        Keyword to value, as first sent, of every indexed attribute of study, series and instance that is not
        empty. (The archive does not tell an empty one from one that is missing.)
    origin
        Of its first arrival.
    instance_number
        0 without one.
    """

    place: Place
    attributes: Mapping[str, str]
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    blob: BlobRef
    origin: Origin
    received_at: datetime
    instance_number: int


@dataclass(frozen=True, slots=True)
class SeriesSubject:
    """A series.

    Attributes
    ----------
    attributes
        As of a `Subject`, of study and series.
    instances
        How many it has.
    updated_at
        When the latest of them came.
    """

    row: int
    study_row: int
    series_instance_uid: str
    study_instance_uid: str
    attributes: Mapping[str, str]
    instances: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StudySubject:
    """A study.

    Attributes
    ----------
    attributes
        As of a `Subject`, of patient and study.
    instances, series
        How many it has.
    updated_at
        When the latest instance came.
    """

    row: int
    study_instance_uid: str
    attributes: Mapping[str, str]
    instances: int
    series: int
    modalities: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
