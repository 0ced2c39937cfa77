"""C-MOVE: an archive of dcmtk's sends to a storescp of dcmtk's, and we watch."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from scu.address import Address
from scu.association import Association
from scu.contexts import for_query
from scu.errors import Failed, TimedOut
from scu.move import PATIENT_ROOT, STUDY_ROOT, move
from scu.retrieval import Progress
from scu.wire.channel import Channel, Message
from scu.wire.command import COMPLETED, MOVE_DESTINATION, REMAINING, response_to
from tests.support.archive import fill
from tests.support.faulty import Act, Fault, faulty
from tests.support.samples import ct
from tests.support.strangers import Stranger, dcmqrscp, storescp


def study(number: int) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = "STUDY"
    keys.PatientID = f"P{number:05}"
    keys.StudyInstanceUID = f"2.25.4711.{number}"
    return keys


@contextlib.contextmanager
def opened(port: int, *, model: str = STUDY_ROOT, timeout: float = 30) -> Iterator[Association]:
    address = Address("ARCHIVE", "127.0.0.1", port)
    with Association.open(address, "ISOCENTRE", for_query(model), response_timeout=timeout) as association:
        yield association


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stranger, Stranger]]:
    """An archive and the destination that it knows."""
    with (
        storescp(tmp_path_factory.mktemp("destination"), ae_title="DESTINATION") as destination,
        dcmqrscp(tmp_path_factory.mktemp("archive"), move_to=("DESTINATION", destination.port)) as archive,
    ):
        fill(archive, [ct(number, study=study) for study in (1, 2) for number in range(1, 8)])
        yield archive, destination


@pytest.mark.parametrize(("model", "number"), [(STUDY_ROOT, 1), (PATIENT_ROOT, 2)])
def test_a_study_arrives_and_is_counted(pacs: tuple[Stranger, Stranger], model: str, number: int) -> None:
    archive, destination = pacs
    seen: list[Progress] = []
    with opened(archive.port, model=model) as association:
        report = move(association, model, study(number), "DESTINATION", progress=seen.append)
    assert report.complete
    assert report.progress == Progress(0, 7, 0, 0)
    assert seen[-1] == report.progress
    assert len(seen) > 1
    arrived = {pydicom.dcmread(path).SOPInstanceUID for path in destination.files}
    assert {f"2.25.4711.{number}.1.{n}" for n in range(1, 8)} <= arrived


def test_a_destination_that_the_archive_does_not_know(pacs: tuple[Stranger, Stranger]) -> None:
    with (
        opened(pacs[0].port) as association,
        pytest.raises(Failed, match="does not know the destination") as caught,
    ):
        move(association, STUDY_ROOT, study(1), "ELSEWHERE")
    assert caught.value.status == 0xA801
    assert "destination" in caught.value.advice


def test_a_destination_that_is_down(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path, move_to=("DESTINATION", 9)) as archive:
        fill(archive, [ct(1)])
        with opened(archive.port) as association, pytest.raises(Failed):
            move(association, STUDY_ROOT, study(1), "DESTINATION")


def test_nothing_matches(pacs: tuple[Stranger, Stranger]) -> None:
    with opened(pacs[0].port) as association:
        report = move(association, STUDY_ROOT, study(99), "DESTINATION")
    assert report.progress.completed == 0


def _until_cancelled(channel: Channel, message: Message, data: bytes) -> None:
    assert message.command.string(MOVE_DESTINATION) == "DESTINATION"
    completed = 0
    while not channel.cancelled(message.command.message_id):
        completed = min(completed + 1, 0xFFFF)
        answer = response_to(message.command, 0xFF00).us(REMAINING, 1000).us(COMPLETED, completed)
        channel.send(message.context, answer)
    channel.send(message.context, response_to(message.command, 0xFE00).us(REMAINING, 1000))


def _after(count: int) -> Callable[[], bool]:
    asked = iter(range(1_000_000))
    return lambda: next(asked) >= count


def test_a_move_is_cancelled() -> None:
    with faulty(script=_until_cancelled) as peer, opened(peer.port) as association:
        report = move(association, STUDY_ROOT, study(1), "DESTINATION", cancel=_after(3))
        assert report.status == 0xFE00
        assert report.progress.completed >= 3
        assert association.usable


def test_silence() -> None:
    with (
        faulty(Fault(1, Act.STALL)) as peer,
        opened(peer.port, timeout=0.3) as association,
        pytest.raises(TimedOut, match="C-MOVE"),
    ):
        move(association, STUDY_ROOT, study(1), "DESTINATION")
