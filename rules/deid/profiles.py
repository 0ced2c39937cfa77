"""The profiles that there are, and the marks that a dataset bears after one (PS3.15 E.1, PS3.3 C.7.1.1)."""

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from rules.deid.table import EDITION


@dataclass(frozen=True, slots=True)
class Profile:
    """A way to de-identify.

    Attributes
    ----------
    name
        In rules.
    code, meaning
        In CID 7050 of PS3.16.
    title
        In PS3.15.
    """

    name: str
    code: str
    meaning: str
    title: str


BASIC = Profile(
    "basic",
    "113100",
    "Basic Application Confidentiality Profile",
    "Basic Application Level Confidentiality Profile",
)

PROFILES = {profile.name: profile for profile in (BASIC,)}
"""By name."""


def mark(dataset: Dataset, profile: Profile) -> None:
    """Write into `dataset` that it was de-identified, and how; what it said of that before is replaced."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = [profile.title, f"PS3.15 Table E.1-1 {EDITION}", "Isocentre"]
    code = Dataset()
    code.CodeValue = profile.code
    code.CodingSchemeDesignator = "DCM"
    code.CodeMeaning = profile.meaning
    dataset.DeidentificationMethodCodeSequence = Sequence([code])
    dataset.LongitudinalTemporalInformationModified = "REMOVED"  # PS3.15 E.3.6 would keep or shift dates
