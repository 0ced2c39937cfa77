"""Asking a peer what it has, by C-FIND (PS3.4 C.4.1), with keys as a person writes them.

Example
-------
>>> for answer in ask(peer, config.dicom, Level.STUDY, {"PatientID": "4711"}):      # doctest: +SKIP
...     print(answer["StudyInstanceUID"])
"""

import struct
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import cast

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from node.config import DicomSection
from node.core.errors import UserError
from node.intake.charsets import Charset, charset_of
from node.services.calling import associate
from scu.contexts import for_query
from scu.find import PATIENT_ROOT, STUDY_ROOT, find
from storage.records.attributes import Level
from storage.records.network import Peer

WANTED: Mapping[Level, tuple[str, ...]] = {
    Level.PATIENT: ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    Level.STUDY: (
        *("StudyDate", "StudyTime", "PatientName", "PatientID", "AccessionNumber", "ModalitiesInStudy"),
        *("StudyDescription", "StudyInstanceUID", "NumberOfStudyRelatedInstances"),
    ),
    Level.SERIES: (
        *("SeriesNumber", "Modality", "SeriesDescription", "NumberOfSeriesRelatedInstances"),
        "SeriesInstanceUID",
    ),
    Level.IMAGE: ("InstanceNumber", "SOPClassUID", "SOPInstanceUID"),
}
"""What is asked for at each level besides the keys that are given (PS3.4 C.6.1.1, C.6.2.1)."""

_NUMBERS = {"US": "<H", "SS": "<h", "UL": "<L", "SL": "<l"}
_UNASKABLE = {"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT", "FL", "FD", "OB or OW", "US or SS"}
_CHARACTER_SET = 0x00080005


def ask(
    peer: Peer, config: DicomSection, level: Level, keys: Mapping[str, str], *, limit: int = 0
) -> Iterator[dict[str, str]]:
    """Yield the peer's answers: keyword to value, as Unicode; several values are joined by a backslash.

    Parameters
    ----------
    keys
        Keyword to value; ``*`` and ``?`` are wildcards, ``20260101-20260131`` a range, an empty value asks
        for the attribute to be returned.
    limit
        Answers after which the query is cancelled, 0 for all.

    Raises
    ------
    UserError
        A keyword is none, or cannot be a key.
    scu.errors.ScuError
        The peer does not answer, or not with success.
    """
    model = PATIENT_ROOT if level is Level.PATIENT else STUDY_ROOT
    query = identifier(level, keys, WANTED[level])
    with (
        associate(peer, config, for_query(model)) as association,
        closing(_generator(find(association, model, query, limit=limit))) as answers,
    ):
        for answer in answers:
            yield plain(answer)


def _generator(answers: Iterator[Dataset]) -> Generator[Dataset, None, None]:
    return cast("Generator[Dataset, None, None]", answers)  # it is one, and closing it cancels the query


def identifier(level: Level, keys: Mapping[str, str], wanted: Sequence[str] = ()) -> Dataset:
    """Return a query: `keys`, and `wanted` without values.

    Raises
    ------
    UserError
        A keyword is none, or cannot be a key.
    """
    query = Dataset()
    for keyword in wanted:
        _put(query, keyword, "")
    for keyword, value in keys.items():
        _put(query, keyword, value)
    _put(query, "QueryRetrieveLevel", str(level))
    if not all(value.isascii() for value in keys.values()):
        _put(query, "SpecificCharacterSet", "ISO_IR 192")
    return query


def _put(query: Dataset, keyword: str, value: str) -> None:
    tag = tag_for_keyword(keyword) if keyword else None
    if tag is None:
        raise UserError(f"{keyword!r} is no keyword of DICOM; write it as in PatientID or StudyDate")
    vr = dictionary_VR(tag)
    if vr in _UNASKABLE:
        raise UserError(f"{keyword} cannot be a key: its values are of the kind {vr}")
    typed: object = value
    if vr in _NUMBERS:
        try:
            typed = [int(each) for each in value.split("\\")] if value else None
        except ValueError:
            raise UserError(f"{keyword}={value}: expected a whole number") from None
    # Wildcards, ranges and lists are no values of their VR, which is right in a query (PS3.4 C.2.2.2).
    query[tag] = DataElement(tag, vr, typed, validation_mode=IGNORE)


def plain(answer: Dataset) -> dict[str, str]:
    """Return an answer as keyword to text, without sequences, private elements and what is not text.

    Values are taken as they are, whether or not they are right, in the answer's own character set.
    """
    charset = charset_of(_raw(answer, _CHARACTER_SET))
    found = {}
    for tag in sorted(answer.keys()):
        keyword = keyword_for_tag(tag)
        if keyword and tag != _CHARACTER_SET:
            vr = dictionary_VR(tag)
            if vr not in _UNASKABLE:
                found[keyword] = _text(_raw(answer, tag), vr, charset)
    return found


def _raw(answer: Dataset, tag: int) -> bytes:
    """Return the bytes of an element that pydicom has not looked at, or those that it came from."""
    if tag not in answer:
        return b""
    value = answer.get_item(tag).value
    if isinstance(value, bytes):
        return value
    return "\\".join([value] if isinstance(value, str) else value or ()).encode("ascii", "replace")


def _text(raw: bytes, vr: str, charset: Charset) -> str:
    if vr in _NUMBERS:
        size = struct.calcsize(_NUMBERS[vr])
        whole = raw[: len(raw) // size * size]
        return "\\".join(str(number) for (number,) in struct.iter_unpack(_NUMBERS[vr], whole))
    text, _ = charset.decode(raw, name=vr == "PN")
    return text.rstrip("\0 ")
