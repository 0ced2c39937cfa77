"""De-identify a dataset by the Basic Application Level Confidentiality Profile (PS3.15 E.2).

Every element of every item of every sequence is looked at, whether the sequence is in the table or not.
Private attributes go, dates go, UIDs are exchanged under a key.

What it does not do: look at pixels, which may show names and faces (`rules.deid.refusal` knows the objects
for which that is likely); options, such as keeping dates, shifted or not; tables of pseudonyms, for a
Patient ID is only exchanged under the key as UIDs are; look for names in
what the table does not name. It makes no proof that nothing is left.

Example
-------
>>> deidentify(dataset, key)                                       # doctest: +SKIP
"""

from typing import Any

from pydicom.config import IGNORE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from rules.deid.codes import Action, action_for, vr_of
from rules.deid.dummies import dummy
from rules.deid.profiles import BASIC, Profile, mark
from rules.deid.pseudonyms import pseudonym
from rules.deid.uids import replaced
from rules.deid.values import texts

_META = ("MediaStorageSOPClassUID", "TransferSyntaxUID")
_PATIENT_ID = 0x00100020


def deidentify(dataset: Dataset, key: bytes, profile: Profile = BASIC) -> None:
    """De-identify `dataset` in place, its File Meta Information and preamble too, where it has them.

    The same dataset and key give the same result.

    Parameters
    ----------
    key
        Whose UIDs these are: `rules.deid.uids.KEY_BYTES` random bytes.

    Raises
    ------
    Exception
        Whatever pydicom raises for an element that it cannot read; then `dataset` is half done.
    """
    _Cleaner(key).clean(dataset)
    mark(dataset, profile)
    _clean_meta(dataset)


def _clean_meta(dataset: Dataset) -> None:
    """Keep of group 0002 only what a reader needs; no preamble (PS3.15 E.1.1, PS3.10 7.1)."""
    if getattr(dataset, "preamble", None):
        dataset.preamble = bytes(128)
    if not hasattr(dataset, "file_meta"):
        return
    meta = FileMetaDataset()
    for keyword in _META:
        if keyword in dataset.file_meta:
            setattr(meta, keyword, dataset.file_meta[keyword].value)
    if "SOPInstanceUID" in dataset:
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta


class _Cleaner:
    def __init__(self, key: bytes) -> None:
        self._key = key

    def clean(self, dataset: Dataset, *, all_of_it: bool = False) -> None:
        """Clean one dataset or item; `all_of_it`: what the table does not name becomes a dummy too."""
        for tag in list(dataset.keys()):
            action = action_for(tag)
            if all_of_it and action is not Action.REMOVE:
                action = Action.UID if vr_of(tag) == "UI" else Action.DUMMY
            self._apply(dataset, int(tag), action)

    def _apply(self, dataset: Dataset, tag: int, action: Action | None) -> None:
        match action:
            case Action.REMOVE:
                del dataset[tag]
            case Action.EMPTY:
                _set(dataset, tag, [] if vr_of(tag) == "SQ" else None)
            case Action.UID:
                _set(dataset, tag, self._uids(dataset, tag))
            case Action.DUMMY if tag == _PATIENT_ID:
                given = (texts(dataset.get(each)) for each in ("PatientID", "IssuerOfPatientID"))
                _set(dataset, tag, pseudonym(self._key, *("\\".join(each) for each in given)))
            case Action.DUMMY if vr_of(tag) != "SQ":
                _set(dataset, tag, dummy(vr_of(tag)))
            case _:
                self._walk(dataset, tag, dummies=action is Action.DUMMY)

    def _uids(self, dataset: Dataset, tag: int) -> list[str]:
        given = dataset.get_item(tag)
        return [replaced(self._key, each) for each in texts(given.value if given is not None else None)]

    def _walk(self, dataset: Dataset, tag: int, *, dummies: bool) -> None:
        """Clean the items of a sequence, and leave anything else that stays as it is, unread.

        With `dummies` one item stays, with dummies in it: whatever depended on there being one finds one.
        """
        given = dataset.get_item(tag)
        said = given.VR if given is not None else None
        if "SQ" not in (vr_of(tag), said):
            return
        items = dataset[tag].value
        if not isinstance(items, Sequence):  # nobody knows what is in it
            del dataset[tag]
            return
        kept = list(items[:1]) if dummies else list(items)
        for item in kept:
            self.clean(item, all_of_it=dummies)
        _set(dataset, tag, kept)


def _set(dataset: Dataset, tag: int, value: Any) -> None:
    # In the VR of PS3.6, whatever the sender's was, and without a word about values that no Standard allows.
    dataset[tag] = DataElement(tag, vr_of(tag) or "SQ", value, validation_mode=IGNORE)
