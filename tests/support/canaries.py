"""A value that is found again for every attribute of PS3.15 Table E.1-1, top level and nested."""

from datetime import date, timedelta
from typing import Any

from pydicom.dataset import Dataset

from rules.deid.codes import vr_of
from rules.deid.table import ACTIONS, GROUPS

FIRST = 0x00080000
TAGS = sorted(
    {tag for tag in ACTIONS if tag >= FIRST} | {tag | 0x00020010 & ~mask for tag, mask, _ in GROUPS}
)
"""What the table names in a dataset; of each repeating group one."""

NESTED_IN = (0x5200_9229, 0x0040_A390)
"""SharedFunctionalGroupsSequence, HL7StructuredDocumentReferenceSequence: neither is in the table."""

WALKED = (0x0008_1140, 0x0008_2112)
"""ReferencedImageSequence, SourceImageSequence: of their items what the table does not name stays."""


def value(tag: int, number: int) -> Any:
    """Return a value of the attribute's VR that nothing else has."""
    day = date(2001, 1, 1) + timedelta(days=number)
    match vr_of(tag) or "LO":
        case "DA":
            return f"{day:%Y%m%d}"
        case "TM":
            return f"1{number % 10}2345.{number:06}"
        case "DT":
            return f"{day:%Y%m%d}112233.{number:06}"
        case "AS":
            return f"{number % 900 + 50:03}W"
        case "DS":
            return f"7{number:06}.125"
        case "IS":
            return f"77{number:06}"
        case "US":
            return 40000 + number % 20000
        case "UI":
            return f"1.2.826.0.1.4711.1{number:06}"
        case "UR":
            return f"http://canary{number:06}.example"
        case "PN":
            return f"Canary{number:06}^Bird"
        case "OB" | "OW" | "UN":
            return f"CANARY{number:06}".encode()
        case "SQ":
            return [_item(tag, number)]
        case _:
            return f"CANARY{number:06}"


def _item(tag: int, number: int) -> Dataset:
    """Return an item of a sequence that the table names, with what it does not name and what it does."""
    item = Dataset()
    if tag not in WALKED:
        item.CodeMeaning = f"CANARY{number:06}"
    item.ReferencedSOPInstanceUID = f"1.2.826.0.1.4711.1{number:06}"
    item.PatientName = f"Canary{number:06}^Bird"
    return item


def filled(start: int) -> Dataset:
    """Return a dataset with all of `TAGS`, the canaries numbered from `start`."""
    dataset = Dataset()
    for number, tag in enumerate(TAGS, start):
        dataset.add_new(tag, vr_of(tag) or "LO", value(tag, number))
    return dataset


def traces(start: int) -> list[bytes]:
    """Return what must not be found in the bytes of a dataset in which `filled(start)` was."""
    found = []
    for number, tag in enumerate(TAGS, start):
        given = value(tag, number)
        match given:
            case list():
                words = ("Canary", "4711.1") if tag in WALKED else ("CANARY", "Canary", "4711.1")
                found += [f"{word}{number:06}".encode() for word in words]
            case bytes():
                found.append(given)
            case str() if len(given) >= 8:
                found.append(given.encode())
    return found
