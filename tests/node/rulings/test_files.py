from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.core.errors import UserError
from node.intake.wants import Wants
from node.rulings.facts import of_arrival
from node.rulings.files import facts_of_file
from node.services.ingest import Ingest
from rules.facts import needs
from rules.unknown import Unknown
from storage.records.arrival import Origin, Way
from tests.node.services.test_ingest_wants import Follower
from tests.support.datasets import mutated
from tests.support.files import part10
from tests.support.ingest import Bench
from tests.support.samples import DEFLATED, EXPLICIT, IMPLICIT, ct, encode, pydicom_files

NEEDS = needs(["SliceThickness", "PixelPaddingValue", "KVP", "RescaleSlope", 'private["0019,ACME,0C"]'])
ORIGIN = Origin(Way.DIMSE, "CT3_AE", "ISOCENTRE", "10.0.0.7", path=("OLD",))


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as error:
        facts_of_file(path, ORIGIN, NEEDS)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, DEFLATED])
def test_a_file(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "ct.dcm"
    dataset = ct(rows=512)
    dataset.private_block(0x0019, "ACME", create=True).add_new(0x0C, "SQ", [ct(rows=4)])
    path.write_bytes(part10(dataset, syntax))
    facts = facts_of_file(path, ORIGIN, NEEDS)
    assert facts.get("Modality") == "CT"
    assert facts.get("SliceThickness") == "1.0"
    assert isinstance(facts.get('private["0019,ACME,0C"]'), Unknown)
    assert facts.get("KVP") is None
    assert facts.get("transfer_syntax.uid") == syntax
    assert facts.get("sop_class.name") == "CT Image Storage"
    assert facts.get("origin.path") == ["OLD", "CT3_AE"]


def test_it_is_what_ingest_sees(bench: Bench) -> None:
    """Every file of pydicom, one after the other taken in and tried."""
    told = Follower()
    ingest = Ingest(
        bench.archive,
        bench.blobs,
        free_floor=0,
        max_dataset=1 << 30,
        wants=lambda: Wants("abc", NEEDS),
        follower=told,
    )
    seen = 0
    for path in pydicom_files():
        outcome = ingest.take_file(path, ORIGIN)
        if outcome.refusal is not None:
            assert outcome.reason in refusal(path)
            continue
        seen += 1
        assert facts_of_file(path, ORIGIN, NEEDS) == of_arrival(told.seen[-1][0])
    assert seen > 150


def test_what_is_no_instance(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.dcm") == "No such file or directory"
    assert refusal(tmp_path) == "Is a directory"
    text = tmp_path / "notes.txt"
    text.write_text("nothing of interest")
    assert refusal(text) == "no DICOM file"
    text.write_bytes(b"")
    assert refusal(text) == "no DICOM file"
    directory = next(path for path in pydicom_files() if path.name == "DICOMDIR")
    assert refusal(directory) == "a DICOMDIR is no instance"


def test_what_the_node_would_not_take(tmp_path: Path) -> None:
    path = tmp_path / "ct.dcm"
    path.write_bytes(part10(ct())[:-10])
    assert refusal(path) == "the node would not take it: cut off within the value of (7FE0,0010)"
    path.write_bytes(encode(ct(SOPInstanceUID=None)))
    assert refusal(path) == "the node would not take it: no SOP Instance UID"


def test_an_instance_of_no_patient_is_filed(tmp_path: Path) -> None:
    path = tmp_path / "palette.dcm"
    path.write_bytes(part10(ct(StudyInstanceUID=None, SeriesInstanceUID=None)))
    facts = facts_of_file(path, ORIGIN, NEEDS)
    assert str(facts.get("StudyInstanceUID")).startswith("2.25.")


@given(raw=st.binary(max_size=400) | mutated([part10(ct(rows=4))]))
def test_arbitrary_bytes_are_facts_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.dcm"
    path.write_bytes(raw)
    try:
        facts_of_file(path, ORIGIN, NEEDS)
    except UserError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017 - nothing else may come
