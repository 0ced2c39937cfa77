"""Instances for tests and benchmarks: synthetic CT and MR, names in twelve character sets, pydicom's files.

UIDs follow from the numbers given, so that two calls with the same arguments give the same instance.

Example
-------
>>> dataset = ct(3, study=2, rows=BIG)
>>> len(encode(dataset)) // 1000
525
"""

import copy
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

ROOT = "2.25.4711"
BIG = 512
"""Rows and columns of a CT of 525 KB."""
SMALL = 138
"""Rows and columns of a CT of 39 KB."""


def ct(number: int = 1, *, study: int = 1, series: int = 1, rows: int = 16, **values: object) -> Dataset:
    """Return instance `number` of a CT series of `rows` x `rows` pixels of 2 bytes.

    Parameters
    ----------
    values
        Keyword to value of attributes to set otherwise; None leaves one out.
    """
    return _image("CT", CT_CLASS, number, study, series, rows, values)


def mr(number: int = 1, *, study: int = 1, series: int = 2, rows: int = 16, **values: object) -> Dataset:
    """Return instance `number` of an MR series; see `ct`."""
    return _image("MR", MR_CLASS, number, study, series, rows, values)


def _image(
    modality: str, sop_class: str, number: int, study: int, series: int, rows: int, values: dict[str, object]
) -> Dataset:
    dataset = Dataset()
    dataset.update(_identity(study))
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = f"{ROOT}.{study}.{series}.{number}"
    dataset.SeriesInstanceUID = f"{ROOT}.{study}.{series}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ContentDate, dataset.ContentTime = "20240131", f"1015{number % 60:02}.250000"
    dataset.Modality = modality
    dataset.Manufacturer, dataset.ManufacturerModelName = "Isocentre", "Phantom 1"
    dataset.InstitutionName, dataset.StationName = "St. Elsewhere", "ROOM1"
    dataset.SeriesDescription, dataset.ProtocolName = f"{modality} series {series}", "Head routine"
    dataset.BodyPartExamined = "HEAD"
    dataset.SeriesNumber, dataset.InstanceNumber, dataset.AcquisitionNumber = series, number, 1
    dataset.SeriesDate, dataset.SeriesTime = "20240131", "101500"
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, number], [1, 0, 0, 0, 1, 0]
    dataset.SliceThickness, dataset.PixelSpacing = 1, [0.5, 0.5]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = rows
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.add_new("PixelData", "OW", _pixels(rows, number))
    for keyword, value in values.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def _identity(study: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = f"Phantom{study}^Test"
    dataset.PatientID, dataset.IssuerOfPatientID = f"P{study:05}", "ELSEWHERE"
    dataset.PatientBirthDate, dataset.PatientSex = "19700101", "O"
    dataset.StudyInstanceUID = f"{ROOT}.{study}"
    dataset.StudyDate, dataset.StudyTime = "20240131", "101112"
    dataset.AccessionNumber, dataset.StudyID = f"A{study:06}", str(study)
    dataset.StudyDescription = "Phantom study"
    dataset.ReferringPhysicianName = "House^Gregory"
    return dataset


@cache
def _noise(size: int) -> bytes:
    state, out = 12345, bytearray()
    for _ in range(-(-size // 2)):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out += (state >> 16 & 0x0FFF).to_bytes(2, "little")
    return bytes(out)


def _pixels(rows: int, number: int) -> bytes:
    size = rows * rows * 2
    pattern = _noise(4096)
    start = number * 2 % 4096
    return (pattern[start:] + pattern * (size // 4096 + 1))[:size]


def encode(dataset: Dataset, transfer_syntax: str = EXPLICIT) -> bytes:
    """Return `dataset` as it goes over the wire in an uncompressed or the deflated transfer syntax."""
    little = transfer_syntax != BIG_ENDIAN
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = little, transfer_syntax == IMPLICIT
    write_dataset(buffer, dataset if little else _swapped(dataset))
    encoded: bytes = buffer.getvalue()
    if transfer_syntax != DEFLATED:
        return encoded
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = compressor.compress(encoded) + compressor.flush()
    return deflated + b"\0" * (len(deflated) % 2)  # PS3.5 A.5


def _swapped(dataset: Dataset) -> Dataset:
    """pydicom writes the bytes of an OW as they are, whatever the byte order."""
    other = copy.deepcopy(dataset)
    if "PixelData" in other and other["PixelData"].VR == "OW":
        other.PixelData = swap(other.PixelData)
    return other


def swap(words: bytes) -> bytes:
    """Change the byte order of words of 2 bytes, the last one filled up."""
    even = bytearray(words + b"\0" * (len(words) % 2))
    even[::2], even[1::2] = even[1::2], even[::2]
    return bytes(even)


@dataclass(frozen=True)
class Name:
    """A person name in a Specific Character Set, as it is in the dataset and as it reads."""

    charset: str
    encoded: bytes
    text: str

    @property
    def terms(self) -> list[str]:
        """The values of (0008,0005)."""
        return self.charset.split("\\")


NAMES: tuple[Name, ...] = (
    Name("ISO_IR 100", "Buc^Jérôme".encode("latin-1"), "Buc^Jérôme"),
    Name("ISO_IR 101", "Wałęsa^Łucja".encode("iso8859-2"), "Wałęsa^Łucja"),
    Name("ISO_IR 109", "Ĉapelo^Ĝis".encode("iso8859-3"), "Ĉapelo^Ĝis"),
    Name("ISO_IR 110", "Bērziņš^Ņina".encode("iso8859-4"), "Bērziņš^Ņina"),
    Name("ISO_IR 144", "Люкceмбypг^Роза".encode("iso8859-5"), "Люкceмбypг^Роза"),
    Name("ISO_IR 127", "قباني^لنزار".encode("iso8859-6"), "قباني^لنزار"),
    Name("ISO_IR 126", "Διονυσιος^Σωκράτης".encode("iso8859-7"), "Διονυσιος^Σωκράτης"),
    Name("ISO_IR 138", "שרון^דבורה".encode("iso8859-8"), "שרון^דבורה"),
    Name("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ".encode("shift_jis"), "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    # PS3.5 H.3.1 and I.2: the examples of the Standard
    Name(
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    Name(
        "\\ISO 2022 IR 149",
        b"Hong^Gildong=\x1b$)C" + "洪".encode("euc_kr") + b"^\x1b$)C" + "吉洞".encode("euc_kr")
        + b"=\x1b$)C" + "홍".encode("euc_kr") + b"^\x1b$)C" + "길동".encode("euc_kr"),
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    Name("GB18030", "Wang^XiaoDong=王^小东".encode("gb18030"), "Wang^XiaoDong=王^小东"),
    Name("ISO_IR 192", "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
)  # fmt: skip
"""One name in each character set in which a name must be found again."""


def named(name: Name, number: int = 1, *, study: int = 1) -> bytes:
    """Return an encoded CT (Explicit VR Little Endian) whose patient has `name`, byte for byte."""
    dataset = ct(number, study=study, SpecificCharacterSet=None, PatientName=None)
    head = encode(dataset)
    charset, patient = name.charset.encode(), name.encoded
    elements = {
        0x00080005: (b"CS", charset + b" " * (len(charset) % 2)),
        0x00100010: (b"PN", patient + b" " * (len(patient) % 2)),
    }
    return insert(head, elements)


def insert(dataset: bytes, elements: dict[int, tuple[bytes, bytes]]) -> bytes:
    """Put top-level elements, raw, in front of the first greater tag of an Explicit VR Little Endian dataset.

    Parameters
    ----------
    elements
        Tag to VR and value; VRs with 16-bit length only.
    """
    out, left = bytearray(), sorted(elements.items())
    for tag, raw in _top_level(dataset):
        while left and left[0][0] < tag:
            out += _element(*left.pop(0))
        out += raw
    for each in left:
        out += _element(*each)
    return bytes(out)


def _element(tag: int, content: tuple[bytes, bytes]) -> bytes:
    vr, value = content
    header = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr
    return header + len(value).to_bytes(2, "little") + value


def _top_level(dataset: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(dataset):
        tag = int.from_bytes(dataset[position : position + 2], "little") << 16
        tag |= int.from_bytes(dataset[position + 2 : position + 4], "little")
        if dataset[position + 4 : position + 6] in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
            end = position + 12 + int.from_bytes(dataset[position + 8 : position + 12], "little")
        else:
            end = position + 8 + int.from_bytes(dataset[position + 6 : position + 8], "little")
        yield tag, dataset[position:end]
        position = end


def pydicom_files() -> list[Path]:
    """Return every file of `pydicom.data` that is DICOM, DICOMDIRs included, in order of name."""
    folder = Path(pydicom.__file__).parent / "data"
    other = {".txt", ".json", ".md", ".py", ".pyc", ".dump", ".icc", ".gz"}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in other and path.name != "README"
    ]
