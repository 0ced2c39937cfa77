"""C-FIND over a real association, on both databases."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filereader import dcmread, read_dataset

from node.config import load
from node.intake.syntax import encoding_of
from scp.charsets import encoder_of
from scp.elements import Writer, inflated
from scu.wire.channel import Channel
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    ERROR_COMMENT,
    MESSAGE_ID,
    OFFENDING_ELEMENT,
    PRIORITY,
    RESPONDED_TO,
    Command,
    CommandField,
)
from storage.errors import Unavailable
from storage.repos.query import QueryRepo
from tests.support.caller import call, context_of, echo, request, store
from tests.support.crowded import STUDIES
from tests.support.dcmtk import tool
from tests.support.index import fill, one_study
from tests.support.node import Running, running, write_config
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, NAMES, Name, encode, named

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"
VERIFICATION = "1.2.840.10008.1.1"
ALL = [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED]


@contextmanager
def asking(
    port: int, syntax: str = EXPLICIT, root: str = STUDY_ROOT, extended: bytes = b""
) -> Iterator[Channel]:
    asked = request(((root, [syntax]), (VERIFICATION, [IMPLICIT])))
    if extended:
        asked = replace(asked, extended={root: extended})
    with call(port, asked) as channel:
        yield channel


def send(channel: Channel, keys: Dataset | bytes, message_id: int = 1) -> None:
    context = next(each for each in channel.contexts.values() if each.abstract_syntax != VERIFICATION)
    command = Command.of(CommandField.C_FIND_RQ).us(MESSAGE_ID, message_id).us(PRIORITY, 0)
    command.uid(AFFECTED_SOP_CLASS_UID, context.abstract_syntax)
    data = keys if isinstance(keys, bytes) else encode(keys, context.transfer_syntax)
    channel.send(context, command, data)


def answer(channel: Channel) -> tuple[Command, Dataset | None]:
    message = channel.receive()
    if not message.command.has_data_set:
        return message.command, None
    encoding = encoding_of(message.context.transfer_syntax)
    data = inflated(channel.read_dataset(1 << 20), encoding)
    return message.command, read_dataset(BytesIO(data), not encoding.explicit, encoding.little)


def ask(channel: Channel, keys: Dataset | bytes) -> tuple[list[Dataset], Command]:
    """Return the answers and the final response."""
    send(channel, keys)
    found: list[Dataset] = []
    while True:
        command, dataset = answer(channel)
        if command.status not in (0xFF00, 0xFF01):
            assert dataset is None
            return found, command
        assert dataset is not None
        found.append(dataset)


def keys(level: str = "STUDY", **values: object) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in values.items():
        vr = dictionary_VR(keyword)
        dataset.add(DataElement(keyword, vr, value, validation_mode=IGNORE))  # bad values are wanted too
    return dataset


@pytest.mark.parametrize("syntax", ALL)
def test_a_query_in_every_transfer_syntax(running_node: Running, syntax: str) -> None:
    doe = one_study(1, PatientName="DOE^JANE", PatientID="1")
    fill(running_node.node.archive, [doe, one_study(2, PatientID="2")])
    with asking(running_node.port, syntax) as channel:
        found, final = ask(
            channel, keys(PatientName="doe^j*", PatientID="", ModalitiesInStudy="", PatientComments="")
        )
    assert final.status == 0
    (dataset,) = found
    assert (dataset.PatientName, dataset.PatientID, dataset.ModalitiesInStudy) == ("DOE^JANE", "1", "CT")
    assert (dataset.PatientComments, dataset.QueryRetrieveLevel) == ("", "STUDY")
    assert (dataset.RetrieveAETitle, dataset.InstanceAvailability) == ("ISOCENTRE", "ONLINE")


@pytest.mark.parametrize(
    ("root", "level", "unique"),
    [
        (PATIENT_ROOT, "PATIENT", "PatientID"),
        (PATIENT_ROOT, "STUDY", "StudyInstanceUID"),
        (PATIENT_ROOT, "SERIES", "SeriesInstanceUID"),
        (PATIENT_ROOT, "IMAGE", "SOPInstanceUID"),
        (STUDY_ROOT, "STUDY", "StudyInstanceUID"),
        (STUDY_ROOT, "SERIES", "SeriesInstanceUID"),
        (STUDY_ROOT, "IMAGE", "SOPInstanceUID"),
    ],
)
def test_levels_of_both_models(running_node: Running, root: str, level: str, unique: str) -> None:
    fill(running_node.node.archive, [one_study(number, PatientID=f"P{number}") for number in (1, 2)])
    with asking(running_node.port, root=root) as channel:
        found, final = ask(
            channel, keys(level, PatientID="P2", **({} if unique == "PatientID" else {unique: ""}))
        )
    assert final.status == 0
    (dataset,) = found
    assert str(dataset[unique].value).startswith({"PatientID": "P2"}.get(unique, "2.25.2"))


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        (keys("PATIENT"), 0x00080052),
        (keys("WORLD"), 0x00080052),
        (keys(StudyDate="20240101", StudyTime="noon"), 0x00080030),
        (keys(StudyDate="yesterday"), 0x00080020),
        (keys(StudyInstanceUID="1.2.*"), 0x0020000D),
    ],
)
def test_bad_keys_are_named(running_node: Running, asked: Dataset, tag: int) -> None:
    with asking(running_node.port, IMPLICIT) as channel:
        found, final = ask(channel, asked)
        assert (found, final.status) == ([], 0xA900)
        group, element = (tag >> 16).to_bytes(2, "little"), (tag & 0xFFFF).to_bytes(2, "little")
        assert final.elements[OFFENDING_ELEMENT] == group + element
        assert final.string(ERROR_COMMENT)
        assert echo(channel, 2) == 0


@pytest.mark.parametrize("data", [b"", b"nothing that could be read", b"\x08\x00\x52\x00\xff\xff\xff\x7f"])
def test_an_identifier_that_cannot_be_read(running_node: Running, data: bytes) -> None:
    with asking(running_node.port, IMPLICIT) as channel:
        found, final = ask(channel, data)
        assert (found, final.status) == ([], 0xA900)
        assert final.string(ERROR_COMMENT)
        assert echo(channel, 2) == 0


def test_a_key_that_matches_nothing_because_it_is_not_indexed_is_told(running_node: Running) -> None:
    fill(running_node.node.archive, [one_study(1)])
    with asking(running_node.port) as channel:
        for comment, status in (("", 0xFF00), ("asthma", 0xFF01)):
            send(channel, keys(PatientComments=comment, StudyInstanceUID=""))
            command, dataset = answer(channel)
            assert command.status == status
            assert dataset is not None
            assert dataset.PatientComments == ""
            assert answer(channel)[0].status == 0


@pytest.mark.parametrize(("ceiling", "given", "status"), [(3, 3, 0xA700), (5, 5, 0), (6, 5, 0), (0, 5, 0)])
def test_a_ceiling(start_node: Callable[..., Running], ceiling: int, given: int, status: int) -> None:
    node = start_node(dicom={"max_answers": ceiling})
    fill(node.node.archive, [one_study(number) for number in range(5)])
    with asking(node.port) as channel:
        found, final = ask(channel, keys(StudyInstanceUID=""))
        assert (len(found), final.status) == (given, status)
        assert ("3 matches" in final.string(ERROR_COMMENT)) == (status != 0)


@pytest.fixture
def crowded(tmp_path: Path, crowded_url: str) -> Iterator[Running]:
    """A node with twenty thousand studies and no ceiling."""
    dicom = {"max_answers": 0, "drain_timeout": 1}
    with running(load(write_config(tmp_path, crowded_url, dicom=dicom), environ={})) as node:
        yield node


def test_a_cancel_ends_a_long_answer(crowded: Running) -> None:
    with asking(crowded.port) as channel:
        context = context_of(channel, STUDY_ROOT)
        send(channel, keys(StudyInstanceUID="", StudyDescription=""), 7)
        assert answer(channel)[0].status == 0xFF00
        channel.send(context, Command.of(CommandField.C_CANCEL_RQ).us(RESPONDED_TO, 7))
        count = 1
        while (command := answer(channel)[0]).status == 0xFF00:
            count += 1
        assert command.status == 0xFE00
        assert count < STUDIES
        assert echo(channel, 8) == 0


def test_a_caller_that_hangs_up_lets_the_database_go(crowded: Running) -> None:
    for _ in range(3):
        with asking(crowded.port) as channel:
            send(channel, keys(StudyInstanceUID="", StudyDescription=""))
            assert answer(channel)[0].status == 0xFF00
    with crowded.node.archive.begin() as tx:
        tx.commit()
    with asking(crowded.port) as channel:
        assert len(ask(channel, keys(StudyInstanceUID="2.25.7"))[0]) == 1


def test_an_archive_that_fails_is_an_answer(running_node: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Unavailable("database: gone")

    monkeypatch.setattr(QueryRepo, "find", broken)
    with asking(running_node.port) as channel:
        found, final = ask(channel, keys(StudyInstanceUID=""))
        assert (found, final.status) == ([], 0xC001)
        assert echo(channel, 2) == 0


def test_dates_and_times_as_negotiated(running_node: Running) -> None:
    fill(running_node.node.archive, [one_study(1, StudyDate="20240101", StudyTime="230000")])
    asked = keys(StudyDate="20240101-20240102", StudyTime="22-02", StudyInstanceUID="")
    for extended, count in ((b"", 1), (b"\1", 1), (b"\1\1", 1), (b"\1\0", 0)):
        with asking(running_node.port, IMPLICIT, extended=extended) as channel:
            assert len(ask(channel, asked)[0]) == count


def test_who_may_not_query_is_told_so(start_node: Callable[..., Running]) -> None:
    node = start_node(dicom={"query_from": "known"})
    with asking(node.port) as channel:
        found, final = ask(channel, keys(StudyInstanceUID=""))
        assert (found, final.status) == ([], 0x0124)


def by_name(charset: str, name: str) -> bytes:
    """A query in Implicit VR by hand: pydicom cannot write a wildcard beside katakana."""
    encoded = encoder_of(charset.encode()).encode(name, True)
    assert encoded is not None
    values = [
        (0x00080005, charset.encode()),
        (0x00080052, b"STUDY"),
        (0x00100010, encoded),
        (0x0020000D, b""),
    ]
    writer = Writer(encoding_of(IMPLICIT))
    return b"".join(writer.element(tag, b"", value + b" " * (len(value) % 2)) for tag, value in values)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.charset)
def test_a_name_is_found_in_its_own_set_and_in_unicode(running_node: Running, name: Name) -> None:
    with call(running_node.port, request((("1.2.840.10008.5.1.4.1.1.2", [EXPLICIT]),))) as channel:
        for number, each in enumerate((name, NAMES[0] if name is not NAMES[0] else NAMES[1]), 1):
            data = named(each, study=number)
            uid = str(read_dataset(BytesIO(data), False, True).SOPInstanceUID)
            assert store(channel, data, uid)[0] == 0
    family = name.text.split("^")[0].split("=")[0]
    groups = [name.text, family + "*", *(group + "*" for group in name.text.split("=")[1:])]
    with asking(running_node.port, IMPLICIT) as channel:
        for terms in (name.terms, ["ISO_IR 192"]):
            for asked in groups:
                found, final = ask(channel, by_name("\\".join(terms), asked))
                assert final.status == 0
                (dataset,) = found
                assert dataset.PatientName == name.text
                declared = dataset.SpecificCharacterSet
                assert (declared if isinstance(declared, str) else list(declared)) in (terms, terms[0])
        query = keys(PatientName="*", StudyInstanceUID="2.25.4711.1")
        (dataset,) = ask(channel, query)[0]
        assert dataset.PatientName == name.text
        assert dataset.SpecificCharacterSet == "ISO_IR 192"


def findscu(node: Running, folder: Path, *arguments: str) -> tuple[str, list[Dataset]]:
    command = [
        str(tool("findscu")),
        "-v",
        "-S",
        "-X",
        "-aec",
        "ISOCENTRE",
        *arguments,
        "127.0.0.1",
        str(node.port),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True)
    return done.stderr + done.stdout, [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def test_dcmtk_finds(running_node: Running, tmp_path: Path) -> None:
    fill(
        running_node.node.archive,
        [
            one_study(number, PatientName=f"DOE^J{number}", StudyDate=f"2024010{number}")
            for number in range(1, 6)
        ],
    )
    told, found = findscu(
        running_node, tmp_path, "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=doe*",
        "-k", "StudyDate=20240102-20240104", "-k", "StudyInstanceUID", "-k", "NumberOfStudyRelatedInstances",
    )  # fmt: skip
    assert "Success" in told
    assert sorted(dataset.StudyInstanceUID for dataset in found) == ["2.25.2", "2.25.3", "2.25.4"]
    assert {dataset.NumberOfStudyRelatedInstances for dataset in found} == {1}


@pytest.mark.parametrize("option", ["-xi", "-xe", "-xb", "-xd"])
def test_dcmtk_finds_in_every_transfer_syntax(running_node: Running, tmp_path: Path, option: str) -> None:
    fill(running_node.node.archive, [one_study(1, PatientName="DOE^JANE", PatientSex="F")])
    _, found = findscu(
        running_node,
        tmp_path,
        option,
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        "PatientName",
        "-k",
        "PatientSex",
    )
    assert [(dataset.PatientName, dataset.PatientSex) for dataset in found] == [("DOE^JANE", "F")]
