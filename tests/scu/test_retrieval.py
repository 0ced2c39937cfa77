"""Following a retrieval by its responses."""

import pytest
from pydicom.dataset import Dataset

from scu import identifiers
from scu.address import Address
from scu.association import Association
from scu.contexts import for_query
from scu.errors import Failed
from scu.move import STUDY_ROOT, move
from scu.retrieval import Progress, Report
from scu.wire.channel import Channel, Message
from scu.wire.command import COMPLETED, FAILED, REMAINING, WARNING, response_to
from tests.support.faulty import Script, faulty


def study() -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", "1.2.3"
    return keys


def responding(*parts: tuple[int, dict[int, int], list[str]]) -> Script:
    """Answer with each status, its counts and its list of failed UIDs."""

    def script(channel: Channel, message: Message, data: bytes) -> None:
        for status, counts, uids in parts:
            answer = response_to(message.command, status)
            for element, value in counts.items():
                answer.us(element, value)
            failed = Dataset()
            failed.FailedSOPInstanceUIDList = uids
            encoded = identifiers.encode(failed, message.context.transfer_syntax) if uids else None
            channel.send(message.context, answer, encoded)

    return script


def followed(*parts: tuple[int, dict[int, int], list[str]]) -> tuple[Report, list[Progress]]:
    seen: list[Progress] = []
    with faulty(script=responding(*parts)) as peer:
        address = Address("ARCHIVE", "127.0.0.1", peer.port)
        with Association.open(address, "ISOCENTRE", for_query(STUDY_ROOT)) as association:
            report = move(association, STUDY_ROOT, study(), "ISOCENTRE", progress=seen.append)
    return report, seen


def test_counts_are_reported_as_they_come() -> None:
    report, seen = followed(
        (0xFF00, {REMAINING: 2, COMPLETED: 1, FAILED: 0, WARNING: 0}, []),
        (0xFF00, {REMAINING: 1, COMPLETED: 1, FAILED: 1, WARNING: 0}, []),
        (0xB000, {COMPLETED: 2, FAILED: 1, WARNING: 0}, ["1.2.3.4"]),
    )
    assert seen == [Progress(2, 1, 0, 0), Progress(1, 1, 1, 0), Progress(0, 2, 1, 0)]
    assert report == Report(0xB000, Progress(0, 2, 1, 0), ("1.2.3.4",))
    assert not report.complete


def test_counts_that_are_not_told_stay_as_they_were() -> None:
    report, seen = followed((0xFF00, {REMAINING: 5}, []), (0xFF00, {COMPLETED: 3}, []), (0x0000, {}, []))
    assert seen[1] == Progress(5, 3, 0, 0)
    assert report == Report(0x0000, Progress(0, 3, 0, 0))
    assert report.complete


def test_success_with_failures_is_not_complete() -> None:
    report, _ = followed((0x0000, {COMPLETED: 1, FAILED: 1}, []))
    assert not report.complete


@pytest.mark.parametrize(
    ("status", "words", "retry"),
    [
        (0xA801, "does not know the destination", False),
        (0xA702, "cannot send", True),
        (0xC000, "unable to process", True),
    ],
)
def test_failures_are_raised(status: int, words: str, retry: bool) -> None:
    with pytest.raises(Failed, match=words) as caught:
        followed((status, {FAILED: 3}, ["1.2.3.4"]))
    assert (caught.value.status, caught.value.retry) == (status, retry)


def test_a_cancelled_retrieval_is_a_report() -> None:
    report, _ = followed((0xFE00, {REMAINING: 3, COMPLETED: 1}, []))
    assert report == Report(0xFE00, Progress(3, 1, 0, 0))
    assert not report.complete
