"""The indexed attributes: what the node reads from every header, keeps by name, and can match.

One table that three parts share: the header reader (which tags to take), the index (which columns
to keep), and C-FIND (what can be matched at which level, and how). An attribute that is not here is
stored in the instance all the same; it is only not searchable.

Example
-------
>>> BY_KEYWORD["StudyDate"].column
'study_date'
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052), PS3.4 C.3.1 and C.3.2."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


class Kind(StrEnum):
    """How a key of this attribute is matched (PS3.4 C.2.2.2)."""

    TEXT = "text"  # single value or wildcard, case-sensitive
    NAME = "name"  # single value or wildcard, case-insensitive, any component group
    UID = "uid"  # single value or list of UID
    CODE = "code"  # single value or wildcard over a CS
    DATE = "date"  # single value or range
    TIME = "time"  # single value or range
    NUMBER = "number"  # single value of an IS or US, compared as a number


@dataclass(frozen=True, slots=True)
class Attribute:
    """One indexed attribute.

    Attributes
    ----------
    keyword
        Keyword of PS3.6, for example ``PatientName``.
    tag
        Group and element as one number, for example ``0x00100010``.
    vr
        Value Representation of PS3.6.
    level
        The table that keeps it: STUDY (patient attributes too), SERIES or IMAGE.
    kind
        How it is matched.
    patient
        It belongs to the Patient level of the Patient Root model (PS3.4 C.6.1.1.2).
    """

    keyword: str
    tag: int
    vr: str
    level: Level
    kind: Kind
    patient: bool = False

    @property
    def column(self) -> str:
        """Name of its column: the keyword in snake case."""
        return _snake(self.keyword)


_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _snake(keyword: str) -> str:
    return _CAPITAL.sub("_", keyword).lower()


_P, _S, _E, _I = Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE

ATTRIBUTES: tuple[Attribute, ...] = (
    # Patient (kept in the study's row: two studies may disagree, and neither is corrected)
    Attribute("PatientName", 0x00100010, "PN", _S, Kind.NAME, patient=True),
    Attribute("PatientID", 0x00100020, "LO", _S, Kind.TEXT, patient=True),
    Attribute("IssuerOfPatientID", 0x00100021, "LO", _S, Kind.TEXT, patient=True),
    Attribute("PatientBirthDate", 0x00100030, "DA", _S, Kind.DATE, patient=True),
    Attribute("PatientSex", 0x00100040, "CS", _S, Kind.CODE, patient=True),
    # Study
    Attribute("StudyInstanceUID", 0x0020000D, "UI", _S, Kind.UID),
    Attribute("StudyDate", 0x00080020, "DA", _S, Kind.DATE),
    Attribute("StudyTime", 0x00080030, "TM", _S, Kind.TIME),
    Attribute("AccessionNumber", 0x00080050, "SH", _S, Kind.TEXT),
    Attribute("StudyID", 0x00200010, "SH", _S, Kind.TEXT),
    Attribute("StudyDescription", 0x00081030, "LO", _S, Kind.TEXT),
    Attribute("ReferringPhysicianName", 0x00080090, "PN", _S, Kind.NAME),
    # Series
    Attribute("SeriesInstanceUID", 0x0020000E, "UI", _E, Kind.UID),
    Attribute("Modality", 0x00080060, "CS", _E, Kind.CODE),
    Attribute("SeriesNumber", 0x00200011, "IS", _E, Kind.NUMBER),
    Attribute("SeriesDescription", 0x0008103E, "LO", _E, Kind.TEXT),
    Attribute("SeriesDate", 0x00080021, "DA", _E, Kind.DATE),
    Attribute("SeriesTime", 0x00080031, "TM", _E, Kind.TIME),
    Attribute("BodyPartExamined", 0x00180015, "CS", _E, Kind.CODE),
    Attribute("ProtocolName", 0x00181030, "LO", _E, Kind.TEXT),
    Attribute("Laterality", 0x00200060, "CS", _E, Kind.CODE),
    Attribute("StationName", 0x00081010, "SH", _E, Kind.TEXT),
    Attribute("InstitutionName", 0x00080080, "LO", _E, Kind.TEXT),
    Attribute("InstitutionalDepartmentName", 0x00081040, "LO", _E, Kind.TEXT),
    Attribute("Manufacturer", 0x00080070, "LO", _E, Kind.TEXT),
    Attribute("ManufacturerModelName", 0x00081090, "LO", _E, Kind.TEXT),
    Attribute("PerformingPhysicianName", 0x00081050, "PN", _E, Kind.NAME),
    Attribute("OperatorsName", 0x00081070, "PN", _E, Kind.NAME),
    Attribute("PerformedProcedureStepStartDate", 0x00400244, "DA", _E, Kind.DATE),
    Attribute("PerformedProcedureStepStartTime", 0x00400245, "TM", _E, Kind.TIME),
    # Composite instance
    Attribute("SOPInstanceUID", 0x00080018, "UI", _I, Kind.UID),
    Attribute("SOPClassUID", 0x00080016, "UI", _I, Kind.UID),
    Attribute("InstanceNumber", 0x00200013, "IS", _I, Kind.NUMBER),
    Attribute("AcquisitionNumber", 0x00200012, "IS", _I, Kind.NUMBER),
    Attribute("ImageType", 0x00080008, "CS", _I, Kind.CODE),
    Attribute("ContentDate", 0x00080023, "DA", _I, Kind.DATE),
    Attribute("ContentTime", 0x00080033, "TM", _I, Kind.TIME),
    Attribute("Rows", 0x00280010, "US", _I, Kind.NUMBER),
    Attribute("Columns", 0x00280011, "US", _I, Kind.NUMBER),
    Attribute("BitsAllocated", 0x00280100, "US", _I, Kind.NUMBER),
    Attribute("NumberOfFrames", 0x00280008, "IS", _I, Kind.NUMBER),
    Attribute("PhotometricInterpretation", 0x00280004, "CS", _I, Kind.CODE),
)

BY_KEYWORD: dict[str, Attribute] = {attribute.keyword: attribute for attribute in ATTRIBUTES}
BY_TAG: dict[int, Attribute] = {attribute.tag: attribute for attribute in ATTRIBUTES}
