"""The count, and the responses that tell it, over a real channel."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pydicom
import pytest
import structlog

from scp.statuses import Status
from scp.suboperations import Suboperations, failed_list
from scu.store import StoreResult
from scu.wire.channel import Channel, Context, Message
from scu.wire.command import MESSAGE_ID, Command, CommandField
from scu.wire.link import Link
from tests.scu.transcoding.test_convert import parsed
from tests.scu.transcoding.test_deflate import inflate
from tests.support.retrieving import STUDY_MOVE, Counts, _counts, cancel
from tests.support.samples import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT

CONTEXT = Context(1, STUDY_MOVE, IMPLICIT)
REQUEST = Message(CONTEXT, Command.of(CommandField.C_MOVE_RQ).us(MESSAGE_ID, 9))


class Pair:
    """Sub-operations on one side of a connection, the peer that asked on the other."""

    def __init__(self, count: int) -> None:
        ends = socket.socketpair()
        links = [Link(end, max_pdu=16384, idle_timeout=10, pdu_timeout=10) for end in ends]
        own, self.peer = (Channel(link, {1: CONTEXT}, 16384) for link in links)
        session = SimpleNamespace(channel=own, log=structlog.get_logger())
        self.counted = Suboperations(session, REQUEST, count)  # type: ignore[arg-type]
        self._links = links

    def told(self) -> Counts:
        """The next response."""
        message = self.peer.receive()
        assert message.command.field == CommandField.C_MOVE_RSP
        assert message.command.responded_to == 9
        return _counts(message.command, self.peer.read_dataset(1 << 20))

    def close(self) -> None:
        for link in self._links:
            link.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair(5)
    yield made
    made.close()


def test_each_answer_is_counted_once(pair: Pair) -> None:
    counted = pair.counted
    told = []
    for number, status in enumerate((0x0000, 0xB000, 0xB006, 0x0107, 0xA700)):
        counted.note(f"1.{number}", StoreResult(status))
        counted.pending()
        told.append(pair.told())
    assert [each.status for each in told] == [Status.PENDING] * 5
    assert [each.numbers for each in told] == [
        (4, 1, 0, 0),
        (3, 1, 0, 1),
        (2, 1, 0, 2),
        (1, 1, 0, 3),
        (0, 1, 1, 3),
    ]
    counted.finish()
    final = pair.told()
    assert (final.status, final.numbers) == (0xB000, (None, 1, 1, 3))
    assert final.failed_uids == ["1.4"]


@pytest.mark.parametrize(
    ("statuses", "final"),
    [
        ((), Status.SUCCESS),
        ((0x0000, 0x0000), Status.SUCCESS),
        ((0x0000, 0xB000), Status.SOME_SUBOPERATIONS_FAILED),
        ((0x0000, 0xA700), Status.SOME_SUBOPERATIONS_FAILED),
        ((0xB000, 0xA700), Status.SOME_SUBOPERATIONS_FAILED),
        ((0xA700, 0xC000), Status.OUT_OF_RESOURCES_SUBOPERATIONS),
        ((0x0110,), Status.OUT_OF_RESOURCES_SUBOPERATIONS),
    ],
)
def test_the_status_at_the_end(pair: Pair, statuses: tuple[int, ...], final: Status) -> None:
    for number, status in enumerate(statuses):
        pair.counted.note(f"1.{number}", StoreResult(status))
    pair.counted.finish()
    told = pair.told()
    assert told.status == final
    assert bool(told.failed_uids) == (pair.counted.failed > 0)


def test_a_cancelled_retrieval_tells_what_remains(pair: Pair) -> None:
    pair.counted.note("1.1", StoreResult(0))
    pair.counted.fail("1.2", "nobody wants it")
    assert not pair.counted.cancelled()
    cancel(pair.peer, CONTEXT, 9)
    assert pair.counted.cancelled()
    pair.counted.finish(cancelled=True)
    told = pair.told()
    assert (told.status, told.numbers) == (Status.CANCEL, (3, 1, 1, 0))
    assert told.failed_uids == ["1.2"]


def test_when_everything_fails_the_reason_is_told(pair: Pair) -> None:
    pair.counted.fail_all([f"1.{number}" for number in range(5)], "the destination cannot be reached")
    pair.counted.finish()
    told = pair.told()
    assert (told.status, told.numbers) == (Status.OUT_OF_RESOURCES_SUBOPERATIONS, (None, 0, 5, 0))
    assert told.comment == "the destination cannot be reached"
    assert len(told.failed_uids) == 5


def test_more_than_a_count_can_hold_is_said_as_its_most() -> None:
    pair = Pair(70_000)
    pair.counted.pending()
    assert pair.told().remaining == 0xFFFF
    pair.close()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])
def test_the_failed_list_in_every_transfer_syntax(syntax: str) -> None:
    data = failed_list(["1.2.3", "1.2.840.10008"], syntax)
    if syntax == DEFLATED:
        data, syntax = b"".join(inflate([data], 1000)), EXPLICIT
    dataset = parsed(data, syntax)
    assert list(dataset.FailedSOPInstanceUIDList) == ["1.2.3", "1.2.840.10008"]
    assert len(dataset) == 1
    assert isinstance(dataset, pydicom.Dataset)
