"""Attributes of an answer that no instance has: what a study, series or patient comes to as a whole.

The attributes of PS3.4 tables C.6-2 to C.6-4 that a query may ask for beside the indexed ones.
"""

from dataclasses import dataclass

from storage.records.attributes import Kind, Level


@dataclass(frozen=True, slots=True)
class Computed:
    """One computed attribute.

    Attributes
    ----------
    keyword
        Keyword of PS3.6.
    tag
        Group and element as one number.
    vr
        Value Representation of PS3.6.
    level
        The level that it tells about; it can be asked for at this level and below.
    kind
        How it is matched; None for a number that is only given back.
    """

    keyword: str
    tag: int
    vr: str
    level: Level
    kind: Kind | None = None


COMPUTED: dict[str, Computed] = {
    each.keyword: each
    for each in (
        Computed("ModalitiesInStudy", 0x00080061, "CS", Level.STUDY, Kind.CODE),
        Computed("SOPClassesInStudy", 0x00080062, "UI", Level.STUDY, Kind.UID),
        Computed("NumberOfPatientRelatedStudies", 0x00201200, "IS", Level.PATIENT),
        Computed("NumberOfPatientRelatedSeries", 0x00201202, "IS", Level.PATIENT),
        Computed("NumberOfPatientRelatedInstances", 0x00201204, "IS", Level.PATIENT),
        Computed("NumberOfStudyRelatedSeries", 0x00201206, "IS", Level.STUDY),
        Computed("NumberOfStudyRelatedInstances", 0x00201208, "IS", Level.STUDY),
        Computed("NumberOfSeriesRelatedInstances", 0x00201209, "IS", Level.SERIES),
    )
}
