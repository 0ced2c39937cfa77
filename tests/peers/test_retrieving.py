"""dcmtk's findscu, getscu and movescu at all levels of both models."""

from pathlib import Path

import pydicom
import pytest

from tests.peers.programs import findscu, keys, run
from tests.scu.transcoding.test_convert import dataset_of
from tests.support.node import Running, free_port
from tests.support.retrieving import fill
from tests.support.samples import EXPLICIT, ct, encode, mr
from tests.support.strangers import storescp

DOE = {"PatientID": "P00001", "PatientName": "DOE^JANE"}
ALL = [ct(1), ct(2), ct(3), mr(1), ct(1, study=2), ct(1, study=3, **DOE)]
MODELS = {
    "-P": ("PATIENT", "STUDY", "SERIES", "IMAGE"),
    "-S": ("STUDY", "SERIES", "IMAGE"),
}
LEVELS = [(model, level) for model, levels in MODELS.items() for level in levels]
UNIQUE = {
    "PATIENT": {"PatientID": "P00001"},
    "STUDY": {"StudyInstanceUID": "2.25.4711.1"},
    "SERIES": {"SeriesInstanceUID": "2.25.4711.1.1"},
    "IMAGE": {"SOPInstanceUID": "2.25.4711.1.1.2"},
}


@pytest.fixture
def filled(running_node: Running) -> Running:
    """Patient P00001 with two studies, the first with a series of three and one of one; another patient."""
    fill(running_node.port, ALL)
    return running_node


@pytest.fixture
def got(tmp_path: Path) -> Path:
    """Where it comes to."""
    folder = tmp_path / "got"
    folder.mkdir()
    return folder


def _path(model: str, level: str) -> dict[str, str]:
    """The unique keys from the top of the model down to `level`."""
    levels = MODELS[model]
    named: dict[str, str] = {}
    for each in levels[: levels.index(level) + 1]:
        named |= UNIQUE[each]
    return named


def _expected(level: str) -> dict[str, bytes]:
    wanted = UNIQUE[level]
    return {
        str(each.SOPInstanceUID): encode(each)
        for each in ALL
        if all(str(each[keyword].value) == value for keyword, value in wanted.items())
    }


@pytest.mark.parametrize(("model", "level"), LEVELS)
def test_findscu_finds_the_one_that_is_named_and_all_that_are_there(
    filled: Running, tmp_path: Path, model: str, level: str
) -> None:
    named = _path(model, level)
    (own,) = list(UNIQUE[level])
    (found,) = findscu(filled, tmp_path, model, *keys(level, **named))
    assert {keyword: found[keyword].value for keyword in named} == named
    assert found.RetrieveAETitle == "ISOCENTRE"
    everything = findscu(filled, tmp_path, model, *keys(level, **{**named, own: ""}))
    assert (
        len(everything) == {"PATIENT": 2, "STUDY": 2 if model == "-P" else 3, "SERIES": 2, "IMAGE": 3}[level]
    )


@pytest.mark.parametrize(("model", "level"), LEVELS)
def test_getscu_gets_it(filled: Running, got: Path, model: str, level: str) -> None:
    run("getscu", filled, model, "+B", "-od", got, *keys(level, **_path(model, level)))
    assert _contents(got) == _expected(level)


@pytest.mark.parametrize(("model", "level"), LEVELS)
def test_movescu_moves_it(filled: Running, got: Path, model: str, level: str) -> None:
    with storescp(got, "+B", "+xe") as dest:
        filled.node.peers.add("dest", ae_title=dest.ae_title, host="127.0.0.1", port=dest.port)
        run("movescu", filled, model, "-aem", dest.ae_title, *keys(level, **_path(model, level)))
    assert _contents(got) == _expected(level)


def test_movescu_moves_to_itself(filled: Running, got: Path) -> None:
    port = free_port()
    filled.node.peers.add("self", ae_title="WORKSTATION", host="127.0.0.1", port=port)
    options = ["-S", "+B", "-aet", "WORKSTATION", "+P", port]
    run("movescu", filled, *options, *keys("STUDY", StudyInstanceUID="2.25.4711.1"), cwd=got)
    assert _contents(got) == _expected("STUDY")


@pytest.mark.parametrize("option", ["+xi", "+xb", "+xd", "+xs", "+xr", "+xv"])
def test_getscu_prefers_another_transfer_syntax(filled: Running, got: Path, option: str) -> None:
    run("getscu", filled, "-S", option, "-od", got, *keys("STUDY", StudyInstanceUID="2.25.4711.1"))
    images = {str(each.SOPInstanceUID): each for each in map(pydicom.dcmread, _files(got))}
    assert set(images) == set(_expected("STUDY"))
    for each in ALL[:4]:
        assert images[str(each.SOPInstanceUID)].pixel_array.astype("<u2").tobytes() == each.PixelData


def test_findscu_cancels(filled: Running, got: Path) -> None:
    said = run("findscu", filled, "-S", "--cancel", 1, *keys("IMAGE", SOPInstanceUID=""), cwd=got)
    assert "Find Response: 1 (Pending)" in said
    run("echoscu", filled)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix != ".log"]


def _contents(folder: Path) -> dict[str, bytes]:
    contents = {}
    for path in _files(folder):
        data, syntax = dataset_of(path)
        assert syntax == EXPLICIT
        contents[str(pydicom.dcmread(path).SOPInstanceUID)] = data
    return contents
