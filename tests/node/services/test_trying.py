from pathlib import Path

import pytest

from node.core.errors import UserError
from node.services.trying import Trial
from rules.reading import read
from storage.records.arrival import Origin, Way
from tests.support.files import part10
from tests.support.ruled import Ruled
from tests.support.samples import ROOT, ct, mr

STUDY = f"{ROOT}.1"
RULES = read(
    """
[[rule]]
name = "serial"
when = 'DeviceSerialNumber == "7" and origin.calling_ae == "CT3"'
then = [{ action = "route", to = "PACS" }]

[[rule]]
name = "series"
on = "series"
when = 'series.instances > 1 and SliceThickness < 2'
then = [{ action = "tag", label = "thin" }]

[[rule]]
name = "study"
on = "study"
when = 'study.series == 2 and "MR" in study.modalities'
then = [{ action = "route", to = "CT3" }]
"""
).ruleset()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for number, dataset in enumerate(
        (
            ct(1, DeviceSerialNumber="7", SliceThickness="1"),
            ct(2, DeviceSerialNumber="8", SliceThickness="1"),
            mr(1, SliceThickness="3"),
        )
    ):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(part10(dataset))
        found.append(path)
    return found


def outcomes(found):
    return {
        (each.level, Path(each.file).name, each.uid): each.data["decisions"][0]["outcome"] for each in found
    }


EXPECTED = {
    ("instance", "0.dcm", f"{STUDY}.1.1"): "fired",
    ("instance", "1.dcm", f"{STUDY}.1.2"): "not fired",
    ("instance", "2.dcm", f"{STUDY}.2.1"): "unknown",
    ("series", "", f"{STUDY}.1"): "fired",
    ("series", "", f"{STUDY}.2"): "not fired",
    ("study", "", STUDY): "fired",
}


def test_files_are_explained_as_if_they_just_came(files: list[Path]):
    found = list(Trial(RULES, {"PACS": "PACS_AE"}).files(files, Origin(Way.DIMSE, "CT3")))
    assert outcomes(found) == EXPECTED
    first, *_, last = found
    assert first.data["decisions"][0]["trace"]["join"] == "and"
    assert first.data["seen"]["DeviceSerialNumber"] == "7"
    assert [action["to"] for action in first.data["actions"]] == [["PACS"]]
    assert last.data["actions"] == []  # it would go back to where it came from
    assert last.data["decisions"][0]["dropped"][0]["peer"] == "CT3"


def test_another_sender_is_another_matter(files: list[Path]):
    found = outcomes(Trial(RULES, {}).files(files[:1], Origin(Way.UPLOAD, user="ann")))
    assert found["instance", "0.dcm", f"{STUDY}.1.1"] == "unknown"


def test_what_would_be_refused_is_said(tmp_path: Path, files: list[Path]):
    trial = Trial(RULES, {})
    (tmp_path / "junk").write_bytes(b"junk" * 100)
    with pytest.raises(UserError, match="junk: no DICOM file"):
        list(trial.files([tmp_path / "junk"], Origin(Way.DIMSE)))
    with pytest.raises(UserError, match="none: No such file"):
        list(trial.files([tmp_path / "none"], Origin(Way.DIMSE)))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-5])
    with pytest.raises(UserError, match="the node would not take it"):
        list(trial.files(files, Origin(Way.DIMSE)))


def test_what_is_stored_is_explained(ruled: Ruled):
    trial = Trial(RULES, {"PACS": "PACS_AE"})
    origin = Origin(Way.DIMSE, "CT3")
    datasets = (
        ct(1, DeviceSerialNumber="7", SliceThickness="1"),
        ct(2, DeviceSerialNumber="8", SliceThickness="1"),
        mr(1, SliceThickness="3"),
    )
    ruled.send(*datasets, origin=origin)
    found = {}
    for uid in (f"{STUDY}.1.1", f"{STUDY}.1.2", f"{STUDY}.2.1", STUDY):
        found |= outcomes(trial.stored(ruled.archive, ruled.blobs, uid))
    assert found == {(level, "", uid): outcome for (level, _, uid), outcome in EXPECTED.items()}
    series = trial.stored(ruled.archive, ruled.blobs, f"{STUDY}.2")
    assert outcomes(series) == {("series", "", f"{STUDY}.2"): "not fired"}
    with pytest.raises(UserError, match="no instance, series or study of this UID"):
        list(trial.stored(ruled.archive, ruled.blobs, "1.2.3"))
