"""Names in twelve character sets, sent and asked for by dcmtk, which passes on their bytes as they are."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from node.intake.part10 import encode_meta
from scp.charsets import encoder_of
from tests.peers.programs import findscu, keys, run
from tests.support.node import Running
from tests.support.samples import CT_CLASS, EXPLICIT, NAMES, ROOT, Name, encode, insert, named

UNICODE = "ISO_IR 192"


def _part10(path: Path, uid: str, dataset: bytes) -> Path:
    path.write_bytes(encode_meta(CT_CLASS, uid, EXPLICIT) + dataset)
    return path


def _query(path: Path, charset: str, name: bytes) -> Path:
    """A file of keys for findscu, the name in it byte for byte."""
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ""
    elements = {0x00080005: charset.encode(), 0x00100010: name}
    vrs = {0x00080005: b"CS", 0x00100010: b"PN"}
    padded = {tag: (vrs[tag], raw + b" " * (len(raw) % 2)) for tag, raw in elements.items()}
    return _part10(path, "2.25.1", insert(encode(asked), padded))


def _family(name: Name) -> str:
    return name.text.split("=")[0].split("^")[0] + "*"


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_a_name_is_found_in_its_own_set_and_in_unicode(
    running_node: Running, tmp_path: Path, name: Name
) -> None:
    other = NAMES[0] if name is not NAMES[0] else NAMES[1]
    files = [
        _part10(tmp_path / f"{study}.dcm", f"{ROOT}.{study}.1.1", named(each, study=study))
        for study, each in enumerate((name, other), 1)
    ]
    run("storescu", running_node, "-R", files=files)
    family = encoder_of(name.charset.encode()).encode(_family(name), True)
    assert family is not None
    queries = {
        "own": (name.charset, name.encoded),
        "own-family": (name.charset, family),
        "unicode": (UNICODE, name.text.encode()),
        "unicode-family": (UNICODE, _family(name).encode()),
    }
    for query, (charset, asked) in queries.items():
        path = _query(tmp_path / query, charset, asked)
        (found,) = findscu(running_node, tmp_path, "-S", files=[path])
        assert found.StudyInstanceUID == f"{ROOT}.1", query
        assert found.PatientName == name.text, query
        declared = found.SpecificCharacterSet
        assert (declared if isinstance(declared, str) else "\\".join(declared)) == charset, query


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_who_names_no_set_is_answered_in_unicode(running_node: Running, tmp_path: Path, name: Name) -> None:
    path = _part10(tmp_path / "1.dcm", f"{ROOT}.1.1.1", named(name))
    run("storescu", running_node, "-R", files=[path])
    asked = keys("STUDY", StudyInstanceUID=f"{ROOT}.1", PatientName="")
    (found,) = findscu(running_node, tmp_path, "-S", *asked)
    assert (found.PatientName, found.SpecificCharacterSet) == (name.text, UNICODE)
