"""C-FIND: an archive of dcmtk's is asked, and peers that answer badly."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
from pydicom.dataset import Dataset

from scu import identifiers
from scu.address import Address
from scu.association import Association
from scu.contexts import for_query
from scu.errors import Failed, NotAccepted, PeerFault, TimedOut
from scu.find import PATIENT_ROOT, STUDY_ROOT, find
from scu.wire.channel import Channel, Message
from scu.wire.command import CommandField, response_to
from scu.wire.errors import LinkClosed
from tests.support.archive import fill
from tests.support.faulty import Act, Fault, Script, faulty
from tests.support.samples import ct, mr
from tests.support.strangers import Stranger, dcmqrscp


def studies() -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.StudyInstanceUID = ""
    keys.PatientName = ""
    return keys


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    with dcmqrscp(tmp_path_factory.mktemp("archive")) as stranger:
        fill(stranger, [ct(1, study=study) for study in range(1, 26)] + [mr(1, study=1)])
        yield stranger


@contextmanager
def opened(port: int, *, model: str = STUDY_ROOT, timeout: float = 20) -> Iterator[Association]:
    address = Address("ARCHIVE", "127.0.0.1", port)
    with Association.open(address, "ISOCENTRE", for_query(model), response_timeout=timeout) as association:
        yield association


@pytest.mark.parametrize("model", [STUDY_ROOT, PATIENT_ROOT])
def test_an_exact_key(archive: Stranger, model: str) -> None:
    keys = studies()
    keys.PatientID = "P00007"
    keys.StudyInstanceUID = "2.25.4711.7"
    with opened(archive.port, model=model) as association:
        (answer,) = find(association, model, keys)
    assert answer.StudyInstanceUID == "2.25.4711.7"
    assert str(answer.PatientName) == "Phantom7^Test"


def test_all_answers_come_and_the_association_goes_on(archive: Stranger) -> None:
    with opened(archive.port) as association:
        for _ in range(3):
            found = {answer.StudyInstanceUID for answer in find(association, STUDY_ROOT, studies())}
            assert found == {f"2.25.4711.{study}" for study in range(1, 26)}


def test_nothing_matches(archive: Stranger) -> None:
    keys = studies()
    keys.StudyInstanceUID = "1.2.3"
    with opened(archive.port) as association:
        assert list(find(association, STUDY_ROOT, keys)) == []


def test_a_limit_cancels(archive: Stranger) -> None:
    with opened(archive.port) as association:
        assert len(list(find(association, STUDY_ROOT, studies(), limit=3))) == 3
        assert len(list(find(association, STUDY_ROOT, studies()))) == 25


def test_who_stops_asking_cancels(archive: Stranger) -> None:
    with opened(archive.port) as association:
        answers = find(association, STUDY_ROOT, studies())
        assert len(list(islice(answers, 2))) == 2
        answers.close()  # type: ignore[attr-defined]
        assert len(list(find(association, STUDY_ROOT, studies()))) == 25


def _forever(channel: Channel, message: Message, data: bytes) -> None:
    """Answer until cancelled, as an archive of a million studies would."""
    keys = identifiers.encode(studies(), message.context.transfer_syntax)
    while not channel.cancelled(message.command.message_id):
        channel.send(message.context, response_to(message.command, 0xFF00), keys)
    channel.send(message.context, response_to(message.command, 0xFE00))


def test_a_query_without_end_is_cancelled() -> None:
    with faulty(script=_forever) as peer, opened(peer.port) as association:
        assert len(list(find(association, STUDY_ROOT, studies(), limit=50))) == 50
        answers = find(association, STUDY_ROOT, studies())
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        assert association.usable
        assert peer.messages[0].command.field == CommandField.C_FIND_RQ


def _answering(*parts: tuple[int, bytes | None]) -> Script:
    def script(channel: Channel, message: Message, data: bytes) -> None:
        for status, dataset in parts:
            channel.send(message.context, response_to(message.command, status, "its words"), dataset)

    return script


@pytest.mark.parametrize(
    ("status", "words", "retry"),
    [
        (0xA700, "out of resources", True),
        (0xA900, "does not match", False),
        (0xC001, r"unable to process the query \(0xC001\): its words", True),
        (0xFE00, "cancelled", False),
        (0x0122, "not supported", False),
    ],
)
def test_a_failure_after_some_answers(status: int, words: str, retry: bool) -> None:
    answer = identifiers.encode(studies(), "1.2.840.10008.1.2.1")
    script = _answering((0xFF00, answer), (0xFF01, answer), (status, None))
    with faulty(script=script) as peer, opened(peer.port) as association:
        answers = find(association, STUDY_ROOT, studies())
        assert len(list(islice(answers, 2))) == 2
        with pytest.raises(Failed, match=words) as caught:
            next(answers)
        assert (caught.value.status, caught.value.retry) == (status, retry)


_NESTED = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"


@pytest.mark.parametrize("answer", [_NESTED * 5000, bytes(2 << 20)])
def test_an_answer_that_cannot_be_read(answer: bytes) -> None:
    with (
        faulty(script=_answering((0xFF00, answer), (0, None))) as peer,
        opened(peer.port) as association,
        pytest.raises(PeerFault, match="not DICOM as it should be"),
    ):
        list(find(association, STUDY_ROOT, studies()))


def test_silence() -> None:
    with (
        faulty(Fault(1, Act.STALL)) as peer,
        opened(peer.port, timeout=0.3) as association,
        pytest.raises(TimedOut, match="C-FIND"),
    ):
        list(find(association, STUDY_ROOT, studies()))


def _answer_once_and_leave(channel: Channel, message: Message, data: bytes) -> None:
    answer = identifiers.encode(studies(), message.context.transfer_syntax)
    channel.send(message.context, response_to(message.command, 0xFF00), answer)
    raise LinkClosed("it leaves")


def test_who_stops_asking_does_not_hear_of_a_broken_link() -> None:
    with faulty(script=_answer_once_and_leave) as peer, opened(peer.port) as association:
        answers = find(association, STUDY_ROOT, studies())
        next(answers)
        answers.close()  # type: ignore[attr-defined]


def test_a_model_that_was_not_proposed() -> None:
    with faulty() as peer, opened(peer.port) as association, pytest.raises(NotAccepted):
        next(find(association, PATIENT_ROOT, studies()))
