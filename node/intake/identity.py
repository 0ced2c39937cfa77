"""Under which UIDs an instance is kept, and where it is filed when the dataset names no study or series.

Objects that belong to no patient (palettes, hanging protocols, implant templates; PS3.4 GG) have neither,
and some images lack what their IOD demands. They are kept all the same, in a study and series whose UIDs
are made from what the instance does say, always the same ones; the dataset itself stays as it came.
"""

import hashlib
from dataclasses import dataclass

from node.intake.header import Header
from node.intake.outcome import Claim
from node.intake.uids import is_uid


@dataclass(frozen=True, slots=True)
class Identity:
    """The four UIDs of an instance in the index.

    Attributes
    ----------
    filed
        Study or series are ours, since the dataset names none.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    filed: bool = False


def identify(header: Header, claim: Claim) -> Identity:
    """Return what an instance is kept under; a UID that neither dataset nor claim has is empty."""
    sop_class = header.get("SOPClassUID") or claim.sop_class_uid
    sop_instance = header.get("SOPInstanceUID") or claim.sop_instance_uid
    study, series = header.get("StudyInstanceUID"), header.get("SeriesInstanceUID")
    if study and series:
        return Identity(sop_class, sop_instance, study, series)
    if not study:
        study = _derived("study", sop_class if _belongs_to_nobody(sop_class) else sop_instance)
    return Identity(sop_class, sop_instance, study, series or _derived("series", study), filed=True)


def find_fault(identity: Identity) -> str:
    """Return what is wrong with the UIDs of an instance, empty for nothing (PS3.5 9.1)."""
    for name, uid in (
        ("SOP Instance UID", identity.sop_instance_uid),
        ("Study Instance UID", identity.study_instance_uid),
        ("Series Instance UID", identity.series_instance_uid),
        ("SOP Class UID", identity.sop_class_uid),
    ):
        if not uid:
            return f"no {name}"
        if not is_uid(uid):
            return f"the {name} is not a UID"
    return ""


def _belongs_to_nobody(sop_class_uid: str) -> bool:
    """Tell whether this is a class of the Non-Patient Object Storage service (PS3.4 GG.3)."""
    root = "1.2.840.10008.5.1.4."
    return sop_class_uid.startswith(root) and not sop_class_uid.startswith(root + "1.1.")


def _derived(what: str, key: str) -> str:
    """Return a UID of the UUID form (PS3.5 B.2) that follows from `key` alone."""
    digest = hashlib.sha256(f"isocentre {what} {key}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
