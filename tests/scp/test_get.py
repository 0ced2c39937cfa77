"""C-GET by hand and by dcmtk's getscu: what comes, the count, the status, cancel, damage."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from scp.statuses import Status
from scu.wire.channel import Channel, Message
from scu.wire.command import (
    AFFECTED_SOP_CLASS_UID,
    COMPLETED,
    MESSAGE_ID,
    MOVE_ORIGINATOR_AE,
    Command,
    CommandField,
    response_to,
)
from scu.wire.errors import PeerAborted
from tests.node.services.test_retrieve import flip
from tests.scu.transcoding.test_convert import dataset_of, parsed
from tests.support.caller import Proposals, call, context_of, echo, request, store
from tests.support.dcmtk import tool
from tests.support.node import Running
from tests.support.opened import path_of
from tests.support.retrieving import (
    PATIENT_GET,
    STUDY_GET,
    Retrieved,
    ask,
    cancel,
    fill,
    identifier,
    receiver,
    uids,
)
from tests.support.samples import (
    BIG_ENDIAN,
    CT_CLASS,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    MR_CLASS,
    ct,
    encode,
    mr,
    pydicom_files,
)

STUDY = identifier("STUDY", StudyInstanceUID="2.25.4711.1")
BOTH = ((CT_CLASS, (EXPLICIT,)), (MR_CLASS, (EXPLICIT,)))
RLE = "1.2.840.10008.1.2.5"


@pytest.fixture
def filled(running_node: Running) -> Running:
    """Study 1: five CT and two MR; study 2: one CT."""
    fill(running_node.port, [*(ct(n) for n in range(1, 6)), mr(1), mr(2), ct(1, study=2)])
    return running_node


def get(running: Running, keys: bytes, proposals: Proposals = BOTH, **how: object) -> Retrieved:
    model = str(how.pop("model", STUDY_GET))
    with call(running.port, receiver(proposals, model)) as channel:
        result = ask(channel, model, keys, **how)  # type: ignore[arg-type]
        channel.release()
    return result


def same(result: Retrieved, datasets: Sequence[Dataset]) -> bool:
    expected = {str(each.SOPInstanceUID): (EXPLICIT, encode(each)) for each in datasets}
    return result.instances == expected


@pytest.fixture
def told_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no pending response be left out."""
    monkeypatch.setattr("scp.delivery.TELL_SECONDS", 0.0)


@pytest.mark.usefixtures("told_each_time")
def test_a_study_comes_in_order_as_it_was_stored_and_is_counted(filled: Running) -> None:
    result = get(filled, STUDY)
    expected = [*(ct(n) for n in range(1, 6)), mr(1), mr(2)]
    assert same(result, expected)
    assert list(result.instances) == uids(expected)
    assert [each.numbers for each in result.pending] == [(6 - n, n + 1, 0, 0) for n in range(6)]
    assert (result.end.status, result.end.numbers) == (0, (None, 7, 0, 0))
    for command in result.stores:
        assert MOVE_ORIGINATOR_AE not in command.elements
        assert command.number(0x0700) == 2  # the priority that was asked for
    assert len({command.message_id for command in result.stores}) == 7


@pytest.mark.parametrize(
    ("model", "keys", "expected"),
    [
        (PATIENT_GET, identifier("PATIENT", PatientID="P00001"), 7),
        (PATIENT_GET, identifier("STUDY", PatientID="P00001", StudyInstanceUID="2.25.4711.1"), 7),
        (PATIENT_GET, identifier("STUDY", PatientID="P00002", StudyInstanceUID="2.25.4711.1"), 0),
        (STUDY_GET, identifier("STUDY", StudyInstanceUID="2.25.4711.1\\2.25.4711.2"), 8),
        (
            STUDY_GET,
            identifier("SERIES", StudyInstanceUID="2.25.4711.1", SeriesInstanceUID="2.25.4711.1.2"),
            2,
        ),
        (
            STUDY_GET,
            identifier(
                "IMAGE",
                StudyInstanceUID="2.25.4711.1",
                SeriesInstanceUID="2.25.4711.1.1",
                SOPInstanceUID="2.25.4711.1.1.2\\2.25.4711.1.1.4",
            ),
            2,
        ),
    ],
)
def test_every_level_of_both_models(filled: Running, model: str, keys: bytes, expected: int) -> None:
    result = get(filled, keys, model=model)
    assert (len(result.instances), result.end.status) == (expected, 0)


def test_what_the_peer_does_not_take_fails_by_name(filled: Running) -> None:
    result = get(filled, STUDY, [(CT_CLASS, (EXPLICIT,))])
    assert len(result.instances) == 5
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 5, 2, 0))
    assert result.end.failed_uids == uids([mr(1), mr(2)])


def test_a_peer_that_is_not_scp_of_a_class_gets_none_of_it(filled: Running) -> None:
    with call(filled.port, request([(STUDY_GET, (IMPLICIT,)), *BOTH])) as channel:
        result = ask(channel, STUDY_GET, STUDY)
    assert result.instances == {}
    assert (result.end.status, result.end.numbers) == (0xA702, (None, 0, 7, 0))
    assert len(result.end.failed_uids) == 7


def test_warnings_and_refusals_of_the_peer_are_counted(filled: Running) -> None:
    answers = {2: 0xB000, 3: 0xA700, 5: 0xC000}
    result = get(filled, STUDY, answer=lambda number, message: answers.get(number, 0))
    assert (result.end.status, result.end.numbers) == (0xB000, (None, 4, 2, 1))
    assert result.end.failed_uids == [ct(3).SOPInstanceUID, ct(5).SOPInstanceUID]
    everything = get(filled, STUDY, answer=lambda number, message: 0xA700)
    assert everything.end.status == Status.OUT_OF_RESOURCES_SUBOPERATIONS
    assert everything.end.comment == "the receiver answered 0xA700"


def test_pending_responses_are_few_where_instances_are_quick(filled: Running) -> None:
    result = get(filled, STUDY)
    assert 1 <= len(result.pending) <= 6
    assert result.pending[0].numbers == (6, 1, 0, 0)
    assert result.end.numbers == (None, 7, 0, 0)


@pytest.mark.parametrize("window", [1, 3])
def test_as_many_are_sent_at_once_as_the_peer_performs(filled: Running, window: int) -> None:
    asked = receiver(BOTH, window=(1, window))
    with call(filled.port, asked) as channel:
        keys = Command.of(CommandField.C_GET_RQ).us(MESSAGE_ID, 7).uid(AFFECTED_SOP_CLASS_UID, STUDY_GET)
        channel.send(context_of(channel, STUDY_GET), keys, STUDY)
        stored, waiting, most, end = _all_but_answers(channel)
        assert (end.status, end.number(COMPLETED), waiting) == (0, 7, [])
        assert stored == uids([*(ct(n) for n in range(1, 6)), mr(1), mr(2)])
        assert most == window


def _all_but_answers(channel: Channel) -> tuple[list[str], list[Message], int, Command]:
    """Answer only when nothing more comes, the latest first; return also how many waited at most."""
    stored: list[str] = []
    waiting: list[Message] = []
    most = 0
    while True:
        message = channel.receive()
        if message.command.field == CommandField.C_STORE_RQ:
            waiting.append(message)
            stored.append(message.command.affected_sop_instance_uid)
        elif message.command.status != Status.PENDING:
            return stored, waiting, most, message.command
        most = max(most, len(waiting))
        while waiting and not channel.comes(0.2):
            last = waiting.pop()
            channel.send(last.context, response_to(last.command, 0))


@pytest.mark.usefixtures("told_each_time")
def test_a_cancel_ends_it_between_two_instances(filled: Running) -> None:
    result = get(filled, STUDY, cancel_after=3)
    end = result.end
    assert end.status == Status.CANCEL
    assert end.remaining is not None
    assert end.remaining >= 1
    assert end.completed == len(result.instances) == 7 - end.remaining


def test_a_cancel_that_comes_before_an_answer_is_heard(filled: Running) -> None:
    with call(filled.port, receiver(BOTH)) as channel:

        def answer(number: int, message: Message) -> int:
            cancel(channel, context_of(channel, STUDY_GET), 7)
            return 0

        result = ask(channel, STUDY_GET, STUDY, answer=answer)
        assert (result.end.status, result.end.numbers) == (Status.CANCEL, (6, 1, 0, 0))
        assert ask(channel, STUDY_GET, STUDY, message_id=8).end.numbers == (None, 7, 0, 0)


def test_the_association_serves_more_than_one_retrieval(filled: Running) -> None:
    with call(filled.port, receiver([*BOTH, ("1.2.840.10008.1.1", (IMPLICIT,))])) as channel:
        for message_id in (3, 65535):
            assert ask(channel, STUDY_GET, STUDY, message_id=message_id).end.status == 0
        assert echo(channel) == 0


@pytest.mark.parametrize("taken", [IMPLICIT, DEFLATED, BIG_ENDIAN])
def test_what_is_not_taken_as_stored_is_transcoded(filled: Running, taken: str) -> None:
    result = get(filled, identifier("STUDY", StudyInstanceUID="2.25.4711.2"), [(CT_CLASS, (taken,))])
    ((syntax, data),) = result.instances.values()
    assert syntax == taken
    assert result.end.numbers == (None, 1, 0, 0)
    if taken == IMPLICIT:
        assert data == encode(ct(1, study=2), IMPLICIT)


def test_a_compressed_instance_comes_as_it_is_or_decoded(running_node: Running) -> None:
    path = pydicom.data.get_testdata_file("MR_small_RLE.dcm")
    dataset = pydicom.dcmread(path)
    compressed = data_of(Path(path))
    with call(running_node.port, request([(MR_CLASS, (RLE,))])) as channel:
        assert store(channel, compressed, dataset.SOPInstanceUID, MR_CLASS) == (0, "")
    keys = identifier("STUDY", StudyInstanceUID=dataset.StudyInstanceUID)
    as_it_is = get(running_node, keys, [(MR_CLASS, (EXPLICIT,)), (MR_CLASS, (RLE,))])
    assert list(as_it_is.instances.values()) == [(RLE, compressed)]
    ((syntax, data),) = get(running_node, keys, [(MR_CLASS, (EXPLICIT,))]).instances.values()
    made = parsed(data, syntax)
    assert made.PixelData == dataset.pixel_array.tobytes()
    assert (made.PhotometricInterpretation, made.SOPInstanceUID) == ("MONOCHROME2", dataset.SOPInstanceUID)


def test_pixels_that_cannot_be_decoded_fail_alone(running_node: Running) -> None:
    broken = encode(ct(1, PixelData=None)) + bytes.fromhex("e07f10004f420000ffffffff")
    broken += bytes.fromhex("feff00e000000000feff00e004000000deadbeeffeffdde000000000")
    with call(running_node.port, request([(CT_CLASS, (RLE,))])) as channel:
        assert store(channel, broken, ct(1).SOPInstanceUID) == (0, "")
    fill(running_node.port, [ct(2), ct(3)])
    result = get(running_node, STUDY)
    assert list(result.instances) == uids([ct(2), ct(3)])
    assert (result.end.status, result.end.failed_uids) == (0xB000, uids([ct(1)]))


def test_an_image_far_larger_than_it_can_be_is_not_decoded(running_node: Running) -> None:
    broken = encode(ct(1, Rows=65535, Columns=65535, NumberOfFrames=64, PixelData=None))
    broken += bytes.fromhex("e07f10004f420000fffffffffeff00e000000000feffdde000000000")
    with call(running_node.port, request([(CT_CLASS, (RLE,))])) as channel:
        assert store(channel, broken, ct(1).SOPInstanceUID) == (0, "")
    result = get(running_node, STUDY)
    assert result.end.status == Status.OUT_OF_RESOURCES_SUBOPERATIONS
    assert result.end.comment.startswith("its pixel data would have")


def blob_key(running: Running, uid: str) -> str:
    with running.node.archive.read() as tx:
        found = tx.instances.get(uid)
    assert found is not None
    return found.blob.key


def test_a_damaged_instance_fails_loudly_and_alone(filled: Running) -> None:
    uid = str(ct(3).SOPInstanceUID)
    flip(path_of(filled.node, blob_key(filled, uid)), -1)
    result = get(filled, STUDY)
    assert uid not in result.instances
    assert (result.end.status, result.end.numbers, result.end.failed_uids) == (0xB000, (None, 6, 1, 0), [uid])
    with filled.node.archive.read() as tx:
        assert [event.sop_instance_uid for event in tx.events.list(kind="instance.damaged")] == [uid]


def test_a_data_set_that_breaks_off_half_way_ends_the_association(
    filled: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(channel: Channel, *_: object, **__: object) -> None:
        channel.torn = True
        raise ValueError("half of it")

    monkeypatch.setattr("node.delivery.loading.AHEAD_MAX", 100)
    monkeypatch.setattr(Channel, "send_streamed", torn)
    with call(filled.port, receiver(BOTH)) as channel, pytest.raises(PeerAborted):
        ask(channel, STUDY_GET, STUDY)


def test_a_peer_that_hangs_up_half_way_harms_nobody(filled: Running) -> None:
    with call(filled.port, receiver(BOTH)) as channel:

        def hang_up(number: int, message: Message) -> int:
            channel.link.close()
            raise ConnectionError

        with pytest.raises(ConnectionError):
            ask(channel, STUDY_GET, STUDY, answer=hang_up)
    assert get(filled, STUDY).end.status == 0


def data_of(path: Path) -> bytes:
    return dataset_of(path)[0]


def test_getscu_gets_a_study(filled: Running, tmp_path: Path) -> None:
    folder = tmp_path / "got"
    folder.mkdir()
    getscu(filled, folder, "+B", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.4711.1")
    got = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in folder.iterdir()}
    expected = [*(ct(n) for n in range(1, 6)), mr(1), mr(2)]
    assert {uid: data_of(path) for uid, path in got.items()} == {
        str(each.SOPInstanceUID): encode(each) for each in expected
    }


def getscu(running: Running, folder: Path, *arguments: str) -> None:
    command = [str(tool("getscu")), "-S", "-aec", "ISOCENTRE", "-od", str(folder), *arguments]
    subprocess.run([*command, "127.0.0.1", str(running.port)], check=True, timeout=120)


def test_every_file_of_pydicom_comes_back_byte_for_byte(running_node: Running) -> None:
    sent = send_pydicom_files(running_node)
    assert len(sent) > 60
    for study in sorted({study for _, study, _, _ in sent.values()}):
        mine = {uid: each for uid, each in sent.items() if each[1] == study}
        proposals = list(dict.fromkeys((kind, (syntax,)) for kind, _, syntax, _ in mine.values()))
        result = get(running_node, identifier("STUDY", StudyInstanceUID=study), proposals)
        assert result.end.status == 0
        assert result.instances == {uid: (syntax, data) for uid, (_, _, syntax, data) in mine.items()}


def send_pydicom_files(running: Running) -> dict[str, tuple[str, str, str, bytes]]:
    """Send what has the UIDs that it takes; return UID to class, study, transfer syntax and data set."""
    sent: dict[str, tuple[str, str, str, bytes]] = {}
    for path in pydicom_files():
        try:
            meta = pydicom.filereader.read_file_meta_info(path)
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            uid, kind = str(dataset.SOPInstanceUID), str(dataset.SOPClassUID)
            study, syntax, data = str(dataset.StudyInstanceUID), str(meta.TransferSyntaxUID), data_of(path)
        except Exception:  # not DICOM, or without what makes it an instance
            continue
        if uid in sent or not (uid and study):
            continue
        with call(running.port, request([(kind, (syntax,))])) as channel:
            if not channel.contexts:
                continue
            status, _ = store(channel, data, uid, kind)
        if status == 0:
            sent[uid] = (kind, study, syntax, data)
    return sent
