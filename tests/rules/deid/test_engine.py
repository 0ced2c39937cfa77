import copy
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence

from rules.deid.codes import vr_of
from rules.deid.dummies import dummy
from rules.deid.engine import deidentify
from tests.support.canaries import NESTED_IN, TAGS, filled, traces
from tests.support.samples import EXPLICIT, IMPLICIT, ct, encode, pydicom_files

KEY = bytes(range(32))
OTHER = bytes(32)


def read(data: bytes, syntax: str = EXPLICIT) -> Dataset:
    """Read an encoded dataset, as it is when it comes from the store: nothing decoded yet."""
    return dcmread(BytesIO(data), force=True) if syntax == IMPLICIT else _explicit(data)


def _explicit(data: bytes) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = EXPLICIT
    buffer = BytesIO()
    whole = Dataset()
    whole.file_meta = meta
    dcmwrite(buffer, whole, enforce_file_format=False, overwrite=True)
    return dcmread(BytesIO(buffer.getvalue() + data), force=True)


def elements(dataset: Dataset):
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_no_attribute_of_the_table_survives_at_any_level(syntax: str):
    dataset = ct()
    dataset.update(filled(0))
    starts = [0]
    for number, tag in enumerate(NESTED_IN, 1):
        inner = Dataset()
        inner.add_new(NESTED_IN[number % 2], "SQ", [filled(20_000 * number + 10_000)])
        dataset.add_new(tag, "SQ", [filled(20_000 * number), inner])
        starts += [20_000 * number, 20_000 * number + 10_000]
    data = encode(dataset, syntax)
    wanted = [trace for start in starts for trace in traces(start)]
    assert len(wanted) > 600 * len(starts)
    assert all(trace in data for trace in wanted)

    result = read(data, syntax)
    deidentify(result, KEY)

    left = encode(result, syntax)
    assert [trace for trace in wanted if trace in left] == []
    nested = [result[tag].value for tag in NESTED_IN]
    for level in (result, *(items[0] for items in nested), *(items[1][NESTED_IN[n % 2]].value[0]
                  for n, items in enumerate(nested, 1))):  # fmt: skip
        kept = [level[tag] for tag in TAGS if tag in level]
        assert len(kept) > 200
        for element in kept:
            if element.VR not in ("SQ", "UI") and element.tag != 0x00100020:
                assert element.value in ("", None, b"", dummy(vr_of(element.tag))), element.tag


def test_what_the_table_does_not_name_stays_as_it_is():
    before = read(encode(ct(3, rows=16)))
    after = copy.deepcopy(before)
    deidentify(after, KEY)
    for keyword in ("Modality", "Rows", "PixelSpacing", "ImagePositionPatient", "PixelData", "SOPClassUID"):
        assert after[keyword].value == before[keyword].value
    assert not after.PatientName
    assert not after.AccessionNumber


def test_patients_stay_apart_and_their_studies_together():
    one, same, another = ct(study=1, PatientID="P1"), ct(study=2, PatientID="P1"), ct(study=3, PatientID="P2")
    for each in (one, same, another):
        deidentify(each, KEY)
    assert one.PatientID == same.PatientID != another.PatientID
    assert "P1" not in one.PatientID


def test_it_says_that_it_was_done():
    dataset = ct(PatientIdentityRemoved="NO", DeidentificationMethod="by hand, for Smith")
    deidentify(dataset, KEY)
    assert dataset.PatientIdentityRemoved == "YES"
    assert "2026c" in str(dataset.DeidentificationMethod)
    assert "Smith" not in str(dataset)
    assert [code.CodeValue for code in dataset.DeidentificationMethodCodeSequence] == ["113100"]
    assert dataset.LongitudinalTemporalInformationModified == "REMOVED"


def test_uids_are_consistent_within_and_between_instances():
    first, second = ct(1), ct(2)
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
        first.SOPClassUID,
        first.SOPInstanceUID,
    )
    second.SourceImageSequence = Sequence([reference])
    for each in (first, second):
        deidentify(each, KEY)
    assert first.StudyInstanceUID == second.StudyInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    (kept,) = second.SourceImageSequence
    assert kept.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert kept.ReferencedSOPClassUID == first.SOPClassUID


def test_private_curves_overlays_unknown_and_padding_go():
    dataset = ct()
    block = dataset.private_block(0x0029, "ACME", create=True)
    block.add_new(1, "LO", "Smith")
    item = Dataset()
    item.private_block(0x0031, "ACME", create=True).add_new(1, "LO", "Smith")
    item.SliceThickness = 2
    dataset.SharedFunctionalGroupsSequence = Sequence([item])
    dataset.add_new(0x50000040, "LO", "Smith")
    dataset.add_new(0x60100022, "LO", "Smith")
    dataset.add_new(0x60100010, "US", 5)
    dataset.add_new(0x00189FFE, "LO", "Smith")
    dataset.add_new(0xFFFCFFFC, "OB", b"Smith ")
    result = read(encode(dataset))
    deidentify(result, KEY)
    assert b"Smith" not in encode(result)
    assert b"ACME" not in encode(result)
    assert 0x60100010 not in result
    assert result.SharedFunctionalGroupsSequence[0].SliceThickness == 2


def test_a_sequence_that_cannot_be_walked_goes():
    dataset = ct()
    dataset.add_new(0x00400555, "LO", "Smith")  # AcquisitionContextSequence
    dataset.add_new(0x00089215, "LO", "Smith")  # DerivationCodeSequence: not in the table
    dataset.add_new(0x00081032, "UN", b"Smith " * 20_000)  # ProcedureCodeSequence, too long to be looked into
    dataset.add_new(0x00089121, "UN", b"Smith " * 20_000)
    result = read(encode(dataset))
    deidentify(result, KEY)
    assert b"Smith" not in encode(result)


def test_a_sequence_that_must_have_a_value_keeps_one_item_of_dummies():
    people = []
    for name in ("Smith", "Jones"):
        person, code = Dataset(), Dataset()
        code.CodeValue, code.CodeMeaning = name, name
        person.PersonIdentificationCodeSequence = Sequence([code])
        person.OperatorsName, person.InstitutionName = name, name
        people.append(person)
    result = read(encode(ct(OperatorIdentificationSequence=Sequence(people))))
    deidentify(result, KEY)
    (kept,) = result.OperatorIdentificationSequence
    assert kept.PersonIdentificationCodeSequence[0].CodeMeaning == "ANONYMIZED"
    assert b"Smith" not in encode(result)
    assert b"Jones" not in encode(result)


def test_meta_information_and_preamble_hold_nothing_either():
    buffer = BytesIO()
    dataset = ct()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.SourceApplicationEntityTitle = "SMITHCT"
    dataset.file_meta.PrivateInformationCreatorUID = "1.2.3"
    dataset.file_meta.PrivateInformation = b"Smith "
    dataset.preamble = b"MZ" + bytes(126)
    dcmwrite(buffer, dataset, enforce_file_format=True)
    result = dcmread(BytesIO(buffer.getvalue()))
    deidentify(result, KEY)
    assert result.file_meta.MediaStorageSOPInstanceUID == result.SOPInstanceUID
    out = BytesIO()
    dcmwrite(out, result, enforce_file_format=True)
    assert out.getvalue()[:128] == bytes(128)
    assert b"SMITH" not in out.getvalue().upper()


@given(st.binary(min_size=32, max_size=32), st.integers(1, 5))
def test_the_same_key_gives_the_same(key: bytes, number: int):
    first, second, other = ct(number), ct(number), ct(number)
    deidentify(first, key)
    deidentify(second, key)
    deidentify(other, bytes(byte ^ 1 for byte in key))
    assert encode(first) == encode(second)
    assert other.SOPInstanceUID != first.SOPInstanceUID


def _readable(path: Path) -> bool:
    try:
        dataset = dcmread(path)
        dcmwrite(BytesIO(), dataset, enforce_file_format=True)
        list(elements(dataset))
    except Exception:
        return False
    return "SOPInstanceUID" in dataset and "TransferSyntaxUID" in dataset.file_meta


@pytest.mark.filterwarnings("ignore")
def test_real_files():
    done = 0
    for path in pydicom_files():
        if not _readable(path):
            continue
        before, after = dcmread(path), dcmread(path)
        deidentify(after, KEY)
        buffer = BytesIO()
        dcmwrite(buffer, after, enforce_file_format=True)
        again = dcmread(BytesIO(buffer.getvalue()))
        assert again.SOPClassUID == before.SOPClassUID
        assert again.SOPInstanceUID == after.file_meta.MediaStorageSOPInstanceUID
        assert (again.SOPInstanceUID == before.SOPInstanceUID) is bool(before.SOPInstanceUID.type)
        if "PixelData" in before:
            assert again.PixelData == before.PixelData
        assert not any(element.tag.is_private for element in elements(again))
        done += 1
    assert done > 50
